// Files next to the page, loaded as scripts when they are needed, as a page opened from disk may not fetch. Names are
// numbers, a thousand a folder.
"use strict";

const KEPT_LEVELS = 60; // images whose probabilities stay in memory: a page of the grid and some more
const loads = new Map(); // file -> what resolves its promise
const masks = new Map(); // chunk -> a promise of its images' masks
const levels = new Map(); // number -> a promise of class -> levels, a byte a pixel

function file(number, suffix) {
  return `${data.folder}/${Math.floor(number / 1000)}/${number}${suffix}`;
}

function loaded(path) {
  return new Promise((resolve) => {
    loads.set(path, resolve);
    document.body.append(Object.assign(document.createElement("script"), { src: path }));
  });
}

const masksPath = (chunk) => `${data.folder}/masks-${chunk}.js`;

// Called by the files.
function gallery_masks(chunk, images) {
  loads.get(masksPath(chunk))(images);
}

function gallery_levels(number, pictures) {
  loads.get(file(number, ".js"))(pictures);
}

async function masksOf(number) {
  const chunk = Math.floor(number / data.chunk);
  if (!masks.has(chunk)) masks.set(chunk, loaded(masksPath(chunk)));
  return (await masks.get(chunk))[number % data.chunk];
}

// Class -> levels of an image; classes that are nowhere above p = 0.05 are not there.
function levelsOf(number) {
  const found = data.heat[number].length ? levels.get(number) || decoded(number) : Promise.resolve(new Map());
  levels.delete(number); // what was asked for last is kept longest
  levels.set(number, found);
  if (levels.size > KEPT_LEVELS) levels.delete(levels.keys().next().value);
  return found;
}

async function decoded(number) {
  const pictures = await loaded(file(number, ".js"));
  const width = data.width[number], height = data.height[number];
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const maps = new Map();
  for (const [k, png] of Object.entries(pictures)) {
    const picture = new Image();
    picture.src = `data:image/png;base64,${png}`;
    await picture.decode();
    context.drawImage(picture, 0, 0);
    const pixels = context.getImageData(0, 0, width, height).data;
    maps.set(Number(k), Uint8Array.from({ length: width * height }, (_, at) => pixels[4 * at]));
  }
  return maps;
}
