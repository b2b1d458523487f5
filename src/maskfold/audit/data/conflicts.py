"""Whether the masks of two copies of one image agree, and whether the images do where the masks do not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd

from maskfold.audit.data.changed_pixels import CHANGED, changed_share
from maskfold.audit.data.label_facts import read_masks
from maskfold.audit.images.alignment import Fit
from maskfold.audit.images.duplicates import Pair
from maskfold.audit.images.fingerprint import THUMB_PX
from maskfold.audit.images.turns import turned
from maskfold.data.competition import Competition
from maskfold.execution.progress import tracked
from maskfold.pixels.geometry import without

AGREEMENT = 0.5  # less is a conflict
_EXACT_AGREEMENT = 0.9  # of copies of the same pixels
_SLACK = 2.0  # px of a thumbnail: as good as shifts are known
_LEAST_SHARE = 0.0005  # of the image: smaller areas may be a matter of taste


EXCHANGED = "exchanged with class"
COLUMNS = ("first", "second", "kind", "likeness", "class_name", "first_px", "second_px", "agreement", "why")
CHANGED_COLUMNS = ("first", "second", "kind", "likeness", "class_name", "first_px", "second_px", "changed")


class Compared(NamedTuple):
    """Pairs of training images whose labels differ, one row a class, COLUMNS and CHANGED_COLUMNS.

    conflicts: the images show the same where the labels differ, so that one label is wrong; changed: the images differ
    there as well, e.g. because something was pasted into one, so that both labels may be right. first_px, second_px:
    within what both images show; agreement: 0..1, see `agreement`; changed: share of the px, see `changed_share`.
    """

    conflicts: pd.DataFrame
    changed: pd.DataFrame


@dataclass(frozen=True)
class _Side:
    """One class of a pair, in the first image's frame. masks: (H, W) uint8 of either image; found: their agreement."""

    masks: tuple[np.ndarray, np.ndarray]
    found: float

    @property
    def areas(self) -> tuple[int, int]:
        return int(np.count_nonzero(self.masks[0])), int(np.count_nonzero(self.masks[1]))


def compare_labels(
    competition: Competition, pairs: Iterable[tuple[str, str, Pair]], total: int, grey: Callable[[str], np.ndarray]
) -> Compared:
    """Compare the labels of each pair, and the images where these differ.

    pairs: (first image_id, second image_id, pair); grey: image_id -> (H, W) uint8.
    """
    conflicts: list[tuple[object, ...]] = []
    changed: list[tuple[object, ...]] = []
    for first, second, pair in tracked(pairs, total, "comparing labels"):
        masks = read_masks(competition, first), read_masks(competition, second)
        if isinstance(masks[0], str) or isinstance(masks[1], str):
            continue
        ignored = competition.ignored_in(first), competition.ignored_in(second)
        seen, sides = _differing(masks[0], masks[1], pair, ignored)
        if not sides:
            continue
        shares = _changed_shares(sides, seen, pair, grey(first), grey(second))
        named = {index: competition.class_names[index] for index in sides}
        kept = {index: side for index, side in sides.items() if shares[index] < CHANGED}
        for index, side in sides.items():
            row = (first, second, pair.kind, pair.fit.likeness, named[index], *side.areas)
            if index in kept:
                conflicts.append((*row, side.found, _why(index, kept, named, pair)))
            else:
                changed.append((*row, shares[index]))
    return Compared(
        pd.DataFrame(conflicts, columns=list(COLUMNS)), pd.DataFrame(changed, columns=list(CHANGED_COLUMNS))
    )


