// Masks as arrays, a byte a pixel, and their colours. A colour of a canvas is one number: alpha, blue, green, red.
"use strict";

const TRUTH = [224, 49, 49], PREDICTION = [47, 178, 88], BOTH = [250, 204, 21];
const FILL = 80, CLASS_FILL = 110; // of 255: how opaque the inside of a mask is
const packed = ([red, green, blue], alpha) => ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;

// Runs are gap, length, gap, length, … along the rows.
function filled(runs, size) {
  const mask = new Uint8Array(size);
  let at = 0;
  for (let index = 0; index < runs.length; index += 2) {
    at += runs[index];
    mask.fill(1, at, at + runs[index + 1]);
    at += runs[index + 1];
  }
  return mask;
}

// Where a map of probabilities reaches a threshold, both of 255.
function atLeast(levels, threshold) {
  const mask = new Uint8Array(levels.length);
  for (let at = 0; at < levels.length; at++) mask[at] = levels[at] >= threshold ? 1 : 0;
  return mask;
}

function isEdge(mask, at, width) {
  const column = at % width;
  return !(column > 0 && mask[at - 1] && column < width - 1 && mask[at + 1] && mask[at - width] && mask[at + width]);
}

// One class: truth red, prediction green, both yellow; outlines solid.
function paint(pixels, width, truth, predicted, fills) {
  const colours = [TRUTH, PREDICTION, BOTH];
  const inside = [0, ...colours.map((colour) => packed(colour, FILL))];
  const edge = [0, ...colours.map((colour) => packed(colour, 255))];
  for (let at = 0; at < truth.length; at++) {
    const code = truth[at] | (predicted[at] << 1);
    if (!code) continue;
    const edges = (truth[at] && isEdge(truth, at, width) ? 1 : 0) | (predicted[at] && isEdge(predicted, at, width) ? 2 : 0);
    if (edges) pixels[at] = edge[edges];
    else if (fills) pixels[at] = inside[code];
  }
}

// Several classes, pairs of a mask and its colour. All fills come before all edges, so that no class hides where another
// one ends.
function paintClasses(pixels, width, drawn, fills) {
  const edges = [];
  for (const [mask, colour] of drawn) {
    const inside = packed(colour, CLASS_FILL);
    for (let at = 0; at < mask.length; at++) {
      if (!mask[at]) continue;
      if (isEdge(mask, at, width)) edges.push(at, packed(colour, 255));
      else if (fills) pixels[at] = inside;
    }
  }
  for (let place = 0; place < edges.length; place += 2) pixels[edges[place]] = edges[place + 1];
}

const HEAT = [[40, 11, 84], [101, 21, 110], [159, 42, 99], [212, 72, 66], [245, 125, 21], [250, 193, 39], [252, 255, 164]];
const FAINTEST = 13; // of 255, p = 0.05: what is fainter is not in the files

// The colour of each level: the surer, the brighter and the more opaque.
const HEAT_COLOURS = Uint32Array.from({ length: 256 }, (_, level) => {
  if (level < FAINTEST) return 0;
  const at = (level / 255) * (HEAT.length - 1), low = Math.min(Math.floor(at), HEAT.length - 2);
  const colour = HEAT[low].map((value, index) => Math.round(value + (at - low) * (HEAT[low + 1][index] - value)));
  return packed(colour, Math.round(70 + (160 * level) / 255));
});

// The probabilities of several classes: of each pixel the largest.
function paintHeat(pixels, maps) {
  for (let at = 0; at < pixels.length; at++) {
    let most = 0;
    for (const levels of maps) if (levels[at] > most) most = levels[at];
    pixels[at] = HEAT_COLOURS[most];
  }
}

// Dice of two masks; null where both are blank.
function dice(one, other) {
  let both = 0, areas = 0;
  for (let at = 0; at < one.length; at++) {
    both += one[at] & other[at];
    areas += one[at] + other[at];
  }
  return areas ? (2 * both) / areas : null;
}
