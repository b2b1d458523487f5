// Masks drawn over pictures, and the panes they lie in.
"use strict";

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
