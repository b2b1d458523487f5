"""The metric of a config: rows and class scores by hand, and functions of the user's own."""

import importlib
import sys

import numpy as np
import pytest
from pydantic import ValidationError

from maskfold.artefacts.own_code import metric_code, source_hash
from maskfold.config import TuningConfig
from maskfold.errors import ConfigError
from maskfold.mask_metrics.metric import mask_metric
from maskfold.mask_metrics.rows import class_score, scores

SOURCE = """
import numpy as np

def area_error(predicted, truth):
    return abs(int(predicted.sum()) - int(truth.sum()))
area_error.greater_is_better = False

class Agreement:
    greater_is_better = True
    def __call__(self, predicted, truth):
        return np.float32((predicted == truth).mean())

def undeclared(predicted, truth):
    return 1.0

def text(predicted, truth):
    return "good"
text.greater_is_better = True

def broken(predicted, truth):
    return 1.0 if truth.any() else float("nan")
broken.greater_is_better = True

def fails(predicted, truth):
    return predicted.no_such_thing
fails.greater_is_better = True
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module `ownmetric`; returns its file."""
    file = tmp_path / "ownmetric.py"
    file.write_text(SOURCE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield file
    source_hash.cache_clear()
    sys.modules.pop("ownmetric", None)


def two_objects():
    """Truth with objects of 9 and 4 px, a prediction that finds 6 of the 9 and one object more of 2 px."""
    truth, predicted = np.zeros((2, 12, 12), np.uint8)
    truth[0:3, 0:3] = truth[8:10, 8:10] = 1
    predicted[0:3, 0:2] = predicted[5, 5:7] = 1
    return truth, predicted


def rows_of(name, *pairs, **settings):
    metric = mask_metric(TuningConfig(metric=name, **settings))
    return np.array([metric.row(predicted, truth) for truth, predicted in pairs])


def test_metrics_of_areas_are_none_of_these():
    assert mask_metric(TuningConfig()) is None
    assert mask_metric(TuningConfig(metric="miou")) is None


def test_unknown_names_are_refused_in_one_sentence():
    for name in ("surfacedice", "own.module:", 3, ["dice"]):
        with pytest.raises(ValidationError) as error:
            TuningConfig(metric=name)
        if ":" not in str(name):
            assert error.value.error_count() == 1 and "unknown metric; choose one of dice, iou" in str(error.value)
    with pytest.raises(ValidationError, match=r"rule all cuts each image .* not for object_f2; take rule auto"):
        TuningConfig(metric="object_f2", rule="all")


def test_metrics_of_objects_by_hand():
    truth, predicted = two_objects()  # IoU 6 / 9: found at 0.5, 0.55, 0.6 and 0.65, of two true and two predicted
    empty = np.zeros_like(truth)
    pairs = [(truth, predicted), (empty, empty), (empty, predicted)]
    precision = rows_of("object_precision", *pairs)
    assert precision[:, 3].tolist() == pytest.approx([0.4 * 1 / 3, 1, 0])
    assert class_score("object_precision", precision) == pytest.approx((0.4 / 3 + 1) / 3)
    # F2 = 5 TP / (5 TP + 4 FN + FP) = 5 / 10
    assert rows_of("object_f2", *pairs)[:, 3].tolist() == pytest.approx([0.4 * 0.5, 1, 0])
    quality = rows_of("panoptic_quality", *pairs)
    assert quality[:, 3:].tolist() == [[pytest.approx(2 * 6 / 9), 4], [0, 0], [0, 2]]
    # One ratio over all images: 2/3 over 1 match + half of the 4 that have none, two of them in the last image.
    assert class_score("panoptic_quality", quality) == pytest.approx((6 / 9) / (1 + 4 / 2))
    assert scores("panoptic_quality", quality).tolist() == pytest.approx([1 / 3, 1, 0])
    assert quality[:, :3].tolist() == [[6, 8, 13], [0, 0, 0], [0, 8, 0]]


def test_settings_reach_the_metrics():
    truth, predicted = np.zeros((2, 20, 20), np.uint8)
    truth[5:15, 5:15] = predicted[5:15, 8:15] = 1
    assert rows_of("surface_dice", (truth, predicted), tolerance_px=3)[0, 3] == 1
    assert rows_of("surface_dice", (truth, predicted), tolerance_px=2)[0, 3] < 1
    narrow, wide = (rows_of("boundary_iou", (truth, predicted), boundary_width=w)[0, 3] for w in (0.03, 0.9))
    assert wide == pytest.approx(70 / 100) and narrow < wide  # a band as wide as the mask is the mask


def test_ignored_pixels_are_left_out():
    truth, predicted = two_objects()
    ignored = np.zeros_like(truth)
    ignored[4:] = 1
    row = mask_metric(TuningConfig(metric="object_precision")).row(predicted, truth, ignored)
    assert row == pytest.approx((6, 6, 9, 0.4, 1))


def test_own_metrics_with_less_is_better_are_negated(own):
    truth, predicted = two_objects()
    assert rows_of("ownmetric:area_error", (truth, predicted))[0].tolist() == [6, 8, 13, -5, 1]
    wrong = 3 + 4 + 2  # px
    assert rows_of("ownmetric:Agreement", (truth, predicted))[0, 3] == pytest.approx(1 - wrong / 144)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("undeclared", r"undeclared does not say which way is better; expected `greater_is_better = True`"),
        ("text", r"text gives str on masks of 16 x 24 px, 0 px predicted, 0 px true; expected a finite number"),
        ("broken", r"broken gives nan on masks of 16 x 24 px"),
        ("fails", r"fails fails on masks .*: AttributeError: .*no_such_thing"),
        ("missing", r"tuning\.metric: ownmetric:missing cannot be imported \(AttributeError"),
    ],
)
def test_own_metrics_that_cannot_work_are_refused(own, name, message):
    with pytest.raises(ConfigError, match=message):
        mask_metric(TuningConfig(metric=f"ownmetric:{name}"))


def test_a_changed_line_of_an_own_metric_is_another_input(own):
    assert metric_code("surface_dice") == {}
    before = metric_code("ownmetric:area_error")
    own.write_text(SOURCE + "\n# changed\n", encoding="utf-8")
    source_hash.cache_clear()
    after = metric_code("ownmetric:area_error")
    assert before.keys() == after.keys() == {"code of ownmetric:area_error"} and before != after
