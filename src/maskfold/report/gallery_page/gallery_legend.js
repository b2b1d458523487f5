// The legend: a switch for each class.
"use strict";

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
  redraw();
  if (open >= 0 && $("threshold")) showThreshold();
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
