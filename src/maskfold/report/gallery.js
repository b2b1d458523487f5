// A gallery of images: sort, filter, page, look closely. Data comes from scripts, as a page opened from disk may not
// fetch: <kind>.js calls gallery_data once, <kind>/masks-<n>.js call gallery_masks. Names only ever become text nodes.
"use strict";

const PAGE_IMAGES = 48;
const TRUTH = [224, 49, 49], PREDICTION = [47, 178, 88], BOTH = [250, 204, 21];
const FILL = 80, CLASS_FILL = 110; // of 255: how opaque the inside of a mask is

const $ = (id) => document.getElementById(id);
const part = $("fold") ? $("fold").dataset.word : "fold"; // what an OOF file is called: a part, where one model made all
const sum = (values) => values.reduce((total, value) => total + value, 0);
const layers = { truth: true, predicted: true, heat: false };
const state = { view: "", class: "", fold: "", text: "", off: "", page: 0 }; // off: classes not drawn, as "2.5"
const masks = new Map(); // chunk -> its images' masks
const waiting = new Map(); // chunk -> what to do when its masks are there
let data, shown = [], open = -1;

// Each view: its name, which images it holds, and what they are sorted by (smallest first).
// `of` picks an image's numbers of the chosen class, or of all of them.
const sumWhere = (number, test) => sum(classesShown().filter((k) => test(number, k)).map((k) => area(number, k)));
const area = (number, k) => Math.max(data.predicted[number][k], data.truth ? data.truth[number][k] : 0);
const isFalseAlarm = (number, k) => data.predicted[number][k] > 0 && !data.truth[number][k];
const isMiss = (number, k) => !data.predicted[number][k] && data.truth[number][k] > 0;
const shows = (table) => (number) => sum(of(table, number)) > 0;
const byName = (number) => data.id[number].toLowerCase();
const OOF_VIEWS = {
  worst: ["worst first", (n) => shows(data.truth)(n) || shows(data.predicted)(n), meanScore],
  best: ["best first", (n) => shows(data.truth)(n), (n) => -meanScore(n)],
  wrong: ["most wrong pixels", (n) => shows(data.wrong)(n), (n) => -sum(of(data.wrong, n))],
  alarms: ["false alarms", (n) => sumWhere(n, isFalseAlarm) > 0, (n) => -sumWhere(n, isFalseAlarm)],
  misses: ["misses", (n) => sumWhere(n, isMiss) > 0, (n) => -sumWhere(n, isMiss)],
  class: ["by class", (n) => shows(data.truth)(n), (n) => of(data.truth, n).findIndex((value) => value > 0)],
  fold: [`by ${part}`, () => true, (n) => data.fold[n]],
  name: ["by name", () => true, byName],
};
const TEST_VIEWS = {
  order: ["in the submission's order", () => true, (n) => n],
  largest: ["largest first", (n) => shows(data.predicted)(n), (n) => -pixels(n)],
  smallest: ["smallest first", (n) => shows(data.predicted)(n), (n) => pixels(n)],
  empty: ["empty ones", (n) => !shows(data.predicted)(n), (n) => n],
  name: ["by name", () => true, byName],
};
const views = () => (data.truth ? OOF_VIEWS : TEST_VIEWS);

function classesShown() {
  return state.class === "" ? data.classes.map((_, index) => index) : [Number(state.class)];
}

// One class is drawn in red and green over each other; several in their own colours, truth and prediction side by side.
const inClassColours = () => classesShown().length > 1;
const switchedOff = () => new Set(state.off.split(".").filter((k) => k !== "").map(Number));

function classesDrawn() {
  const off = switchedOff();
  return classesShown().filter((k) => !inClassColours() || !off.has(k));
}

function of(table, number) {
  return classesShown().map((k) => table[number][k]);
}

function meanScore(number) {
  return sum(of(data.score, number)) / classesShown().length;
}

// ---- Files: names are numbers, a thousand a folder.

function file(number, suffix) {
  return `${data.folder}/${Math.floor(number / 1000)}/${number}${suffix}`;
}

