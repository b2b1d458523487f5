"""Where to cut one map so that the expected score of its mask is highest, and whether the mask is worth its risk."""

from __future__ import annotations

import numpy as np

from maskfold.rules.rules import (
    CALIBRATED_ONE,
    GATE_STEPS,
    PRESENCE_SIGNS,
    SCORE_STEPS,
    WEIGHT_STEPS,
    ExpectedRule,
    gate_level,
)

SIGN_STEPS = 64  # signs are whole numbers of 1/64
LOG_ODDS_ONE = 2**24  # the log-odds of presence are whole numbers of this part
_AREA_LEVELS = (32, 64, 128, 192)
_SURE = 0.001  # probabilities nearer to 0 or 1 count as this near
_SHARES = np.arange(1, SCORE_STEPS) / SCORE_STEPS
_LOG_ODDS_OF_STEPS = np.rint(LOG_ODDS_ONE * np.log(_SHARES / (1 - _SHARES))).astype(np.int64)


def expected_cut(counts: np.ndarray, rule: ExpectedRule, class_prob: float | None = None) -> int | None:
    """The threshold of one map, 1..255, the highest of equally good ones; None if the mask is empty.

    counts: (256,) pixels of the map at each level; class_prob: probability that the class is in the image, 0..1, for
    rules whose presence knows it. Raises ValueError when such a rule gets none. In whole numbers up to the one division
    of each level, so that `tuning.limit_tables`, which does the same for many maps, agrees to the last bit.
    """
    calibration = np.array(rule.calibration, dtype=np.int64)
    areas, overlaps = _from_the_top(counts, calibration)
    total = overlaps[-1]
    if total == 0 or total < rule.min_expected_px * CALIBRATED_ONE:
        return None
    if rule.presence is not None:
        levels = np.array([gate_level(class_prob)]) if knows_class_prob(rule.presence) else None
        signs = presence_signs(counts[None], calibration, rule.score, levels)
        if presence_steps(signs, rule.presence)[0] < rule.min_presence:
            return None
    scores = expected_scores(rule.score, areas, overlaps, rule.total_weight * total)
    best = int(np.argmax(scores))
    return None if int(scores[best] * SCORE_STEPS) < rule.min_expected_score else 255 - best


def expected_scores(score: str, areas: np.ndarray, overlaps: np.ndarray, weighted_total: np.ndarray) -> np.ndarray:
    """The expected score of masks, from their areas, expected overlaps and the expected true area of the image.

    areas, overlaps: int64 in 1/65536 px; weighted_total: in 1/65536 px and sixteenths. Expectations take the place
    of the random areas: Dice 2 E[I] / (P + E[T]), IoU E[I] / (P + E[T] - E[I]).
    """
    if score == "dice":
        return np.asarray(2 * WEIGHT_STEPS * overlaps / (WEIGHT_STEPS * areas + weighted_total))
    return np.asarray(WEIGHT_STEPS * overlaps / (WEIGHT_STEPS * (areas - overlaps) + weighted_total))


def knows_class_prob(presence: tuple[int, ...]) -> bool:
    """Whether weights of presence have one for the classification head."""
    return len(presence) == 1 + PRESENCE_SIGNS + 1


def presence_signs(
    counts: np.ndarray, calibration: np.ndarray, score: str, gate_levels: np.ndarray | None = None
) -> np.ndarray:
    """What a map says about whether the image shows the class: (n, 10) int64 in 1/64, (n, 11) with gate levels.

    counts: (n, 256) pixels of each map at each level; calibration: (256,) int64 in 1/65536; gate_levels: (n,) the
    classification probabilities as `gate_level` gives them. The signs are the expected true area, the highest level,
    its calibrated log-odds, the areas above four levels, the log-odds of the best expected score, the squares of the
    first and of the last, and the log-odds of the classification head. Areas are logarithms (base 2) of 1 + px.
    """
    areas, overlaps = _from_the_top(counts, calibration)
    total = overlaps[:, -1]
    # At least 1, so that a map without any expected pixel is not 0 / 0; it is empty whatever its signs.
    best = expected_scores(score, areas, overlaps, WEIGHT_STEPS * np.maximum(total, 1)[:, None]).max(axis=1)
    expected, worth = np.log2(1 + total / CALIBRATED_ONE), _log_odds(best)
    top = 255 - np.argmax(counts[:, ::-1] > 0, axis=1)
    signs = [
        *(expected, top / SIGN_STEPS, _log_odds(calibration[top] / CALIBRATED_ONE)),
        *(np.log2(1 + areas[:, 255 - level] / CALIBRATED_ONE) for level in _AREA_LEVELS),
        *(worth, expected**2, worth**2),
    ]
    assert len(signs) == PRESENCE_SIGNS
    if gate_levels is not None:
        signs.append(np.log((gate_levels + 0.5) / (GATE_STEPS + 0.5 - gate_levels)))
    return np.rint(SIGN_STEPS * np.stack(signs, axis=1)).astype(np.int64)


def presence_steps(signs: np.ndarray, presence: tuple[int, ...]) -> np.ndarray:
    """(n,) how probable it is that a map's mask scores more than none, 0..1023 in 1/1024; see `tuning.presence`.

    signs: (n, signs) as `presence_signs` gives them; presence: the constant and the weight of each sign, in log-odds.
    """
    log_odds = presence[0] + signs @ np.array(presence[1:], dtype=np.int64)
    return np.searchsorted(_LOG_ODDS_OF_STEPS, log_odds, side="right")


def _from_the_top(counts: np.ndarray, calibration: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Areas and expected overlaps of the masks from level 255 down to 1, int64 in 1/65536 px; counts: (…, 256)."""
    pixels = counts[..., :0:-1].astype(np.int64)
    return pixels.cumsum(axis=-1) * CALIBRATED_ONE, (pixels * calibration[:0:-1]).cumsum(axis=-1)


def _log_odds(prob: np.ndarray) -> np.ndarray:
    prob = np.clip(prob, _SURE, 1 - _SURE)
    return np.asarray(np.log(prob / (1 - prob)))
