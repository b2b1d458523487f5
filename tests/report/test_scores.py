"""The numbers of the report: intervals, folds, what was found, calibration, steps."""

import numpy as np
import pandas as pd
import pytest

from maskfold.pixels.metrics import POOLED, scores
from maskfold.report.calibration import calibrated_reliability, image_reliability, pixel_reliability, prob_counts
from maskfold.report.oof_scores import OofScores, fold_class_scores, fold_rows, found_rows


def table_of(metric="dice", images=40):
    """image_scores.csv of two classes, and the intersections behind it: (images, classes)."""
    rng = np.random.default_rng(3)
    true = rng.integers(0, 50, (images, 2)) * rng.integers(0, 2, (images, 2))
    areas = {
        kind: rng.integers(0, 50, (images, 2)) * rng.integers(0, 2, (images, 2)) for kind in ("default", "adopted")
    }
    inside = {kind: np.minimum(area, true) * 2 // 3 for kind, area in areas.items()}
    rows = []
    for k, name in enumerate(("a", "b")):
        columns = {"image_id": [f"i{n}" for n in range(images)], "class_name": name, "fold": np.arange(images) % 2}
        columns["true_area"] = true[:, k]
        for kind, area in areas.items():
            columns[f"{kind}_area"] = area[:, k]
            columns[f"{kind}_score"] = scores(metric, inside[kind][:, k], area[:, k], true[:, k])
        columns["honest_score"] = columns["adopted_score"]
        rows.append(pd.DataFrame(columns))
    return pd.concat(rows, ignore_index=True), inside["adopted"]


def test_scores_are_means_over_images_and_the_empty_answer_is_right_where_nothing_is():
    table = pd.DataFrame(
        {
            "image_id": ["x", "y", "x", "y"],
            "class_name": ["a", "a", "b", "b"],
            "fold": [0, 1, 0, 1],
            "true_area": [0, 4, 5, 6],
            "default_area": [0, 4, 0, 0],
            "default_score": [1.0, 0.5, 0.0, 0.0],
            "adopted_area": [2, 4, 0, 6],
            "adopted_score": [0.0, 1.0, 0.0, 0.5],
            "honest_score": [0.0, 0.75, 0.0, 0.25],
        }
    )
    oof = OofScores.of(table, "dice", ("a", "b"))
    assert oof.class_scores("all_empty").tolist() == [0.5, 0.0]
    assert oof.class_scores("adopted").tolist() == [0.5, 0.25]
    assert fold_rows(oof)[1] == {
        "fold": 1,
        "images": 1,
        "scores": {"all_empty": 0.0, "default": 0.25, "adopted": 0.75, "honest": 0.5},
    }
    assert fold_class_scores(oof)[1] == [0.75, 0.25]
    cells = {"found": 1, "missed": 0, "false_alarms": 1, "rightly_empty": 0}
    assert found_rows(oof)[0] == {"class_name": "a"} | cells
    assert found_rows(oof)[1] == {"class_name": "b", "found": 1, "missed": 1, "false_alarms": 0, "rightly_empty": 0}


@pytest.mark.parametrize("metric", ["pooled_dice", "miou", "pooled_f0.5"])
def test_pooled_scores_are_recovered_from_areas_and_scores(metric):
    table, inside = table_of(POOLED[metric])
    oof = OofScores.of(table, metric, ("a", "b"))
    true, predicted, inside = (areas.sum(axis=0) for areas in (oof.true, oof.predicted, inside))
    expected = {
        "pooled_dice": 2 * inside / (predicted + true),
        "miou": inside / (predicted + true - inside),
        "pooled_f0.5": 1.25 * inside / (predicted + 0.25 * true),
    }
    assert oof.class_scores("adopted") == pytest.approx(expected[metric], abs=1e-12)
    assert oof.kinds == ("all_empty", "default", "adopted")  # of the honest rules no areas are kept


@pytest.mark.parametrize("metric", ["dice", "pooled_dice", "miou"])
def test_intervals_hold_the_score_and_shrink_to_it_where_all_images_are_one_group(metric):
    oof = OofScores.of(table_of()[0], metric, ("a", "b"))
    intervals = oof.intervals(np.arange(40), 200, np.random.default_rng(0))
    for kind, interval in intervals.items():
        assert interval.low <= oof.class_scores(kind).mean() <= interval.high
    assert intervals["adopted"].high - intervals["adopted"].low > 0.01
    one = oof.intervals(np.zeros(40), 10, np.random.default_rng(0))["adopted"]
    assert one.low == pytest.approx(one.high) == pytest.approx(oof.class_scores("adopted").mean())


def test_counts_say_how_many_pixels_of_each_probability_are_true():
    prob, truth = np.array([[0, 0, 255, 128]], np.uint8), np.array([[0, 1, 1, 0]], np.uint8)
    counts = prob_counts(prob, truth)
    assert {q: counts[:, q].tolist() for q in np.flatnonzero(counts[0])} == {0: [2, 1], 128: [1, 0], 255: [1, 1]}
    assert counts.sum(axis=1).tolist() == [4, 2]
    ignored = np.array([[1, 0, 0, 1]], np.uint8)
    labelled = prob_counts(prob, truth, ignored)
    assert {q: labelled[:, q].tolist() for q in np.flatnonzero(labelled[0])} == {0: [1, 1], 255: [1, 1]}
    assert np.array_equal(prob_counts(prob, truth, 0 * ignored), counts)


def test_reliability_by_hand():
    counts = np.zeros((2, 256), np.int64)
    counts[:, 0], counts[:, 255] = (6, 0), (4, 3)
    found = pixel_reliability(counts)
    assert found.prob.tolist() == [0.0, 1.0]
    assert found.share.tolist() == [0.0, 0.75]
    assert found.error == pytest.approx(0.1)  # one pixel of ten is not what it was sure to be
    images = image_reliability(np.array([0.1, 0.1, 0.9, 0.9]), np.array([False, False, True, False]))
    assert images.share.tolist() == [0.0, 0.5]
    assert images.error == pytest.approx((2 * 0.1 + 2 * 0.4) / 4)


def test_probabilities_that_are_their_shares_have_no_error():
    counts = np.stack([np.full(256, 255), np.arange(256)])
    assert pixel_reliability(counts).error == pytest.approx(0, abs=1e-12)
    assert pixel_reliability(np.zeros((2, 256))).error == 0  # no pixel, no error


def levels(**counts):
    """(2, 256) of `q128=(pixels, true)`."""
    found = np.zeros((2, 256), np.int64)
    for name, values in counts.items():
        found[:, int(name[1:])] = values
    return found


def test_each_fold_is_calibrated_on_the_others():
    """Level 128 is 0.25 on one fold and 0.75 on the other: each is told the other's share, and is off by 0.5."""
    folds = [levels(q128=(8, 2), q255=(4, 4)), levels(q128=(8, 6), q255=(4, 4))]
    found = calibrated_reliability(folds, np.array([10, 1]))
    assert found.error == pytest.approx((10 * 0.1 + 8 * 0.5 + 8 * 0.5) / 34)
    assert found.count.sum() == 34
    assert calibrated_reliability(folds, np.zeros(2), 200).error == 0
    alike = [levels(q128=(8, 2), q200=(2, 1))] * 3  # three folds of one kind: nothing is left
    assert calibrated_reliability(alike, np.zeros(2)).error == pytest.approx(0, abs=1e-5)