function gallery_masks(chunk, images) {
  masks.set(chunk, images);
  for (const act of waiting.get(chunk) || []) act();
  waiting.delete(chunk);
}

function withMasks(number, act) {
  const chunk = Math.floor(number / data.chunk);
  const ready = () => act(masks.get(chunk)[number % data.chunk]);
  if (masks.has(chunk)) return ready();
  if (waiting.has(chunk)) return waiting.get(chunk).push(ready);
  waiting.set(chunk, [ready]);
  const script = document.createElement("script");
  script.src = `${data.folder}/masks-${chunk}.js`;
  document.body.append(script);
}

// ---- Drawing masks.

// Runs are gap, length, gap, length, … along the rows.
function filled(runs, size) {
  const mask = new Uint8Array(size);
  let at = 0;
  for (let index = 0; index < runs.length; index += 2) {
    at += runs[index];
    mask.fill(1, at, at + runs[index + 1]);
    at += runs[index + 1];
  }
  return mask;
}

function isEdge(mask, at, width) {
  const column = at % width;
  return !(column > 0 && mask[at - 1] && column < width - 1 && mask[at + 1] && mask[at - width] && mask[at + width]);
}

function paint(pixels, width, truth, predicted) {
  for (let at = 0; at < truth.length; at++) {
    const code = truth[at] + 2 * predicted[at];
    if (!code) continue;
    const edges = (truth[at] && isEdge(truth, at, width) ? 1 : 0) + (predicted[at] && isEdge(predicted, at, width) ? 2 : 0);
    if (!edges && layers.heat) continue;
    pixels.set([...[0, TRUTH, PREDICTION, BOTH][edges || code], edges ? 255 : FILL], 4 * at);
  }
}

// All fills come before all edges, so that no class hides where another one ends.
function paintClasses(pixels, width, drawn, fills) {
  for (const edges of fills ? [false, true] : [true]) {
    for (const [mask, colour] of drawn) {
      for (let at = 0; at < mask.length; at++) {
        if (mask[at] && isEdge(mask, at, width) === edges) pixels.set([...colour, edges ? 255 : CLASS_FILL], 4 * at);
      }
    }
  }
}

function overlay(canvas, number, part) {
  const width = (canvas.width = data.width[number]), height = (canvas.height = data.height[number]);
  withMasks(number, (classes) => {
    const context = canvas.getContext("2d");
    const image = context.createImageData(width, height);
    const runs = (k, of, layer) => (layers[layer] && classes[k] ? classes[k][of] : []);
    const mask = (each) => filled(each, width * height);
    if (inClassColours()) {
      const [of, layer] = part === "truth" ? [0, "truth"] : [1, "predicted"];
      const drawn = classesDrawn().filter((k) => runs(k, of, layer).length)
        .map((k) => [mask(runs(k, of, layer)), data.colours[k]]);
      paintClasses(image.data, width, drawn, part === "truth" || !layers.heat);
    } else {
      const [k] = classesShown();
      paint(image.data, width, mask(runs(k, 0, "truth")), mask(runs(k, 1, "predicted")));
    }
    context.putImageData(image, 0, 0);
  });
}

function cutout(canvas, number) {
  const width = (canvas.width = data.width[number]), height = (canvas.height = data.height[number]);
  const photo = new Image();
  photo.onload = () => withMasks(number, (classes) => {
    const context = canvas.getContext("2d");
    const image = context.createImageData(width, height);
    for (const k of classesDrawn()) {
      const mask = filled((classes[k] || [[], []])[1], width * height);
      mask.forEach((on, at) => { if (on) image.data[4 * at + 3] = 255; });
    }
    context.putImageData(image, 0, 0);
    context.globalCompositeOperation = "source-in";
    context.drawImage(photo, 0, 0, width, height);
  });
  photo.src = file(number, ".jpg");
}

// ---- Panes: a picture with what is laid over it.

const PART_NAMES = { truth: "truth", predicted: "prediction" };

