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
from PIL import Image

T = TypeVar("T")

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
    auto_names: what `auto` calls each class; choices: what was drawn, for messages; fault: the name of a file that must
    be refused, "" where all is well.
    """

    root: Path
    section: dict[str, object]
    masks: dict[str, np.ndarray]
    test_ids: list[str]
    auto_names: list[str]
    choices: dict[str, object] = field(default_factory=dict)
    fault: str = ""


@dataclass
class Scene:
    """The images of a competition and the objects in them, before they are written.

    sizes: stem -> (height, width) in px; objects: stem -> of each class a list of (height, width) uint8 in {0, 1}.
    """

    rng: np.random.Generator
    root: Path
    suffix: str
    classes: list[str]
    sizes: dict[str, tuple[int, int]]
    objects: dict[str, list[list[np.ndarray]]]
    test_stems: list[str]
    choices: dict[str, object]

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
        """A grey photo of noise, in the format of its suffix."""
        write_image(path, self.rng.integers(60, 200, size, dtype=np.uint8))

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
