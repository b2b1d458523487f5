"""What a competition looks like: sizes, channels, classes, objects, symmetry. Of many images a sample is taken."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from maskfold.data.competition import Competition
from maskfold.data.images.decoding import read_stored
from maskfold.data.images.depth import stored_type
from maskfold.errors import DataError
from maskfold.execution.progress import tracked
from maskfold.pixels.intensity import to_eight_bits
from maskfold.pixels.rle import RleError
from maskfold.planning.constants import IMAGES_LOOKED_AT, LABEL_SECONDS
from maskfold.planning.facts.objects import Objects, joined, objects_of
from maskfold.planning.facts.symmetry import asymmetry, group_means, mask_places
from maskfold.planning.padding import Size, image_sizes

_PERCENTILES = (10, 50, 90)
_LOOKED_AT_PX = 128  # of the shorter side, for brightness


@dataclass(frozen=True)
class ClassFacts:
    """One class. images: training images that show it, extrapolated where not all masks were read; objects: an image
    that shows it, on average; width_px, area_px: of an object, percentiles 10, 50 and 90; thinness: median; at_border:
    share of the objects."""

    name: str
    images: int
    objects: float
    width_px: tuple[float, float, float]
    area_px: tuple[float, float, float]
    thinness: float
    at_border: float


@dataclass(frozen=True)
class Fingerprint:
    """A competition in numbers.

    images, test_images: how many; groups: of the training images, None without groups; sizes, test_sizes: size -> how
    many images; channels: that images have, as stored -> how many of the sample; stored: type of their values; grey:
    colour images of the sample whose channels are equal, a share; labels_read: images whose masks were counted;
    empty_share: of them; coverage: covered share of a non-empty image, mean; together: pairs of classes -> share of the
    images of the rarer one that show the other too; symmetry: flip -> share of the asymmetry, images that have one;
    brightness, test_brightness: mean and deviation over images of their mean grey, 0 to 255;
    valid: how many of the images are the competition's own validation images; test_grey: as grey, of the test images.
    """

    images: int
    test_images: int
    groups: int | None
    sizes: dict[Size, int]
    test_sizes: dict[Size, int]
    channels: dict[int, int]
    stored: str
    grey: float
    labels_read: int
    empty_share: float
    coverage: float
    classes: tuple[ClassFacts, ...]
    together: dict[tuple[str, str], float] = field(default_factory=dict)
    symmetry: dict[str, tuple[float, int]] = field(default_factory=dict)
    brightness: tuple[float, float] = (0.0, 0.0)
    test_brightness: tuple[float, float] | None = None
    valid: int = 0
    test_grey: float | None = None

    @property
    def median_size(self) -> Size:
        """Height and width of the middle, each by itself, in px."""
        sizes = np.repeat(np.array([*self.sizes]), list(self.sizes.values()), axis=0)
        return int(np.median(sizes[:, 0])), int(np.median(sizes[:, 1]))

    @property
    def narrowest(self) -> ClassFacts | None:
        """The class with the narrowest objects, by their tenth percentile; None without any object."""
        shown = [each for each in self.classes if each.images and each.area_px[1] > 0]
        return min(shown, key=lambda each: each.width_px[0]) if shown else None

    @property
    def aspect_spread(self) -> float:
        """95th by 5th percentile of width / height: 1 if all images have one form."""
        aspects = np.repeat([width / height for height, width in self.sizes], list(self.sizes.values()))
        low, high = np.percentile(aspects, (5, 95))
        return float(high / low)


def fingerprint(competition: Competition, seed: int = 0) -> Fingerprint:
    """Look at a competition: pixels, objects and positions of a sample, masks of all images as far as time allows.

    Raises DataError for images and masks of the sample that cannot be read.
    """
    train, test = competition.train, competition.test
    order = np.random.default_rng(seed).permutation(len(train))
    sample = train.iloc[order[:IMAGES_LOOKED_AT]]
    looks = [_look(Path(path)) for path in tracked(sample["path"], len(sample), "images")]
    tests = test.iloc[np.random.default_rng(seed).permutation(len(test))[: IMAGES_LOOKED_AT // 2]]
    test_looks = [_look(Path(path)) for path in tests["path"][~tests["image_id"].isin(list(competition.unreadable))]]
    ids = train["image_id"].iloc[order].tolist()
    presence, coverage, places, found = _labels(competition, ids)
    scale = len(train) / max(1, len(presence))
    shown = presence.any(axis=1)
    classes = [
        _class_facts(name, scale * presence[:, index].sum(), found[index], int(presence[: len(sample), index].sum()))
        for index, name in enumerate(competition.class_names)
    ]
    groups = sample["group"].iloc[: len(places)] if "group" in sample else None
    stacked = group_means(np.stack(places), groups)
    return Fingerprint(
        images=len(train),
        test_images=len(test),
        groups=int(train["group"].nunique()) if "group" in train else None,
        sizes=image_sizes(train),
        test_sizes=image_sizes(test),
        channels=dict(Counter(look[0] for look in looks)),
        stored=stored_type(Path(sample["path"].iloc[0])),
        grey=float(np.mean([look[1] for look in looks])),
        labels_read=len(presence),
        empty_share=float(1 - shown.mean()),
        coverage=float(np.mean(coverage)) if coverage else 0.0,
        classes=tuple(classes),
        together=_together(presence, competition.class_names),
        symmetry={flip: asymmetry(stacked, flip) for flip in ("horizontal", "vertical")},
        brightness=_brightness([look[2] for look in looks]),
        test_brightness=_brightness([look[2] for look in test_looks]) if test_looks else None,
        test_grey=float(np.mean([look[1] for look in test_looks])) if test_looks else None,
        valid=int((train["split"] == "valid").sum()) if "split" in train else 0,
    )


def _look(path: Path) -> tuple[int, bool, float]:
    """Channels of an image, whether it is grey whatever they are, and its mean brightness, 0 to 255."""
    stored = read_stored(path)
    step = max(1, min(stored.shape[:2]) // _LOOKED_AT_PX)
    pixels, count = stored[::step, ::step], stored.shape[2]
    grey = count == 1 or (count == 3 and bool((pixels == pixels[:, :, :1]).all()))
    return count, grey, float(to_eight_bits(pixels)[:, :, : 3 if count == 4 else count].mean())


def _labels(
    competition: Competition, ids: Sequence[str]
) -> tuple[np.ndarray, list[float], list[np.ndarray], list[Objects]]:
    """(images, C) bool: which classes each image shows; covered shares; places and objects of the first ones.

    After IMAGES_LOOKED_AT images, masks are read as long as LABEL_SECONDS last.
    """
    presence, coverage, places = [], [], []
    found: list[list[Objects]] = [[] for _ in competition.class_names]
    end = 0.0
    for number, image_id in enumerate(tracked(ids, len(ids), "labels")):
        if number == IMAGES_LOOKED_AT:
            end = time.monotonic() + LABEL_SECONDS
        if number > IMAGES_LOOKED_AT and time.monotonic() > end:
            break
        try:
            masks = competition.masks(image_id)
        except RleError as error:
            raise DataError([f"image {image_id}: {error}"]) from None
        presence.append(masks.any(axis=(1, 2)))
        if presence[-1].any():
            coverage.append(float(masks.any(axis=0).mean()))
        if number < IMAGES_LOOKED_AT:
            places.append(mask_places(masks))
            for index in np.flatnonzero(presence[-1]):
                found[index].append(objects_of(masks[index]))
    return np.array(presence), coverage, places, [joined(parts) for parts in found]


def _class_facts(name: str, images: float, objects: Objects, of_images: int) -> ClassFacts:
    """objects: of so many images that show the class."""
    if not len(objects.width_px):
        return ClassFacts(name, round(images), 0.0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 0.0, 0.0)
    widths, areas = (np.percentile(values, _PERCENTILES).tolist() for values in (objects.width_px, objects.area_px))
    return ClassFacts(
        name,
        round(images),
        len(objects.width_px) / max(1, of_images),
        tuple(widths),
        tuple(areas),
        float(np.median(objects.thinness)),
        float(objects.at_border.mean()),
    )


def _together(presence: np.ndarray, names: Sequence[str]) -> dict[tuple[str, str], float]:
    both = presence.T.astype(np.int64) @ presence.astype(np.int64)
    return {
        (names[one], names[other]): float(both[one, other] / min(both[one, one], both[other, other]))
        for one in range(len(names))
        for other in range(one + 1, len(names))
        if both[one, other]
    }


def _brightness(values: Sequence[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values))