function pane(number, kind) {
  const box = document.createElement("div");
  box.className = `pane ${kind}`;
  box.style.setProperty("--aspect", data.width[number] / data.height[number]);
  box.dataset.number = number;
  if (kind !== "cutout") {
    const photo = document.createElement("img");
    photo.src = file(number, ".jpg");
    photo.alt = "";
    photo.decoding = "async";
    box.append(photo);
  }
  box.append(document.createElement("canvas"));
  if (kind === "truth" || kind === "predicted") {
    box.append(Object.assign(document.createElement("span"), { className: "tag", textContent: PART_NAMES[kind] }));
  }
  near.observe(box);
  return box;
}

function draw(box) {
  const number = Number(box.dataset.number), canvas = box.querySelector("canvas");
  if (box.classList.contains("cutout")) return cutout(canvas, number);
  const part = box.classList.contains("truth") ? "truth" : "predicted";
  box.querySelectorAll(".heat").forEach((each) => each.remove());
  if (layers.heat && !(inClassColours() && part === "truth")) {
    for (const k of classesDrawn().filter((each) => data.heat[number].includes(each))) {
      const heat = document.createElement("img");
      heat.className = "heat";
      heat.alt = "";
      heat.src = file(number, `-${k}.png`);
      canvas.before(heat);
    }
  }
  overlay(canvas, number, part);
}

const near = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    near.unobserve(target);
    target.classList.add("drawn");
    draw(target);
  }
}, { rootMargin: "400px" });

function panes(number) {
  const box = document.createElement("div");
  const kinds = !data.truth ? ["overlay", "cutout"] : inClassColours() ? ["truth", "predicted"] : ["overlay"];
  box.className = data.width[number] > 2 * data.height[number] ? "panes stacked" : "panes";
  box.append(...kinds.map((kind) => pane(number, kind)));
  return box;
}

// ---- The grid.

// Classes may overlap: a pixel that several show counts once.
const pixels = (number) => (inClassColours() ? data.covered[number] : sum(of(data.predicted, number)));

function caption(number) {
  const text = document.createElement("p"), first = document.createElement("b");
  first.textContent = data.score ? meanScore(number).toFixed(3) : `${pixels(number)} px`;
  const present = classesShown().filter((k) => area(number, k) > 0).map((k) => data.classes[k]);
  const word = present.every((name) => /^class/i.test(name)) ? "" : "class ";
  const classes = data.classes.length > 1 && present.length ? ` · ${word}${present.join(", ")}` : "";
  const fold = data.fold ? ` · ${part} ${data.fold[number]}` : "";
  text.append(first, `${classes}${fold} · ${data.id[number]}`);
  return text;
}

const isWide = (number) => data.width[number] > 3 * data.height[number];

function card(number, index) {
  const button = document.createElement("button");
  button.className = "card";
  button.classList.toggle("wide-picture", isWide(number));
  button.append(panes(number), caption(number));
  button.addEventListener("click", () => view(index));
  return button;
}

function select() {
  const [, holds, key] = views()[state.view];
  const text = state.text.toLowerCase();
  const numbers = data.id.map((_, number) => number).filter((number) =>
    (state.fold === "" || data.fold[number] === Number(state.fold)) &&
    (!text || data.id[number].toLowerCase().includes(text)) && holds(number));
  const keys = new Map(numbers.map((number) => [number, key(number)]));
  const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  const wrong = data.wrong ? (number) => -sum(of(data.wrong, number)) : (number) => number;
  return numbers.sort((a, b) => order(keys.get(a), keys.get(b)) || order(wrong(a), wrong(b)) || a - b);
}

const pages = () => Math.max(1, Math.ceil(shown.length / PAGE_IMAGES));

function refresh() {
  shown = select();
  state.page = Math.min(state.page, pages() - 1);
  showPage();
}

