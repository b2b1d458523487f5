// A table that is wider than the page is shown row by row, each value with its header, so that no value is cut off.
"use strict";

function fitTables() {
  for (const box of document.querySelectorAll(".wide:not(dialog *)")) {
    const [table] = box.getElementsByTagName("table");
    if (!table || !table.tHead) continue;
    const headers = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
    for (const row of table.querySelectorAll("tbody tr, tfoot tr")) {
      [...row.cells].forEach((cell, column) => (cell.dataset.label = headers[column]));
    }
    box.classList.remove("by-row");
    box.classList.toggle("by-row", box.scrollWidth > box.clientWidth);
  }
}

fitTables();
window.addEventListener("resize", fitTables);
