// A gallery of images: sort, filter, page, look closely. Names only ever become text nodes. Loaded after the other
// gallery_*.js, whose functions it calls.
"use strict";

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
  const flag = Object.assign(document.createElement("span"), { className: "flag" });
  text.append(flag, first, `${classes}${fold} · `, shortId(data.id[number]));
  return text;
}

// An id that is shortened in its middle where there is no room for it: the ends tell images apart.
function shortId(id) {
  const box = Object.assign(document.createElement("span"), { className: "id", title: id });
  const letters = Array.from(id), ends = Math.max(0, letters.length - 12);
  const texts = [letters.slice(0, ends).join(""), letters.slice(ends).join("")];
  box.append(...texts.map((textContent) => Object.assign(document.createElement("span"), { textContent })));
  return box;
}

const isWide = (number) => data.width[number] > 3 * data.height[number];

function card(number, index) {
  const button = document.createElement("button");
  button.className = "card";
  button.dataset.number = number;
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
  const wrong = new Map(data.errors ? numbers.map((number) => [number, -wrongPixels(number)]) : []);
  return numbers.sort((a, b) => order(keys.get(a), keys.get(b)) || order(wrong.get(a), wrong.get(b)) || a - b);
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
  showFlags();
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

// ---- Controls.

function toggle(layer) {
  if (!document.querySelector(`[data-layer="${layer}"]`)) return;
  layers[layer] = !layers[layer];
  showLayers();
  redraw();
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

// Keys of the viewer, with what they do.
const VIEWER_KEYS = {
  ArrowLeft: () => step(-1), ArrowRight: () => step(1),
  "+": () => zoomTo(place.zoom * A_STEP), "=": () => zoomTo(place.zoom * A_STEP),
  "-": () => zoomTo(place.zoom / A_STEP), 0: () => zoomTo(1),
  "[": () => moveThreshold(-5), "]": () => moveThreshold(5), "{": () => moveThreshold(-1), "}": () => moveThreshold(1),
  r: () => setThreshold(null), h: togglePane, x: () => flag(shown[open]),
};
const PAN_KEYS = { ArrowLeft: [0.1, 0], ArrowRight: [-0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };
const OOF_KEYS = ["[", "]", "{", "}", "r", "h", "x"]; // need probabilities or labels
const GRID_KEYS = {
  "/": () => $("text").focus(),
  PageDown: () => turn(1), PageUp: () => turn(-1),
  h: () => toggle("heat"),
  x: () => { if (document.activeElement.dataset.number) flag(Number(document.activeElement.dataset.number)); },
  ...Object.fromEntries(Object.keys(PAN_KEYS).map((key) => [key, () => move(key)])),
};

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const slides = event.target.type === "range" && event.key.startsWith("Arrow");
  const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName) && event.target.type !== "range";
  if (typing || slides) {
    if (event.key === "Escape" || (event.key === "Enter" && event.target === $("text"))) event.target.blur();
    return;
  }
  if (["help", "flagged"].some((id) => $(id) && $(id).open)) return;
  const inViewer = $("viewer").open;
  const layer = { t: "truth", p: "predicted" }[event.key];
  let act = layer ? () => toggle(layer) : (inViewer ? VIEWER_KEYS : GRID_KEYS)[event.key];
  if (inViewer && event.shiftKey && PAN_KEYS[event.key]) act = () => pan(...PAN_KEYS[event.key]);
  if (event.key === "?") act = () => $("help").showModal();
  if (!act || (!data.truth && OOF_KEYS.includes(event.key))) return;
  event.preventDefault();
  act();
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
  onClick("zoom", (by) => zoomTo(Number(by) ? place.zoom * A_STEP ** Number(by) : 1));
  onClick("help", () => $("help").showModal());
  onClick("shut", (id) => $(id).close());
  if ($("heat-pane")) $("heat-pane").addEventListener("click", togglePane);
  listenToZoom();
  listenToThreshold();
  listenToFlags();
  document.addEventListener("keydown", pressed);
  window.addEventListener("hashchange", follow);
}

// Show what the address names, one image opened where it names one: oof.html#view=name&image=ID
function follow() {
  const id = new URLSearchParams(location.hash.slice(1)).get("image");
  recall();
  state.view = state.view || Object.keys(views())[0];
  $("view").value = state.view;
  refresh();
  const index = id === null ? -1 : shown.findIndex((number) => data.id[number] === id);
  if (index < 0) return;
  turn(Math.floor(index / PAGE_IMAGES) - state.page);
  view(index);
}

function gallery_data(found) {
  data = found;
  $("view").append(...Object.entries(views()).map(([key, [name]]) => new Option(name, key)));
  showLayers();
  listen();
  follow();
}
