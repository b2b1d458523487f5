"""Whether the masks of two copies of one image agree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
import pandas as pd

from maskfold.audit.data.alignment import Fit
from maskfold.audit.data.duplicates import Pair
from maskfold.audit.data.fingerprint import THUMB_PX, flipped
from maskfold.audit.data.label_facts import read_masks
from maskfold.data.competition import Competition
from maskfold.execution.progress import tracked
from maskfold.pixels.geometry import without

AGREEMENT = 0.5  # less is a conflict
_EXACT_AGREEMENT = 0.9  # of copies of the same pixels
_SLACK = 2.0  # px of a thumbnail: as good as shifts are known
_LEAST_SHARE = 0.0005  # of the image: smaller areas may be a matter of taste


def label_conflicts(competition: Competition, pairs: Iterable[tuple[str, str, Pair]], total: int) -> pd.DataFrame:
    """The pairs of training images whose labels contradict each other, one row a class.

    pairs: (first image_id, second image_id, pair). Columns: first, second, kind, likeness, class_name, first_px,
    second_px (within what both images show), agreement (0..1, see `agreement`), why.
    """
    rows: list[tuple[object, ...]] = []
    for first, second, pair in tracked(pairs, total, "comparing labels"):
        masks = read_masks(competition, first), read_masks(competition, second)
        if isinstance(masks[0], str) or isinstance(masks[1], str):
            continue
        ignored = competition.ignored_in(first), competition.ignored_in(second)
        shown = np.flatnonzero(masks[0].any(axis=(1, 2)) | masks[1].any(axis=(1, 2)))
        for index in shown.tolist():
            found = _conflict(masks[0][index], masks[1][index], pair, ignored)
            if found is not None:
                rows.append((first, second, pair.kind, pair.fit.likeness, competition.class_names[index], *found))
    columns = ["first", "second", "kind", "likeness", "class_name", "first_px", "second_px", "agreement", "why"]
    return pd.DataFrame(rows, columns=columns)


def _conflict(
    first: np.ndarray, second: np.ndarray, pair: Pair, ignored: tuple[np.ndarray | None, np.ndarray | None]
) -> tuple[int, int, float, str] | None:
    """first_px, second_px, agreement and why, of two masks (H, W) uint8; None where they agree.

    ignored: (H, W) of either image, pixels that are not compared.
    """
    laid, seen = laid_over(second, pair.fit, first.shape)
    if ignored[0] is not None and ignored[1] is not None:
        seen = without(without(seen, ignored[0]), laid_over(ignored[1], pair.fit, first.shape)[0])
    one, other = first & seen, laid & seen
    areas = int(np.count_nonzero(one)), int(np.count_nonzero(other))
    exact = pair.kind == "exact" and not any(pair.fit.shift)
    slack = 0 if exact else round(_SLACK * max(1.0, (first.size / THUMB_PX) ** 0.5))
    found = agreement(one, other, slack)
    if found >= (_EXACT_AGREEMENT if exact else AGREEMENT):
        return None
    if not exact and max(areas) < _LEAST_SHARE * first.size:
        return None
    why = "shown in one only" if min(areas) == 0 else "shown in different places"
    return *areas, found, why


def laid_over(mask: np.ndarray, fit: Fit, shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """The second image's mask in the first's frame, and where that frame sees it; (H, W) uint8 in {0, 1} each."""
    matrix = np.array(
        [[fit.frame[1] / mask.shape[1], 0, fit.shift[1]], [0, fit.frame[0] / mask.shape[0], fit.shift[0]]]
    )
    both = np.dstack([flipped(mask, fit.flip), np.ones_like(mask)])
    # Pixels are areas, not points: half a pixel in the one is half a pixel times the scale in the other.
    matrix[:, 2] += (matrix[[0, 1], [0, 1]] - 1) / 2
    moved = cv2.warpAffine(both, matrix, (shape[1], shape[0]), flags=cv2.INTER_NEAREST)
    return np.ascontiguousarray(moved[:, :, 0]), np.ascontiguousarray(moved[:, :, 1])


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
