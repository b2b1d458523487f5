// Zoom and pan of the viewer: all its panes show the same part of the picture.
"use strict";

const MOST_ZOOM = 40, A_STEP = 1.5;
const place = { zoom: 1, x: 0, y: 0 }; // where a pane's picture begins, in widths and heights of the pane

function showPlace() {
  const stage = $("stage"), inside = (value) => Math.min(0, Math.max(value, 1 - place.zoom));
  place.x = inside(place.x);
  place.y = inside(place.y);
  stage.style.setProperty("--zoom", place.zoom);
  stage.style.setProperty("--x", `${100 * place.x}%`);
  stage.style.setProperty("--y", `${100 * place.y}%`);
  stage.classList.toggle("zoomed", place.zoom > 1);
  stage.classList.toggle("pixelated", place.zoom >= 3);
}

// The point (x, y), 0 to 1 in the pane, stays where it is.
function zoomTo(zoom, x = 0.5, y = 0.5) {
  const now = Math.min(Math.max(zoom, 1), MOST_ZOOM), factor = now / place.zoom;
  place.x = x - (x - place.x) * factor;
  place.y = y - (y - place.y) * factor;
  place.zoom = now;
  showPlace();
}

function pan(x, y) {
  place.x += x;
  place.y += y;
  showPlace();
}

function listenToZoom() {
  const stage = $("stage"), pointers = new Map();
  let began = null; // where a swipe began, in px
  const paneAt = (event) => event.target.closest(".pane");
  const at = (box, { x, y }) => [(x - box.left) / box.width, (y - box.top) / box.height];
  stage.addEventListener("wheel", (event) => {
    const box = paneAt(event);
    if (!box) return;
    event.preventDefault();
    zoomTo(place.zoom * Math.exp(-event.deltaY / 400), ...at(box.getBoundingClientRect(), event));
  }, { passive: false });
  stage.addEventListener("dblclick", (event) => {
    const box = paneAt(event);
    if (box) zoomTo(place.zoom > 1 ? 1 : 4, ...at(box.getBoundingClientRect(), event));
  });
  stage.addEventListener("pointerdown", (event) => {
    const box = paneAt(event);
    if (!box || event.button) return;
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, box: box.getBoundingClientRect() });
    began = pointers.size === 1 && place.zoom === 1 && event.pointerType === "touch" ? event.clientX : null;
    box.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    const own = pointers.get(event.pointerId);
    if (!own) return;
    const before = { x: own.x, y: own.y }, other = [...pointers.values()].find((each) => each !== own);
    own.x = event.clientX;
    own.y = event.clientY;
    if (other) {
      const apart = (point) => Math.max(Math.hypot(point.x - other.x, point.y - other.y), 10);
      zoomTo((place.zoom * apart(own)) / apart(before), ...at(own.box, { x: (own.x + other.x) / 2, y: (own.y + other.y) / 2 }));
    } else pan((own.x - before.x) / own.box.width, (own.y - before.y) / own.box.height);
  });
  const ended = (event) => {
    const moved = began === null || event.type !== "pointerup" ? 0 : event.clientX - began;
    pointers.delete(event.pointerId);
    began = null;
    if (place.zoom === 1 && Math.abs(moved) > 60) step(moved < 0 ? 1 : -1);
  };
  stage.addEventListener("pointerup", ended);
  stage.addEventListener("pointercancel", ended);
}
