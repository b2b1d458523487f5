// What a gallery shows: its data, the views of it, and where its files are. Data comes from scripts, as a page opened
// from disk may not fetch: <kind>.js calls gallery_data once.
"use strict";

const PAGE_IMAGES = 48;

const $ = (id) => document.getElementById(id);
const part = $("fold") ? $("fold").dataset.word : "fold"; // what an OOF file is called: a part, where one model made all
const sum = (values) => values.reduce((total, value) => total + value, 0);
const layers = { truth: true, predicted: true, heat: false };
const state = { view: "", class: "", fold: "", text: "", off: "", page: 0 }; // off: classes not drawn, as "2.5"
let data, shown = [], open = -1;

// Each view: its name, which images it holds, and what they are sorted by (smallest first).
// `of` picks an image's numbers of the chosen class, or of all of them.
const sumWhere = (number, test) => sum(classesShown().filter((k) => test(number, k)).map((k) => area(number, k)));
const area = (number, k) => Math.max(data.predicted[number][k], data.truth ? data.truth[number][k] : 0);
const isFalseAlarm = (number, k) => data.predicted[number][k] > 0 && !data.truth[number][k];
const isMiss = (number, k) => !data.predicted[number][k] && data.truth[number][k] > 0;
const shows = (table) => (number) => sum(of(table, number)) > 0;
const byName = (number) => data.id[number].toLowerCase();

// Wrong pixels of one kind, or of all of them: data.errors holds four numbers a class, or 0 where nothing is wrong.
const KINDS = { missed: "missed px", false_alarm: "false alarm px", wrong_class: "of another class, px", edge: "at an edge, px" };
const errorsOf = (number, k) => (data.errors[number] && data.errors[number][k]) || [0, 0, 0, 0];
const wrongPixels = (number) => (data.errors[number] ? sum(classesShown().map((k) => sum(errorsOf(number, k)))) : 0);
const kindPixels = (number, kind) =>
  (data.errors[number] ? sum(classesShown().map((k) => errorsOf(number, k)[Object.keys(KINDS).indexOf(kind)])) : 0);
const kindView = (kind) => [`most ${KIND_VIEWS[kind]}`, (n) => kindPixels(n, kind) > 0, (n) => -kindPixels(n, kind)];
const KIND_VIEWS = { missed: "missed pixels", false_alarm: "false alarm pixels", wrong_class: "pixels of another class",
  edge: "edge errors" };

const OOF_VIEWS = {
  worst: ["worst first", (n) => shows(data.truth)(n) || shows(data.predicted)(n), meanScore],
  best: ["best first", (n) => shows(data.truth)(n), (n) => -meanScore(n)],
  wrong: ["most wrong pixels", (n) => wrongPixels(n) > 0, (n) => -wrongPixels(n)],
  alarms: ["false alarms", (n) => sumWhere(n, isFalseAlarm) > 0, (n) => -sumWhere(n, isFalseAlarm)],
  misses: ["misses", (n) => sumWhere(n, isMiss) > 0, (n) => -sumWhere(n, isMiss)],
  class: ["by class", (n) => shows(data.truth)(n), (n) => of(data.truth, n).findIndex((value) => value > 0)],
  missed: kindView("missed"),
  false_alarm: kindView("false_alarm"),
  wrong_class: kindView("wrong_class"),
  edge: kindView("edge"),
  fold: [`by ${part}`, () => true, (n) => data.fold[n]],
  name: ["by name", () => true, byName],
  flagged: ["flagged labels", (n) => flags.has(data.id[n]), byName],
};
const TEST_VIEWS = {
  order: ["in the submission's order", () => true, (n) => n],
  largest: ["largest first", (n) => shows(data.predicted)(n), (n) => -pixels(n)],
  smallest: ["smallest first", (n) => shows(data.predicted)(n), (n) => pixels(n)],
  empty: ["empty ones", (n) => !shows(data.predicted)(n), (n) => n],
  name: ["by name", () => true, byName],
};
const views = () => (data.truth ? OOF_VIEWS : TEST_VIEWS);

function classesShown() {
  return state.class === "" ? data.classes.map((_, index) => index) : [Number(state.class)];
}

// One class is drawn in red and green over each other; several in their own colours, truth and prediction side by side.
const inClassColours = () => classesShown().length > 1;
const switchedOff = () => new Set(state.off.split(".").filter((k) => k !== "").map(Number));

function classesDrawn() {
  const off = switchedOff();
  return classesShown().filter((k) => !inClassColours() || !off.has(k));
}

function of(table, number) {
  return classesShown().map((k) => table[number][k]);
}

function meanScore(number) {
  return sum(of(data.score, number)) / classesShown().length;
}
