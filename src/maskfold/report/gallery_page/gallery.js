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
  const wrong = data.errors ? (number) => -wrongPixels(number) : (number) => number;
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
