"""Random competitions on disk, drawn from known masks: every format, way of naming and way of leaving masks out.

`random_competition(seed, root)` writes one and returns how to read it and what must come out. A new kind of input (bit
depth, orientation, void) is one more choice here or in random_formats.py; the tests then cover it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import tifffile
from PIL import Image

from maskfold.pixels.geometry import upright

T = TypeVar("T")

_ORIENTATION = 274  # tag of EXIF and TIFF
_DEEP = {"uint16": (".png", ".tif", ".npy"), "float32": (".tif", ".npy")}  # suffixes that hold such values
_TURNED = (".png", ".tif", ".webp", ".jpg", ".jpeg", ".jfif")  # suffixes that hold an orientation
_WITHOUT_LOSS = (".png", ".bmp", ".tif", ".gif", ".jp2", ".npy")

STEMS: tuple[Callable[[int], str], ...] = (
    lambda n: f"{n:03d}",
    lambda n: f"photo_{n}",
    lambda n: f"a{n}_jpg.rf.{n}c0ffee",
    lambda n: f"case{n // 3}_day{n}_slice_{n:04d}",
    lambda n: f"benign ({n})",
    lambda n: f"v1.{n}",
    lambda n: f"Zürich-{n}",
)
PHOTO_SUFFIXES = (".png", ".jpg", ".JPG", ".jpeg", ".jfif", ".bmp", ".webp", ".tif", ".gif", ".jp2", ".PNG", ".npy")


@dataclass
class RandomCompetition:
    """A competition on disk and what is known of it.

    section: the data section that reads it; masks: image_id -> (C, H, W) uint8 in {0, 1}; test_ids: the test images;
    auto_names: what `auto` calls each class; photos: file -> (H, W) pixels as they must be read, of formats without
    loss; choices: what was drawn, for messages; fault: the name of a file that must be refused, "" where all is well;
    ignored: image_id -> (H, W) uint8 in {0, 1}, of images that have ignored pixels.
    """

    root: Path
    section: dict[str, object]
    masks: dict[str, np.ndarray]
    test_ids: list[str]
    auto_names: list[str]
    photos: dict[str, np.ndarray] = field(default_factory=dict)
    choices: dict[str, object] = field(default_factory=dict)
    fault: str = ""
    ignored: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass
class Scene:
    """The images of a competition and the objects in them, before they are written.

    sizes: stem -> (height, width) in px; objects: stem -> of each class a list of (height, width) uint8 in {0, 1};
    depth: of the values of photos; orientation: photos have one in their EXIF data, and labels belong to what a viewer
    shows ("upright") or to the stored pixels, or they have none ("").
    """

    rng: np.random.Generator
    root: Path
    suffix: str
    classes: list[str]
    sizes: dict[str, tuple[int, int]]
    objects: dict[str, list[list[np.ndarray]]]
    test_stems: list[str]
    choices: dict[str, object]
    depth: str = "uint8"
    orientation: str = ""
    photos: dict[str, np.ndarray] = field(default_factory=dict)

    def choose(self, key: str, options: Sequence[T]) -> T:
        """One of some options, noted down."""
        chosen = options[int(self.rng.integers(len(options)))]
        self.choices[key] = chosen
        return chosen

    def mask(self, stem: str) -> np.ndarray:
        """(C, H, W) uint8 in {0, 1}."""
        masks = np.zeros((len(self.classes), *self.sizes[stem]), np.uint8)
        for index, own in enumerate(self.objects[stem]):
            for thing in own:
                masks[index] |= thing
        return masks

    def write_photo(self, path: Path, size: tuple[int, int]) -> None:
        """A grey photo of noise, in the format of its suffix, with the depth and orientation that this allows."""
        pixels: np.ndarray = self.rng.integers(60, 200, size, dtype=np.uint8)
        kind = path.suffix.lower()
        if self.depth != "uint8" and kind in _DEEP[self.depth]:
            pixels = (pixels * np.float32(20.5)).astype(self.depth)
        turn = int(pixels[0, 0]) % 8 + 1 if self.orientation and kind in _TURNED else 1
        if kind in _WITHOUT_LOSS:
            self.photos[str(path)] = pixels
        stored = upright(pixels, {6: 8, 8: 6}.get(turn, turn)) if self.orientation == "upright" else pixels
        if turn == 1:
            write_image(path, stored)
        else:
            _write_turned(path, stored, turn)

    def write_photos(self, folder: str, stems: Sequence[str]) -> None:
        """Photos of these stems right in a folder."""
        for stem in stems:
            self.write_photo(self.root / folder / f"{stem}{self.suffix}", self.sizes.get(stem, (20, 30)))


def new_scene(seed: int, root: Path) -> Scene:
    """Five to eight training images with one to three classes, and one to three test images."""
    rng = np.random.default_rng(seed)
    choices: dict[str, object] = {"seed": seed}
    scene = Scene(rng, root, "", [], {}, {}, [], choices)
    scene.suffix = scene.choose("suffix", PHOTO_SUFFIXES)
    stem = STEMS[scene.choose("stems", range(len(STEMS)))]
    scene.classes = [f"c{index}" for index in range(scene.choose("classes", (1, 2, 3)))]
    stems = [stem(number) for number in range(int(rng.integers(5, 9)))]
    scene.sizes = {name: (int(rng.integers(24, 41)), int(rng.integers(44, 61))) for name in stems}
    scene.objects = {
        name: _objects(rng, len(scene.classes), number, scene.sizes[name]) for number, name in enumerate(stems)
    }
    # Numbers of their own, so that a seed draws what it drew before these were varied.
    more = np.random.default_rng([seed, 1])
    scene.depth = choices["depth"] = str(more.choice(["uint8", "uint8", "uint16", "float32"]))
    scene.orientation = choices["orientation"] = str(more.choice(["", "", "", "", "stored", "upright"]))
    scene.test_stems = [stem(number) for number in range(20, 20 + int(rng.integers(1, 4)))]
    return scene


def _objects(rng: np.random.Generator, classes: int, number: int, size: tuple[int, int]) -> list[list[np.ndarray]]:
    """The objects of an image, apart from each other. The first image shows every class, every fifth shows nothing."""
    if number == 0:
        return [[_box(size, 3, 3 + 13 * index, 9, 10)] for index in range(classes)]
    taken = np.zeros(size, np.uint8)
    found: list[list[np.ndarray]] = []
    for _ in range(classes):
        own: list[np.ndarray] = []
        shown = number % 5 != 4 and rng.random() < 0.75
        for _ in range(int(rng.integers(1, 4)) if shown else 0):
            thing = _thing(rng, size)
            if not (cv2.dilate(thing, np.ones((5, 5), np.uint8)) & taken).any():
                taken |= thing
                own.append(thing)
        found.append(own)
    return found


def _thing(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    if rng.random() < 0.5:
        thing = np.zeros(size, np.uint8)
        centre = (int(rng.integers(8, size[1] - 8)), int(rng.integers(6, size[0] - 6)))
        axes = (int(rng.integers(4, 8)), int(rng.integers(3, 6)))
        return np.asarray(cv2.ellipse(thing, centre, axes, 0, 0, 360, 1, -1))
    top, left = int(rng.integers(1, size[0] - 11)), int(rng.integers(1, size[1] - 14))
    return _box(size, top, left, int(rng.integers(4, 10)), int(rng.integers(4, 13)))


def _box(size: tuple[int, int], top: int, left: int, height: int, width: int) -> np.ndarray:
    box = np.zeros(size, np.uint8)
    box[top : top + height, left : left + width] = 1
    return box


def _write_turned(path: Path, pixels: np.ndarray, orientation: int) -> None:
    """Write (H, W) grey pixels with an orientation."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".tif":
        tags = [(_ORIENTATION, "H", 1, orientation, True)]
        tifffile.imwrite(path, pixels, photometric="minisblack", extratags=tags)
        return
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    form = {".png": "PNG", ".webp": "WEBP"}.get(path.suffix.lower(), "JPEG")
    image = Image.fromarray(pixels)
    (image.convert("RGB") if form == "WEBP" else image).save(path, form, exif=exif)


def write_image(path: Path, pixels: np.ndarray) -> None:
    """Write (H, W) or (H, W, 3) uint8 in the format of the suffix, upper case or not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, pixels)
        return
    if path.suffix in (".jp2", ".gif"):  # OpenCV's encoders need larger images, and colours
        Image.fromarray(pixels).save(path, {".jp2": "JPEG2000", ".gif": "GIF"}[path.suffix])
        return
    form = {".jfif": ".jpg"}.get(path.suffix.lower(), path.suffix.lower())
    done, data = cv2.imencode(form, pixels if pixels.ndim == 2 else pixels[:, :, ::-1])
    assert done, path
    path.write_bytes(data.tobytes())
