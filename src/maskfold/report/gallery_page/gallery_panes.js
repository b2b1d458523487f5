// Panes: a picture with what is laid over it.
"use strict";

const PANE_NAMES = { truth: "truth", predicted: "prediction", heat: "probability", overlay: "truth and prediction" };
let threshold = null; // of 255, which the viewer draws in place of the rules in use; null: the rules

function pane(number, kind, named) {
  const box = document.createElement("div"), inner = document.createElement("div");
  box.className = `pane ${kind}`;
  inner.className = "layers";
  box.style.setProperty("--aspect", data.width[number] / data.height[number]);
  box.dataset.number = number;
  if (kind !== "cutout") {
    const photo = document.createElement("img");
    photo.src = file(number, ".jpg");
    photo.alt = "";
    photo.decoding = "async";
    inner.append(photo);
  }
  inner.append(Object.assign(document.createElement("canvas"), { className: "masks" }));
  box.append(inner);
  if (named) box.append(Object.assign(document.createElement("span"), { className: "tag", textContent: PANE_NAMES[kind] }));
  near.observe(box);
  return box;
}

const kindOf = (box) => ["cutout", "truth", "predicted", "heat"].find((kind) => box.classList.contains(kind)) || "overlay";

// Masks of the classes that are drawn: of each its number, truth and prediction, a byte a pixel. The last ones are kept,
// as several panes and the figures want them.
function masksDrawn(number, chosen) {
  const key = [number, chosen, state.class, state.off].join("/");
  if (lastMasks.key !== key) lastMasks = { key, found: masksMade(number, chosen) };
  return lastMasks.found;
}

let lastMasks = { key: "", found: null };

async function masksMade(number, chosen) {
  const classes = await masksOf(number), maps = chosen === null ? null : await levelsOf(number);
  const size = data.width[number] * data.height[number];
  const blank = new Uint8Array(size);
  return classesDrawn().map((k) => {
    const runs = classes[k] || [[], []];
    const rule = () => (runs[1].length ? filled(runs[1], size) : blank);
    const predicted = maps === null ? rule() : maps.has(k) ? atLeast(maps.get(k), chosen) : blank;
    return [k, runs[0].length ? filled(runs[0], size) : blank, predicted];
  });
}

function put(canvas, number, paintOn) {
  const width = (canvas.width = data.width[number]), height = (canvas.height = data.height[number]);
  const image = new ImageData(width, height);
  paintOn(new Uint32Array(image.data.buffer), width);
  canvas.getContext("2d").putImageData(image, 0, 0);
}

async function draw(box) {
  const number = Number(box.dataset.number), kind = kindOf(box), inViewer = $("stage").contains(box);
  if (kind === "cutout") return cutout(box.querySelector(".masks"), number);
  const turn = (box.turn = (box.turn || 0) + 1); // a later drawing may be done first
  const heated = kind === "heat" || (layers.heat && !inViewer && kind !== "truth");
  const maps = heated ? await levelsOf(number) : null;
  const drawn = await masksDrawn(number, inViewer ? threshold : null);
  if (turn !== box.turn) return;
  drawHeat(box, number, maps);
  if (kind === "heat") return sayHeat(box, maps);
  put(box.querySelector(".masks"), number, (pixels, width) => {
    if (kind === "overlay" && !inClassColours()) {
      for (const [, truth, predicted] of drawn) {
        const none = new Uint8Array(truth.length);
        paint(pixels, width, layers.truth ? truth : none, layers.predicted ? predicted : none, !heated);
      }
      return;
    }
    const layer = kind === "truth" ? "truth" : "predicted";
    const shown = drawn.map(([k, truth, predicted]) => [layer === "truth" ? truth : predicted, data.colours[k]]);
    if (layers[layer]) paintClasses(pixels, width, shown, !heated);
  });
}

function drawHeat(box, number, maps) {
  box.querySelectorAll(".heated").forEach((each) => each.remove());
  if (maps === null) return;
  const canvas = Object.assign(document.createElement("canvas"), { className: "heated" });
  const shown = classesDrawn().filter((k) => maps.has(k)).map((k) => maps.get(k));
  put(canvas, number, (pixels) => paintHeat(pixels, shown));
  box.querySelector(".masks").before(canvas);
}

function sayHeat(box, maps) {
  const there = classesDrawn().some((k) => maps.has(k));
  box.querySelector(".tag").textContent = PANE_NAMES.heat + (there ? "" : " below 0.05");
}

async function cutout(canvas, number) {
  const photo = new Image();
  photo.src = file(number, ".jpg");
  const [drawn] = await Promise.all([masksDrawn(number, null), photo.decode()]);
  put(canvas, number, (pixels) => {
    for (const [, , predicted] of drawn) predicted.forEach((on, at) => { if (on) pixels[at] = 0xff000000; });
  });
  const context = canvas.getContext("2d");
  context.globalCompositeOperation = "source-in";
  context.drawImage(photo, 0, 0, data.width[number], data.height[number]);
}

const near = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    near.unobserve(target);
    draw(target).then(() => target.classList.add("drawn"));
  }
}, { rootMargin: "400px" });

const redraw = () => Promise.all([...document.querySelectorAll(".pane.drawn")].map(draw));

function panes(number, closely = false) {
  const box = document.createElement("div");
  const kinds = !data.truth ? ["overlay", "cutout"] : inClassColours() ? ["truth", "predicted"] : ["overlay"];
  if (closely && data.truth) kinds.push("heat");
  const stacked = data.width[number] > 2 * data.height[number];
  box.className = stacked ? "panes stacked" : "panes";
  box.style.setProperty("--count", kinds.length);
  box.append(...kinds.map((kind) => pane(number, kind, data.truth && kinds.length > 1)));
  return box;
}
