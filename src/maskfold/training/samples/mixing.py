"""Samples made from several training images: copy-paste of objects, cutmix, mixup and mosaic.

Labels travel with pixels: a pixel has all planes, masks and ignored pixels, of the image it comes from. Planes are
(h, w, K) uint8 in {0, 1}: one a class, and where a competition has ignored pixels one more, the last, for them. Of soft
masks they are 0 to 255.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

import cv2
import numpy as np

from maskfold.config import MixingConfig
from maskfold.pixels.geometry import crop_corner

Kind: TypeAlias = Literal["cutmix", "mixup", "mosaic"]

_PARTNERS: dict[Kind, int] = {"cutmix": 1, "mixup": 1, "mosaic": 3}


class Source(NamedTuple):
    """A training image that gives to another's sample, and the class it is drawn for (`ANY_CLASS`: any)."""

    image: int
    target: int


class Mix(NamedTuple):
    """What goes into one sample besides its own image.

    donors: each gives one object of its target; partners: give whole samples, joined as `kind` says.
    """

    donors: tuple[Source, ...] = ()
    kind: Kind | None = None
    partners: tuple[Source, ...] = ()


def draw_mixes(
    mixing: MixingConfig,
    draws: Sequence[Source],
    presence: np.ndarray,
    class_names: Sequence[str],
    rng: np.random.Generator,
) -> list[Mix]:
    """What is mixed into each draw of an epoch.

    presence: (images, classes) bool of the images that may give objects. Partners are other draws of the epoch, so the
    sampling settings hold for them too.
    """
    names = class_names if mixing.copy_paste_classes is None else mixing.copy_paste_classes
    showing = {index: np.flatnonzero(presence[:, index]) for index, name in enumerate(class_names) if name in names}
    showing = {index: rows for index, rows in showing.items() if len(rows)}
    return [Mix(_donors(mixing, draw.image, showing, rng), *_partners(mixing, draws, rng)) for draw in draws]


def _donors(
    mixing: MixingConfig, image: int, showing: Mapping[int, np.ndarray], rng: np.random.Generator
) -> tuple[Source, ...]:
    """Images that show a class, each for one object; the image itself only if no other shows it.

    showing: class -> the images that show it, ascending, at least one.
    """
    if rng.random() >= mixing.copy_paste or not showing:
        return ()
    donors = []
    for _ in range(int(rng.integers(mixing.copy_paste_objects)) + 1):
        target = list(showing)[int(rng.integers(len(showing)))]
        rows = showing[target]
        at = int(np.searchsorted(rows, image))
        if len(rows) > 1 and at < len(rows) and rows[at] == image:
            row = int(rng.integers(len(rows) - 1))
            donors.append(Source(int(rows[row + (row >= at)]), target))
        else:
            donors.append(Source(int(rng.choice(rows)), target))
    return tuple(donors)


def _partners(
    mixing: MixingConfig, draws: Sequence[Source], rng: np.random.Generator
) -> tuple[Kind | None, tuple[Source, ...]]:
    """The kind of a sample, with the shares of `mixing`, and the draws that join it."""
    number = rng.random()
    for kind, count in _PARTNERS.items():
        number -= getattr(mixing, kind)
        if number < 0:
            return kind, tuple(draws[row] for row in rng.integers(len(draws), size=count))
    return None, ()


def paste_object(
    pixels: np.ndarray,
    planes: np.ndarray,
    donor: tuple[np.ndarray, np.ndarray],
    target: int,
    flips: Sequence[str],
    rng: np.random.Generator,
    least: int = 1,
) -> None:
    """Paste one object of a donor at a random place of a sample, in place.

    pixels: (h, w, channels); donor: its image (H, W, channels) and planes (H, W, K); target: the class of the object,
    one of its connected areas (8 neighbours). Of an object larger than the sample a part is pasted. flips: `horizontal`
    and `vertical` mirror it half of the time; least: the least value of its plane that is in the object. Nothing is
    pasted if the donor has no pixel of the class.
    """
    shown = (donor[1][..., target] >= least).astype(np.uint8)
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(shown)
    if count == 1:
        return
    chosen = int(rng.integers(1, count))
    left, top, width, height = (int(number) for number in boxes[chosen, :4])
    box = np.s_[top : top + height, left : left + width]
    where, image, labelled = labels[box] == chosen, donor[0][box], donor[1][box]
    size = (pixels.shape[0], pixels.shape[1])
    y, x = crop_corner(where.shape, size, where, rng)
    steps = tuple(
        -1 if flip in flips and flipped else 1
        for flip, flipped in zip(("vertical", "horizontal"), rng.random(2) < 0.5, strict=True)
    )
    part = np.s_[y : y + size[0], x : x + size[1]]
    where, image, labelled = (each[part][:: steps[0], :: steps[1]] for each in (where, image, labelled))
    y, x = (int(rng.integers(size[axis] - where.shape[axis] + 1)) for axis in (0, 1))
    place = np.s_[y : y + where.shape[0], x : x + where.shape[1]]
    pixels[place][where], planes[place][where] = image[where], labelled[where]


def join(
    kind: Kind,
    samples: Sequence[tuple[np.ndarray, np.ndarray]],
    alpha: float,
    classes: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """One sample of two, for a mosaic of four: (pixels (h, w, channels), planes (h, w, K)), all of one size.

    alpha: of mixup; classes: how many of the planes are masks. Of mixup the masks are float32 means, and a
    pixel is ignored where it is in either.
    """
    (pixels, planes), *others = samples
    if kind == "mixup":
        return _mean(samples[0], others[0], float(rng.beta(alpha, alpha)), classes)
    pixels, planes = pixels.copy(), planes.copy()
    places = _rectangle(planes.shape, rng) if kind == "cutmix" else _quarters(planes.shape, rng)
    for place, (image, labelled) in zip(places, others, strict=True):
        pixels[place], planes[place] = image[place], labelled[place]
    return pixels, planes


def _mean(
    one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray], share: float, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """The mean of two samples, `share` of the first."""
    pixels = share * one[0].astype(np.float32) + (1 - share) * other[0].astype(np.float32)
    if np.issubdtype(one[0].dtype, np.integer):
        pixels = np.rint(pixels)
    masks = share * one[1][..., :classes].astype(np.float32) + (1 - share) * other[1][..., :classes]
    ignored = np.maximum(one[1][..., classes:], other[1][..., classes:])
    return pixels.astype(one[0].dtype), np.concatenate([masks, ignored], axis=2, dtype=np.float32)


def _rectangle(shape: tuple[int, ...], rng: np.random.Generator) -> list[tuple[slice, slice]]:
    """A rectangle of the sample's proportions, of a random share of its area, at a random place inside."""
    share = float(rng.random()) ** 0.5
    height, width = round(share * shape[0]), round(share * shape[1])
    top, left = int(rng.integers(shape[0] - height + 1)), int(rng.integers(shape[1] - width + 1))
    return [np.s_[top : top + height, left : left + width]]


def _quarters(shape: tuple[int, ...], rng: np.random.Generator) -> list[tuple[slice, slice]]:
    """All quarters but the first, around a point in the middle half of each side."""
    y, x = (int(rng.integers(side // 4, side - side // 4 + 1)) for side in shape[:2])
    return [np.s_[:y, x:], np.s_[y:, :x], np.s_[y:, x:]]
