// One image looked at closely.
"use strict";

// The columns of the table below a picture: names, and the value of an image and class.
function columns() {
  const kinds = Object.values(KINDS).map((name, place) => [name, (number, k) => errorsOf(number, k)[place]]);
  const shown = [["prediction px", (number, k) => data.predicted[number][k]]];
  if (!data.truth) return shown;
  return [["truth px", (number, k) => data.truth[number][k]], ...shown, ...kinds,
    ["score", (number, k) => data.score[number][k]]];
}

function view(index) {
  open = index;
  const number = shown[index];
  $("title").textContent = data.id[number] + (data.fold ? ` · ${part} ${data.fold[number]}` : "");
  $("stage").replaceChildren(panes(number, true));
  zoomTo(1);
  const numbers = columns();
  $("head").replaceChildren(row("th", ["class", ...numbers.map(([name]) => name)]));
  const classes = classesShown().sort((a, b) => (area(number, b) > 0) - (area(number, a) > 0)); // what there is first
  $("rows").replaceChildren(...classes.map((k) => {
    const line = row("td", ["", ...numbers.map(([, value]) => String(value(number, k)))]);
    line.firstChild.append(inClassColours() ? switchOf(k) : data.classes[k]);
    return line;
  }));
  if ($("threshold")) showThreshold();
  showFlags();
  if (!$("viewer").open) $("viewer").showModal();
}

function row(tag, texts) {
  const line = document.createElement("tr");
  line.append(...texts.map((text) => Object.assign(document.createElement(tag), { textContent: text })));
  return line;
}

function step(by) {
  const index = open + by;
  if (index < 0 || index >= shown.length) return;
  const page = Math.floor(index / PAGE_IMAGES);
  if (page !== state.page) turn(page - state.page);
  view(index);
}

// The pane of probabilities is there until it is switched off, other than the layer of the grid.
function togglePane() {
  const hidden = $("stage").classList.toggle("no-heat");
  $("heat-pane").setAttribute("aria-pressed", String(!hidden));
}

function closed() {
  const card = $("grid").children[open - state.page * PAGE_IMAGES];
  if (card) card.focus();
  open = -1;
}