function showPage() {
  document.body.classList.toggle("class-colours", inClassColours());
  showSwitches();
  const first = state.page * PAGE_IMAGES, numbers = shown.slice(first, first + PAGE_IMAGES);
  near.disconnect();
  $("grid").classList.toggle("all-wide", numbers.every(isWide));
  $("grid").replaceChildren(...numbers.map((number, k) => card(number, first + k)));
  $("count").textContent = `${shown.length} of ${data.id.length} images`;
  document.querySelectorAll(".page").forEach((each) => (each.textContent = `${state.page + 1} of ${pages()}`));
  document.querySelectorAll("[data-page]").forEach((button) => {
    const page = state.page + Number(button.dataset.page);
    button.disabled = page < 0 || page >= pages();
  });
  remember();
}

function turn(by) {
  const page = Math.min(Math.max(state.page + by, 0), pages() - 1);
  if (page === state.page) return false;
  state.page = page;
  showPage();
  scrollTo(0, 0);
  return true;
}

// ---- The viewer.

const COLUMNS = { truth: "truth px", predicted: "prediction px", wrong: "wrong px", score: "score" };

function view(index) {
  open = index;
  const number = shown[index];
  $("title").textContent = data.id[number] + (data.fold ? ` · ${part} ${data.fold[number]}` : "");
  $("stage").replaceChildren(panes(number));
  const columns = Object.keys(COLUMNS).filter((name) => data[name]);
  $("head").replaceChildren(row("th", ["class", ...columns.map((name) => COLUMNS[name])]));
  const classes = classesShown().sort((a, b) => (area(number, b) > 0) - (area(number, a) > 0)); // what there is first
  $("rows").replaceChildren(...classes.map((k) => {
    const line = row("td", ["", ...columns.map((name) => String(data[name][number][k]))]);
    line.firstChild.append(inClassColours() ? switchOf(k) : data.classes[k]);
    return line;
  }));
  if (!$("viewer").open) $("viewer").showModal();
}

function row(tag, texts) {
  const line = document.createElement("tr");
  line.append(...texts.map((text) => Object.assign(document.createElement(tag), { textContent: text })));
  return line;
}

function step(by) {
  const index = open + by;
  if (index < 0 || index >= shown.length) return;
  const page = Math.floor(index / PAGE_IMAGES);
  if (page !== state.page) turn(page - state.page);
  view(index);
}

function closed() {
  const card = $("grid").children[open - state.page * PAGE_IMAGES];
  if (card) card.focus();
  open = -1;
}

// ---- The legend: a switch for each class.

function switchOf(k) {
  const button = document.createElement("button"), swatch = document.createElement("i");
  swatch.style.background = `rgb(${data.colours[k]})`;
  button.append(swatch, data.classes[k]);
  button.dataset.switch = k;
  button.setAttribute("aria-pressed", String(!switchedOff().has(k)));
  button.addEventListener("click", () => {
    const off = switchedOff();
    if (!off.delete(k)) off.add(k);
    switchTo(off);
  });
  return button;
}

function switchTo(off) {
  state.off = [...off].sort((a, b) => a - b).join(".");
  document.querySelectorAll("[data-switch]").forEach((button) =>
    button.setAttribute("aria-pressed", String(!off.has(Number(button.dataset.switch)))));
  document.querySelectorAll(".pane.drawn").forEach(draw);
  remember();
}

function showSwitches() {
  $("classes").hidden = !inClassColours();
  const of = (text, off) => {
    const button = Object.assign(document.createElement("button"), { textContent: text, className: "plain" });
    button.addEventListener("click", () => switchTo(new Set(off)));
    return button;
  };
  $("classes").replaceChildren(...classesShown().map(switchOf), of("all", []), of("none", classesShown()));
}

// ---- Controls.

function toggle(layer) {
  if (!document.querySelector(`[data-layer="${layer}"]`)) return;
  layers[layer] = !layers[layer];
  showLayers();
  document.querySelectorAll(".pane.drawn").forEach(draw);
}

function showLayers() {
  document.querySelectorAll("[data-layer]").forEach((button) =>
    button.setAttribute("aria-pressed", String(layers[button.dataset.layer])));
}

