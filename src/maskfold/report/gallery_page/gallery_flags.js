// Flags: images whose labels look wrong, as the csv and the lines of YAML that data.exclude wants.
"use strict";

const FLAGS_KEY = `maskfold flags ${location.pathname}`;
const flags = new Set(storedFlags());

// A browser may refuse to store anything of a page from disk; flags then last as long as the page.
function storedFlags() {
  try {
    return JSON.parse(localStorage.getItem(FLAGS_KEY)) || [];
  } catch {
    return [];
  }
}

function storeFlags() {
  try {
    localStorage.setItem(FLAGS_KEY, JSON.stringify([...flags]));
  } catch {}
  showFlags();
}

function flag(number) {
  const id = data.id[number];
  if (!flags.delete(id)) flags.add(id);
  storeFlags();
}

function showFlags() {
  if (!$("flags")) return;
  $("flags").textContent = `⚑ ${flags.size} flagged`;
  for (const card of $("grid").children) {
    const number = Number(card.dataset.number);
    card.classList.toggle("flagged", flags.has(data.id[number]));
    card.querySelector(".flag").textContent = flags.has(data.id[number]) ? "⚑ flagged · " : "";
  }
  if (open >= 0) $("flag").setAttribute("aria-pressed", String(flags.has(data.id[shown[open]])));
  $("yaml").value = flagsYaml();
}

function flagsCsv() {
  const field = (id) => (/[",\r\n]|^\s|\s$/.test(id) ? `"${id.replaceAll('"', '""')}"` : id);
  return ["image_id", ...[...flags].sort().map(field)].join("\n") + "\n";
}

function flagsYaml() {
  const { name, exclude } = $("flagged").dataset;
  const path = `folds/${name}.exclude.csv`;
  if (exclude) return `# data.exclude is ${exclude} already: add the rows of ${name}.exclude.csv to that file\n`;
  return `# ${flags.size} images; ${path} is the csv that this page saves\ndata:\n  exclude: ${path}\n  exclude_from: training\n`;
}

async function copyYaml() {
  $("yaml").select();
  try {
    await navigator.clipboard.writeText($("yaml").value);
  } catch {
    document.execCommand("copy"); // of the selected text, where the page may not write to the clipboard
  }
  $("flags-said").textContent = "copied";
}

function saveCsv() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([flagsCsv()], { type: "text/csv" }));
  link.download = `${$("flagged").dataset.name}.exclude.csv`;
  link.click();
  URL.revokeObjectURL(link.href);
  $("flags-said").textContent = `saved ${flags.size} images as ${link.download}`;
}

function listenToFlags() {
  if (!$("flags")) return;
  $("flags").addEventListener("click", () => $("flagged").showModal());
  $("flag").addEventListener("click", () => flag(shown[open]));
  $("copy-yaml").addEventListener("click", copyYaml);
  $("save-csv").addEventListener("click", saveCsv);
  $("clear-flags").addEventListener("click", () => { flags.clear(); storeFlags(); });
  $("show-flags").addEventListener("click", () => {
    $("view").value = state.view = "flagged";
    state.page = 0;
    $("flagged").close();
    refresh();
  });
}