def _differing(
    first: np.ndarray, second: np.ndarray, pair: Pair, ignored: tuple[np.ndarray | None, np.ndarray | None]
) -> tuple[np.ndarray, dict[int, _Side]]:
    """What both images show, (H, W) uint8, and the classes whose masks differ; first, second: (C, H, W) uint8.

    ignored: (H, W) of either image, pixels that are not compared.
    """
    shape = first.shape[1:]
    seen = laid_over(np.ones_like(second[0]), pair.fit, shape)[1]
    if ignored[0] is not None and ignored[1] is not None:
        seen = without(without(seen, ignored[0]), laid_over(ignored[1], pair.fit, shape)[0])
    exact, slack = _slack(pair, shape)
    least = 1 if exact else _LEAST_SHARE * seen.size
    sides = {}
    for index in np.flatnonzero(first.any(axis=(1, 2)) | second.any(axis=(1, 2))).tolist():
        one, other = first[index] & seen, laid_over(second[index], pair.fit, shape)[0] & seen
        side = _Side((one, other), agreement(one, other, slack))
        if side.found < (_EXACT_AGREEMENT if exact else AGREEMENT) and max(side.areas) >= least:
            sides[index] = side
    return seen, sides


def _slack(pair: Pair, shape: Sequence[int]) -> tuple[bool, int]:
    """Whether the two have the same pixels in the same place, and by how many px they may be moved if not."""
    exact = pair.kind == "exact" and not any(pair.fit.shift)
    return exact, 0 if exact else round(_SLACK * max(1.0, (shape[0] * shape[1] / THUMB_PX) ** 0.5))


def _changed_shares(
    sides: dict[int, _Side], seen: np.ndarray, pair: Pair, first: np.ndarray, second: np.ndarray
) -> dict[int, float]:
    """Class -> the share of the px that are labelled in one image only at which the images differ."""
    if pair.kind == "exact":
        return dict.fromkeys(sides, 0.0)
    laid = moved(second, pair.fit, first.shape, cv2.INTER_LINEAR)
    labelled = np.maximum.reduce([mask for side in sides.values() for mask in side.masks])
    _, slack = _slack(pair, first.shape)
    return {
        index: changed_share(first, laid, seen, labelled, side.masks[0] ^ side.masks[1], slack)
        for index, side in sides.items()
    }


def _why(index: int, sides: dict[int, _Side], names: Mapping[int, str], pair: Pair) -> str:
    """How the labels of one class differ; exchanged: the same place is of another class in the other image."""
    side = sides[index]
    _, slack = _slack(pair, side.masks[0].shape)
    for other, rival in sides.items():
        if other == index:
            continue
        for here, there in ((0, 1), (1, 0)):
            own, met = side.masks[here], rival.masks[there]
            if own.any() and met.any() and agreement(own, met, slack) >= AGREEMENT:
                return f"{EXCHANGED} {names[other]}"
    return "shown in one only" if min(side.areas) == 0 else "shown in different places"


def laid_over(mask: np.ndarray, fit: Fit, shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """The second image's mask in the first's frame, and where that frame sees it; (H, W) uint8 in {0, 1} each."""
    both = moved(np.dstack([mask, np.ones_like(mask)]), fit, shape, cv2.INTER_NEAREST)
    return np.ascontiguousarray(both[:, :, 0]), np.ascontiguousarray(both[:, :, 1])


def moved(image: np.ndarray, fit: Fit, shape: Sequence[int], interpolation: int) -> np.ndarray:
    """(H, W) or (H, W, K): the second image in the first's frame of `shape`, 0 where that does not see it."""
    upright = np.ascontiguousarray(turned(image, fit.turn))
    matrix = np.array(
        [[fit.frame[1] / upright.shape[1], 0, fit.shift[1]], [0, fit.frame[0] / upright.shape[0], fit.shift[0]]]
    )
    # Pixels are areas, not points: half a pixel in the one is half a pixel times the scale in the other.
    matrix[:, 2] += (matrix[[0, 1], [0, 1]] - 1) / 2
    return np.asarray(cv2.warpAffine(upright, matrix, (shape[1], shape[0]), flags=interpolation))


def agreement(first: np.ndarray, second: np.ndarray, slack: int) -> float:
    """Dice of two masks where each pixel may find its partner up to `slack` px away; 1 where both are blank.

    first, second: (H, W) uint8 in {0, 1}.
    """
    areas = np.count_nonzero(first) + np.count_nonzero(second)
    if not areas:
        return 1.0
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * slack + 1, 2 * slack + 1))
    met = np.count_nonzero(first & cv2.dilate(second, kernel)) + np.count_nonzero(second & cv2.dilate(first, kernel))
    return float(met / areas)
