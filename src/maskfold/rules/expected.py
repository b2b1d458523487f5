"""Where to cut one map so that the expected score of its mask is highest."""

from __future__ import annotations

import numpy as np

from maskfold.rules.rules import CALIBRATED_ONE, SCORE_STEPS, WEIGHT_STEPS, ExpectedRule


def expected_cut(counts: np.ndarray, rule: ExpectedRule) -> int | None:
    """The threshold of one map, 1..255, the highest of equally good ones; None if the mask is empty.

    counts: (256,) pixels of the map at each level. In whole numbers up to the one division of each level, so that
    `tuning.expected_tables`, which does the same for many maps, agrees to the last bit.
    """
    areas = counts[:0:-1].astype(np.int64).cumsum() * CALIBRATED_ONE  # from level 255 down to 1
    overlaps = (counts.astype(np.int64) * np.array(rule.calibration, dtype=np.int64))[:0:-1].cumsum()
    total = overlaps[-1]
    if total == 0 or total < rule.min_expected_px * CALIBRATED_ONE:
        return None
    scores = expected_scores(rule.score, areas, overlaps, rule.total_weight * total)
    best = int(np.argmax(scores))
    return None if int(scores[best] * SCORE_STEPS) < rule.min_expected_score else 255 - best


def expected_scores(score: str, areas: np.ndarray, overlaps: np.ndarray, weighted_total: int) -> np.ndarray:
    """The expected score of masks, from their areas, expected overlaps and the expected true area of the image.

    areas, overlaps: (n,) int64 in 1/65536 px; weighted_total: in 1/65536 px and sixteenths. Expectations take the place
    of the random areas: Dice 2 E[I] / (P + E[T]), IoU E[I] / (P + E[T] - E[I]).
    """
    if score == "dice":
        return np.asarray(2 * WEIGHT_STEPS * overlaps / (WEIGHT_STEPS * areas + weighted_total))
    return np.asarray(WEIGHT_STEPS * overlaps / (WEIGHT_STEPS * (areas - overlaps) + weighted_total))
