// Pages and filters of the label audit. Without a script all pictures are shown; names only ever live in attributes.
"use strict";

const PAGE = 24;
const figures = [...document.querySelectorAll("#gallery figure")];
const piles = [...document.querySelectorAll("[data-pile]")].filter((each) => each.tagName === "BUTTON");
const byId = (id) => document.getElementById(id);
let pile = "", page = 0;

function show() {
  const reason = byId("reason").value, name = byId("class").value;
  const chosen = figures.filter((each) => (!pile || each.dataset.pile === pile)
    && (!reason || each.dataset.reason === reason) && (!name || each.dataset.class === name));
  const pages = Math.max(1, Math.ceil(chosen.length / PAGE));
  page = Math.min(Math.max(page, 0), pages - 1);
  const visible = new Set(chosen.slice(page * PAGE, (page + 1) * PAGE));
  figures.forEach((each) => { each.hidden = !visible.has(each); });
  piles.forEach((each) => each.setAttribute("aria-pressed", String(each.dataset.pile === pile)));
  byId("place").textContent = `${chosen.length} labels, page ${page + 1} of ${pages}`;
  byId("back").disabled = page === 0;
  byId("next").disabled = page === pages - 1;
}

function turn(step) {
  page += step;
  show();
}

function filter(value) {
  [pile, page] = [value, 0];
  show();
}

function focusNext(step) {
  const links = figures.filter((each) => !each.hidden).map((each) => each.querySelector("a"));
  const now = links.indexOf(document.activeElement);
  const next = now < 0 ? 0 : now + step;
  if (links[next]) links[next].focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.tagName === "SELECT") return;
  if (event.key === "ArrowRight") turn(1);
  else if (event.key === "ArrowLeft") turn(-1);
  else if (event.key === "j") focusNext(1);
  else if (event.key === "k") focusNext(-1);
  else if (["1", "2", "3"].includes(event.key)) filter(piles[Number(event.key) - 1].dataset.pile);
  else return;
  event.preventDefault();
});
piles.forEach((each) => each.addEventListener("click", () => filter(each.dataset.pile)));
["reason", "class"].forEach((id) => byId(id).addEventListener("change", () => turn(-page)));
byId("back").addEventListener("click", () => turn(-1));
byId("next").addEventListener("click", () => turn(1));
byId("bar").hidden = false;
show();
