// Draws the tuning surfaces and shows the threshold, the minimum area and the exact score under the pointer.
"use strict";

const COLOURS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]]; // viridis
const THRESHOLDS = 255;
const MARKS = { "default": "○", "tuned": "★", "best component rule": "△" };
const surfaces = new Map();

// Called by the scripts that hold the tables: a page opened from disk may not fetch them.
function surface_data(index, table) {
  const bytes = Uint8Array.from(atob(table.scores), (character) => character.charCodeAt(0));
  const figure = document.querySelector(`[data-surface="${index}"]`);
  const surface = { ...table, scores: new Float32Array(bytes.buffer), figure, canvas: figure.querySelector("canvas") };
  surface.at = surface.marks[surface.marks.length - 1].slice(1);
  surfaces.set(figure, surface);
  paint(surface);
  describe(surface);
  const marks = surface.marks.map(([name]) => ` · ${MARKS[name]} ${name}`);
  figure.querySelector(".marks").textContent = marks.join("");
  surface.canvas.addEventListener("pointermove", (event) => point(surface, event));
  surface.canvas.addEventListener("pointerdown", (event) => point(surface, event));
  surface.canvas.addEventListener("keydown", (event) => step(surface, event));
}

function score(surface, row, column) {
  return surface.scores[row * surface.areas.length + column];
}

// Where a column lies, 0 to 1: minimum areas on a log scale, the first (0 px) at the left edge.
function place(surface, column) {
  return Math.log(Math.max(surface.areas[column], 1)) / Math.log(surface.areas[surface.areas.length - 1]);
}

function columnAt(surface, share) {
  let low = 0, high = surface.areas.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((place(surface, middle) + place(surface, middle + 1)) / 2 < share) low = middle + 1;
    else high = middle;
  }
  return low;
}

function colour(share) {
  const at = Math.min(Math.max(share, 0), 1) * (COLOURS.length - 1);
  const low = Math.min(Math.floor(at), COLOURS.length - 2);
  return COLOURS[low].map((value, index) => value + (at - low) * (COLOURS[low + 1][index] - value));
}

// Colours start at the median score, where the surface gets interesting.
function colourRange(surface) {
  const sorted = surface.scores.slice().sort();
  const low = sorted[sorted.length >> 1], high = sorted[sorted.length - 1];
  return [low, Math.max(high - low, 1e-6)];
}

function paint(surface) {
  const { canvas } = surface;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * ratio;
  canvas.height = canvas.clientHeight * ratio;
  if (!canvas.width || !canvas.height) return;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(canvas.width, canvas.height);
  const [low, range] = colourRange(surface);
  const columns = Array.from({ length: canvas.width }, (_, x) => columnAt(surface, x / (canvas.width - 1)));
  for (let y = 0; y < canvas.height; y++) {
    const row = THRESHOLDS - 1 - Math.floor((y / canvas.height) * THRESHOLDS);
    for (let x = 0; x < canvas.width; x++) {
      const [red, green, blue] = colour((score(surface, row, columns[x]) - low) / range);
      pixels.data.set([red, green, blue, 255], 4 * (y * canvas.width + x));
    }
  }
  surface.painted = pixels;
  mark(surface);
}

function spot(surface, row, column) {
  const { width, height } = surface.canvas;
  return [place(surface, column) * (width - 1), ((THRESHOLDS - row - 0.5) / THRESHOLDS) * height];
}

function mark(surface) {
  if (!surface.painted) return;
  const context = surface.canvas.getContext("2d");
  const ratio = window.devicePixelRatio || 1;
  context.putImageData(surface.painted, 0, 0);
  const [x, y] = spot(surface, ...surface.at);
  context.strokeStyle = "rgba(255, 255, 255, .75)";
  context.lineWidth = ratio;
  context.beginPath();
  context.moveTo(x, 0);
  context.lineTo(x, surface.canvas.height);
  context.moveTo(0, y);
  context.lineTo(surface.canvas.width, y);
  context.stroke();
  context.font = `${18 * ratio}px sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineWidth = 3 * ratio;
  for (const [name, row, column] of surface.marks) {
    const [left, top] = spot(surface, row, column);
    const room = 10 * ratio;
    const clamped = (value, side) => Math.min(Math.max(value, room), side - room);
    const inside = [clamped(left, surface.canvas.width), clamped(top, surface.canvas.height)];
    context.strokeStyle = "#000";
    context.strokeText(MARKS[name], ...inside);
    context.fillStyle = "#fff";
    context.fillText(MARKS[name], ...inside);
  }
}

function describe(surface) {
  const [row, column] = surface.at;
  const last = column === surface.areas.length - 1;
  const area = last ? "larger than any image: always empty" : `${surface.areas[column]} px`;
  const text = `p ≥ ${((row + 1) / 255).toFixed(3)} (${row + 1}/255) · minimum area ${area} · ${surface.metric} `;
  surface.figure.querySelector("output").textContent = text + score(surface, row, column).toFixed(5);
}

function show(surface, row, column) {
  const inside = (value, count) => Math.min(Math.max(value, 0), count - 1);
  surface.at = [inside(row, THRESHOLDS), inside(column, surface.areas.length)];
  mark(surface);
  describe(surface);
}

function point(surface, event) {
  const box = surface.canvas.getBoundingClientRect();
  const row = THRESHOLDS - 1 - Math.floor(((event.clientY - box.top) / box.height) * THRESHOLDS);
  show(surface, row, columnAt(surface, (event.clientX - box.left) / box.width));
}

function step(surface, event) {
  const steps = { ArrowUp: [1, 0], ArrowDown: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] };
  if (!(event.key in steps)) return;
  event.preventDefault();
  const [rows, columns] = steps[event.key].map((value) => value * (event.shiftKey ? 10 : 1));
  show(surface, surface.at[0] + rows, surface.at[1] + columns);
}

// A table is half a megabyte, so it is loaded when its figure comes near the screen.
const near = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    near.unobserve(target);
    const script = document.createElement("script");
    script.src = target.dataset.script;
    document.body.append(script);
  }
}, { rootMargin: "600px" });
document.querySelectorAll("[data-surface]").forEach((figure) => near.observe(figure));
window.addEventListener("resize", () => surfaces.forEach(paint));
