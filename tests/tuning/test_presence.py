"""The fit of presence: against its probabilities, and without enough to learn from."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from maskfold.rules.expected import presence_steps
from maskfold.rules.rules import PRESENCE_SIGNS
from maskfold.tuning.presence import fit_presence


def maps(count, seed=0):
    """Signs of which the first decides, with noise; a mask gains up to 1 or loses 1."""
    rng = np.random.default_rng(seed)
    signs = rng.integers(-300, 300, (count, PRESENCE_SIGNS))
    signs[:, -1] = 7  # says nothing
    shown = signs[:, 0] + rng.normal(0, 150, count) > 0
    gains = np.where(shown, rng.integers(1, 2**40, count), -(2**40))
    return signs, gains


def test_the_steps_are_the_probabilities_of_the_weighted_regression():
    signs, gains = maps(200)
    found = presence_steps(signs, fit_presence(signs, gains)) / 1024
    scaled = (signs - signs.mean(axis=0)) / np.maximum(signs.std(axis=0), 1e-9)
    model = LogisticRegression().fit(scaled, gains > 0, sample_weight=np.abs(gains) / 2**40)
    assert found == pytest.approx(model.predict_proba(scaled)[:, 1], abs=0.003)
    assert (found[gains > 0].mean(), found[gains < 0].mean()) == pytest.approx((0.7, 0.2), abs=0.15)


def test_maps_with_nothing_at_stake_do_not_count():
    signs, gains = maps(60)
    more = np.concatenate([signs, signs[::-1]]), np.concatenate([gains, 0 * gains])
    assert fit_presence(*more) == fit_presence(signs, gains)


@pytest.mark.parametrize("kept", [slice(0, 0), slice(None)])
def test_too_little_to_learn_from(kept):
    signs, gains = maps(40)
    assert fit_presence(signs[kept], np.abs(gains)[kept]) is None
    few = np.abs(gains)
    few[:4] *= -1
    assert fit_presence(signs, few) is None
    few[4] *= -1
    assert fit_presence(signs, few) is not None