function move(key) {
  const cards = [...$("grid").children], at = cards.indexOf(document.activeElement);
  if (at < 0) return cards.length && cards[0].focus();
  const { offsetTop: top, offsetLeft: left } = cards[at];
  if (key === "ArrowLeft" || key === "ArrowRight") {
    const next = cards[at + (key === "ArrowRight" ? 1 : -1)];
    if (next) return next.focus();
    if (turn(key === "ArrowRight" ? 1 : -1)) $("grid").children[key === "ArrowRight" ? 0 : PAGE_IMAGES - 1].focus();
    return;
  }
  // The nearest card of the next row: rows of cards of several widths have no common columns.
  const beyond = cards.filter((each) => (key === "ArrowDown" ? each.offsetTop > top : each.offsetTop < top));
  beyond.sort((a, b) => Math.abs(a.offsetTop - top) - Math.abs(b.offsetTop - top) ||
    Math.abs(a.offsetLeft - left) - Math.abs(b.offsetLeft - left));
  if (beyond.length) beyond[0].focus();
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = ["INPUT", "SELECT"].includes(event.target.tagName);
  if (typing) {
    if (event.key === "Escape" || (event.key === "Enter" && event.target === $("text"))) event.target.blur();
    return;
  }
  const layer = { t: "truth", p: "predicted", h: "heat" }[event.key];
  if (layer) return toggle(layer);
  if ($("viewer").open) {
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") step(event.key === "ArrowRight" ? 1 : -1);
    return;
  }
  if (event.key === "/") $("text").focus();
  else if (event.key.startsWith("Arrow")) move(event.key);
  else if (event.key === "PageDown" || event.key === "PageUp") turn(event.key === "PageDown" ? 1 : -1);
  else return;
  event.preventDefault();
}

// The address keeps what is shown, so that a link can name it: oof.html#view=misses&class=2
function remember() {
  const kept = Object.entries(state).filter(([, value]) => value !== "" && value !== 0);
  history.replaceState(null, "", `#${new URLSearchParams(kept)}`);
}

function recall() {
  const kept = new URLSearchParams(location.hash.slice(1));
  for (const key of ["view", "class", "fold", "text"]) {
    const control = $(key), value = kept.get(key) || "";
    if (!control) continue;
    control.value = value;
    if (control.value !== value) control.selectedIndex = 0; // a choice that there is not
    state[key] = control.value;
  }
  state.off = (kept.get("off") || "").split(".").filter((k) => data.classes[k] !== undefined).join(".");
  state.page = Math.max(0, Math.floor(Number(kept.get("page"))) || 0);
}

function listen() {
  for (const key of ["view", "class", "fold", "text"]) {
    const control = $(key);
    if (!control) continue;
    control.addEventListener("input", () => {
      state[key] = control.value;
      state.page = 0;
      refresh();
    });
  }
  const onClick = (name, act) => document.querySelectorAll(`[data-${name}]`).forEach((button) =>
    button.addEventListener("click", () => act(button.dataset[name])));
  onClick("layer", toggle);
  onClick("page", (by) => turn(Number(by)));
  onClick("step", (by) => step(Number(by)));
  onClick("close", () => $("viewer").close());
  $("viewer").addEventListener("close", closed);
  $("viewer").addEventListener("click", (event) => event.target === $("viewer") && $("viewer").close());
  let touched = null;
  $("stage").addEventListener("touchstart", (event) => (touched = event.touches[0].clientX), { passive: true });
  $("stage").addEventListener("touchend", (event) => {
    const moved = event.changedTouches[0].clientX - touched;
    if (Math.abs(moved) > 60) step(moved < 0 ? 1 : -1);
  });
  document.addEventListener("keydown", pressed);
  window.addEventListener("hashchange", () => { recall(); refresh(); });
}

function gallery_data(found) {
  data = found;
  $("view").append(...Object.entries(views()).map(([key, [name]]) => new Option(name, key)));
  recall();
  state.view = state.view || Object.keys(views())[0];
  $("view").value = state.view;
  showLayers();
  listen();
  refresh();
}
