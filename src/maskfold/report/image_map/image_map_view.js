// Where points are on the canvas, how they are drawn, and which is near a place.
"use strict";

const MOST_ZOOM = 64, NEAR_PX = 24, ROOM = 0.03; // ROOM: beside the outermost points, of a side
const $ = (id) => document.getElementById(id);
const canvas = $("map");
const view = { zoom: 1, x: 0.5, y: 0.5 }; // what is in the middle, 0 to 1
let data, colours = [], at = -1;

const ratio = () => window.devicePixelRatio || 1;
const side = (length) => length * view.zoom / (1 + 2 * ROOM);

// Where every point is on the canvas, in px, once a change of the view; reading a size may lay out the page.
let places = null;
function placed() {
  if (places) return places;
  const { clientWidth: width, clientHeight: height } = canvas;
  const [across, down] = [side(width) / data.steps, side(height) / data.steps];
  const [left, top] = [width / 2 - view.x * side(width), height / 2 - view.y * side(height)];
  places = { width, height, x: Float32Array.from(data.x, (x) => left + x * across), y: Float32Array.from(data.y, (y) => top + y * down) };
  return places;
}
const screen = (number) => [placed().x[number], placed().y[number]];

function paint() {
  if (!data) return;
  const context = canvas.getContext("2d"), { width, height, x, y } = placed();
  const [wide, high] = [width, height].map((length) => Math.round(length * ratio()));
  if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
  context.setTransform(ratio(), 0, 0, ratio(), 0, 0);
  context.clearRect(0, 0, width, height);
  const radius = Math.min(6, Math.max(1.6, 60 / Math.sqrt(x.length)) * Math.sqrt(view.zoom));
  for (let number = 0; number < x.length; number++) {
    if (x[number] < -radius || y[number] < -radius || x[number] > width + radius || y[number] > height + radius) continue;
    context.fillStyle = colours[number];
    dot(context, x[number], y[number], radius);
  }
  if (at < 0) return;
  context.strokeStyle = getComputedStyle(document.body).getPropertyValue("--ink");
  context.lineWidth = 2;
  context.beginPath();
  context.arc(...screen(at), radius + 4, 0, 2 * Math.PI);
  context.stroke();
}

// A disc; a small one of two rectangles, which is drawn many times faster.
function dot(context, x, y, radius) {
  if (radius < 3) {
    const short = radius * 0.6;
    context.fillRect(x - radius, y - short, 2 * radius, 2 * short);
    context.fillRect(x - short, y - radius, 2 * short, 2 * radius);
    return;
  }
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

// One painting a frame, however many events there were.
let waiting = false;
function repaint() {
  places = null;
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; paint(); });
}

// The image nearest to a place on the canvas, of those that `holds` lets through; -1 where none is within `most` px.
function nearest(x, y, most, holds = () => true) {
  let best = -1, least = most * most;
  const { x: lefts, y: tops } = placed();
  for (let number = 0; number < lefts.length; number++) {
    const right = lefts[number] - x, down = tops[number] - y, away = right * right + down * down;
    if (away >= least || !holds(number, right, down)) continue;
    best = number;
    least = away;
  }
  return best;
}

// Zoom by a factor; what lies at a place of the canvas stays there.
function zoomBy(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
  const zoom = Math.min(Math.max(view.zoom * factor, 1), MOST_ZOOM), before = view.zoom;
  const [left, top] = [x - canvas.clientWidth / 2, y - canvas.clientHeight / 2];
  view.x += left / side(canvas.clientWidth);
  view.y += top / side(canvas.clientHeight);
  view.zoom = zoom;
  view.x -= left / side(canvas.clientWidth);
  view.y -= top / side(canvas.clientHeight);
  if (zoom === 1 && before !== 1) Object.assign(view, { x: 0.5, y: 0.5 });
  repaint();
}

function moveBy(right, down) {
  view.x = Math.min(Math.max(view.x - right / side(canvas.clientWidth), 0), 1);
  view.y = Math.min(Math.max(view.y - down / side(canvas.clientHeight), 0), 1);
  repaint();
}
