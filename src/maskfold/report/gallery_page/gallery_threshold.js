// The viewer's threshold: masks of what reaches it, redrawn as it moves, in place of those of the rules in use.
"use strict";

let asked = 0; // which redrawing is the latest

function setThreshold(level) {
  threshold = level === null ? null : Math.min(Math.max(Math.round(level), FAINTEST), 255);
  if (threshold !== null) $("threshold").value = threshold;
  $("threshold").classList.toggle("unused", threshold === null);
  $("rules").disabled = threshold === null;
  showThreshold();
}

// Draw the panes again, and say what the masks are worth; resolves when they are on the screen.
async function showThreshold() {
  const turn = ++asked, number = shown[open];
  await Promise.all([...$("stage").querySelectorAll(".drawn.overlay, .drawn.predicted")].map(draw));
  const words = await thresholdWords(number);
  if (turn !== asked) return;
  $("threshold-words").textContent = words;
  $("threshold").setAttribute("aria-valuetext", words);
}

async function thresholdWords(number) {
  if (threshold === null) return "rules in use";
  const scores = (await masksDrawn(number, threshold)).map(([, truth, predicted]) => dice(truth, predicted));
  const there = scores.filter((score) => score !== null);
  const mean = there.length ? `Dice ${(sum(there) / there.length).toFixed(3)} of the picture's pixels` : "nothing there";
  const several = there.length > 1 ? `, mean of ${there.length} classes` : "";
  return `p ≥ ${(threshold / 255).toFixed(3)} (${threshold}/255), no minimum area: ${mean}${several}`;
}

function moveThreshold(by) {
  setThreshold(threshold === null ? Number($("threshold").value) : threshold + by);
}

function listenToThreshold() {
  if (!$("threshold")) return;
  $("threshold").addEventListener("input", () => setThreshold(Number($("threshold").value)));
  $("rules").addEventListener("click", () => setThreshold(null));
}
