// Colours, what is said of an image, and controls. image_map_data.js calls image_map_data once.
"use strict";

const VIRIDIS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
const NONE = "#8a93a3";
const ERRORS = [["no class missed or falsely found", NONE, "best"], ["a class missed", "#e05252", "misses"],
  ["a false alarm", "#2b9a55", "alarms"], ["both", "#8a63d2", "worst"]]; // words, colour, view of the gallery
// A little of the text's colour keeps light colours visible on white, and dark ones on black.
const INK_SHARE = 0.18;
let ink = [0, 0, 0];
const rgb = (colour) => `rgb(${colour.map((value, k) => Math.round(value + INK_SHARE * (ink[k] - value))).join(",")})`;
const inReport = /\/image_map\/[^/]*$/.test(location.pathname); // a copy in the report's folder, not beside it
const report = () => (inReport ? ".." : `../${encodeURIComponent(data.run)}`);
const galleryOf = (kept) => `${report()}/oof.html#${new URLSearchParams(kept)}`;

function viridis(share) {
  const place = Math.round(Math.min(Math.max(share, 0), 1) * 32) / 32 * (VIRIDIS.length - 1), first = Math.min(Math.floor(place), VIRIDIS.length - 2);
  return rgb(VIRIDIS[first].map((low, k) => low + (VIRIDIS[first + 1][k] - low) * (place - first)));
}

// For each way of colouring: the colour of an image, and the entries of the legend as [words, colour, gallery, holds].
const WAYS = {
  class: () => [(n) => (data.class[n] < 0 ? NONE : rgb(data.colours[data.class[n]])), [
    ...data.classes.map((name, k) => [name, rgb(data.colours[k]), { view: "class", class: k }, (n) => data.class[n] === k]),
    ["none", NONE, null, (n) => data.class[n] < 0]]],
  fold: () => [(n) => rgb(data.colours[data.fold[n]]), [...new Set(data.fold)].sort((a, b) => a - b).map((fold) =>
    [`${data.part} ${fold}`, rgb(data.colours[fold]), { view: "fold", fold }, (n) => data.fold[n] === fold])],
  error: () => [(n) => ERRORS[data.error[n]][1], ERRORS.map(([words, colour, name], kind) =>
    [words, colour, { view: name }, (n) => data.error[n] === kind])],
  score: () => [(n) => viridis(data.score[n]), []],
};

function recolour() {
  ink = getComputedStyle(document.body).color.match(/[\d.]+/g).slice(0, 3).map(Number);
  const [colourOf, entries] = WAYS[$("by").value]();
  colours = data.id.map((_, number) => colourOf(number));
  const shown = entries.map(([words, colour, kept, holds]) => {
    const entry = document.createElement(kept ? "a" : "span"), dot = document.createElement("i");
    if (kept) entry.href = galleryOf(kept);
    dot.style.background = colour;
    entry.append(dot, `${words} (${data.id.filter((_, number) => holds(number)).length.toLocaleString("en")})`);
    return entry;
  });
  if (!entries.length) {
    const scale = Object.assign(document.createElement("i"), { id: "scale" });
    scale.style.background = `linear-gradient(to right, ${[0, 0.25, 0.5, 0.75, 1].map(viridis).join(",")})`;
    shown.push("0", scale, "1");
  }
  $("legend").replaceChildren(...shown);
  repaint();
}

const imageLink = (number) => galleryOf({ view: "name", image: data.id[number] });

function say(number) {
  at = number;
  repaint();
  if (number < 0) return;
  const text = document.createElement("p"), link = document.createElement("a"), photo = new Image();
  Object.assign(link, { href: imageLink(number), textContent: data.id[number] });
  const name = data.class[number] < 0 ? "no class" : `mostly ${data.classes[data.class[number]]}`;
  text.append(link, document.createElement("br"), `${data.part} ${data.fold[number]} · ${name} · ${data.metric} ` +
    `${data.score[number].toFixed(3)} · ${ERRORS[data.error[number]][0]}`);
  photo.alt = "";
  photo.onerror = () => photo.remove(); // there is no report yet
  if (data.pictures) photo.src = `${report()}/oof/${Math.floor(number / 1000)}/${number}.jpg`;
  $("seen").replaceChildren(photo, text);
}

// The nearest image within a quarter turn of the direction.
function go(right, down) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const [x, y] = at < 0 ? [width / 2, height / 2] : screen(at);
  const next = nearest(x, y, Infinity, (number, dx, dy) =>
    number !== at && dx * right + dy * down > Math.abs(dx * down) + Math.abs(dy * right));
  if (next < 0) return;
  say(next);
  const [left, top] = screen(next);
  if (left < 0 || top < 0 || left > width || top > height) moveBy(width / 2 - left, height / 2 - top);
}

const KEYS = {
  ArrowLeft: () => go(-1, 0), ArrowRight: () => go(1, 0), ArrowUp: () => go(0, -1), ArrowDown: () => go(0, 1),
  Enter: () => at >= 0 && location.assign(imageLink(at)),
  "+": () => zoomBy(1.5), "=": () => zoomBy(1.5), "-": () => zoomBy(1 / 1.5), 0: () => zoomBy(0),
};

function listen() {
  let from = null, moved = false;
  canvas.addEventListener("pointerdown", (event) => {
    from = [event.clientX, event.clientY];
    moved = false;
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!from) {
      const found = nearest(event.offsetX, event.offsetY, NEAR_PX);
      if (found >= 0 && found !== at) say(found);
      return;
    }
    moved = moved || Math.hypot(event.clientX - from[0], event.clientY - from[1]) > 4;
    if (!moved) return;
    moveBy(event.clientX - from[0], event.clientY - from[1]);
    from = [event.clientX, event.clientY];
  });
  canvas.addEventListener("pointerup", (event) => {
    from = null;
    const found = moved ? -1 : nearest(event.offsetX, event.offsetY, NEAR_PX);
    // A finger looks first; its second touch of the same image opens it.
    if (found >= 0 && (event.pointerType !== "touch" || found === at)) location.assign(imageLink(found));
    else if (found >= 0) say(found);
  });
  canvas.addEventListener("pointercancel", () => { from = null; });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoomBy(Math.exp(-event.deltaY / 300), event.offsetX, event.offsetY);
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    if (!(event.key in KEYS) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  document.querySelectorAll("[data-zoom]").forEach((button) => button.addEventListener("click", () =>
    zoomBy(Number(button.dataset.zoom) ? 1.5 ** Number(button.dataset.zoom) : 0)));
  $("by").addEventListener("input", recolour);
  window.addEventListener("resize", repaint);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
}

function image_map_data(found) {
  data = found;
  $("report").href = `${report()}/index.html`;
  $("gallery").href = `${report()}/oof.html`;
  listen();
  recolour();
}
