"""Maps of several members combined, by numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from maskfold.blending.combining import combine_class_probs, combine_maps


def maps(*rows):
    """One map a row of values: (1, 1, W) uint8."""
    return [np.array([[row]], dtype=np.uint8) for row in rows]


@pytest.mark.parametrize(
    ("combine", "weights", "expected"),
    [
        # 0.5 (10 + 20) = 15; 0.5 (0 + 255) = 127.5, to the even 128; 0.5 (100 + 225) = 162.5, to the even 162
        ("mean", (0.5, 0.5), [15, 128, 162, 255]),
        ("mean", (1, 3), [17.5, 191.25, 193.75, 255]),
        # sqrt(10 * 20) = 14.14; 0 with anything is 0; sqrt(100 * 225) = 150
        ("geometric", (2, 2), [14, 0, 150, 255]),
        ("geometric", (1, 3), [10**0.25 * 20**0.75, 0, 100**0.25 * 225**0.75, 255]),
        # odds 10 / 245 and 20 / 235 have a weighted geometric mean of 0.0708, a probability of 0.0661; 0 and 255 count
        # as odds of 1 / 1019 and 1019; odds 100 / 155 and 225 / 30 have one of 4.062
        ("logit", (1, 3), [255 * 0.0661, 255 * 0.9696, 255 * 0.8024, 255]),
        ("vote", (0.5, 0.5), [0, 128, 128, 255]),
        ("vote", (1, 3), [0, 191.25, 191.25, 255]),
    ],
)
def test_maps_are_combined_and_rounded_to_nearest(combine, weights, expected):
    first, second = maps([10, 0, 100, 255], [20, 255, 225, 255])
    combined = combine_maps([first, second], weights, combine)
    assert combined.dtype == np.uint8 and combined.shape == (1, 1, 4)
    assert combined[0, 0].tolist() == np.rint(expected).tolist()
    assert (first[0, 0, 0], second[0, 0, 0]) == (10, 20)


@pytest.mark.parametrize("combine", ["mean", "geometric", "logit", "vote"])
def test_a_member_with_all_the_weight_answers_as_it_is(combine):
    first, second = maps(range(256), range(255, -1, -1))
    assert np.array_equal(combine_maps([first, second], (0.7, 0), combine), first)
    assert np.array_equal(combine_maps([first, second], (0, 1), combine), second)


@pytest.mark.parametrize("combine", ["mean", "geometric", "logit"])
def test_members_that_agree_change_nothing(combine):
    every = np.arange(256, dtype=np.uint8).reshape(2, 8, 16)
    assert np.array_equal(combine_maps([every] * 3, (0.2, 0.3, 0.5), combine), every)


@pytest.mark.parametrize(("shapes", "weights"), [([(1, 2, 3), (1, 3, 2)], (1, 1)), ([(1, 2, 3)] * 2, (0, 0))])
def test_what_does_not_combine_is_refused(shapes, weights):
    with pytest.raises(ValueError, match="do not combine"):
        combine_maps([np.zeros(shape, np.uint8) for shape in shapes], weights, "mean")


def test_class_probabilities_are_the_mean_of_the_members_that_have_one():
    first, second = np.array([0.2, 1.0], np.float32), np.array([0.6, 0.0], np.float32)
    assert combine_class_probs([first, second], (1, 3)).tolist() == pytest.approx([0.5, 0.25])
    assert np.array_equal(combine_class_probs([None, second], (1, 3)), second)
    assert np.array_equal(combine_class_probs([first, second], (1, 0)), first)
    assert combine_class_probs([None, None], (1, 3)) is None
    assert combine_class_probs([first, None], (0, 1)) is None


def _odds(levels, shares):
    """The weighted geometric mean of the odds; 0 and 255 count as a quarter of a level inside."""
    inside = np.clip(levels, 0.25, 254.75)
    return ((inside / (255 - inside)) ** shares).prod(axis=0)


@pytest.mark.parametrize("combine", ["mean", "geometric", "logit", "vote"])
@pytest.mark.parametrize("weights", [(1, 2), (0.2, 0.3, 0.5), (0, 1, 1, 2)])
def test_maps_of_several_classes_and_unequal_sides_equal_the_formula(combine, weights):
    members = [np.random.default_rng(seed).integers(0, 256, (3, 5, 7), dtype=np.uint8) for seed in range(len(weights))]
    before = [member.copy() for member in members]
    used = [index for index, weight in enumerate(weights) if weight]
    shares = np.array(weights)[used, None, None, None] / sum(weights)
    values = np.stack(members)[used].astype(float)
    with np.errstate(divide="ignore"):
        expected = {
            "mean": (shares * values).sum(axis=0),
            "geometric": 255 * np.exp((shares * np.log(values / 255)).sum(axis=0)),
            "logit": 255 / (1 + 1 / _odds(values, shares)),
            "vote": 255 * (shares * (values >= 128)).sum(axis=0),
        }[combine]
    found = combine_maps(members, weights, combine)
    assert found.dtype == np.uint8
    assert np.abs(found - expected).max() <= 0.5 + 1e-9
    assert all(np.array_equal(member, kept) for member, kept in zip(members, before, strict=True))
