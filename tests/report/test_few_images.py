"""The warning where too few images are scored, with the interval that they leave."""

import pytest

from maskfold.config.folds import FoldsConfig
from maskfold.report.few_images import few_images
from maskfold.rules.tuned import Interval

INTERVALS = {"honest": Interval(low=0.51, high=0.93), "adopted": Interval(low=0.6, high=0.95)}


def test_ten_images_in_five_parts_are_too_few_to_tune_on():
    words = few_images(FoldsConfig(kind="hold_out"), 10, INTERVALS)
    assert "10 images, 2 a part" in words and "0.510 to 0.930" in words and "folds.share" in words


def test_the_advice_fits_the_kind():
    assert "folds.share" not in few_images(FoldsConfig(kind="valid_folder"), 10, INTERVALS)
    assert "more labelled images" in few_images(FoldsConfig(), 10, INTERVALS)
    assert "0.600 to 0.950" in few_images(FoldsConfig(), 10, {"adopted": INTERVALS["adopted"]})


@pytest.mark.parametrize(("scored", "count", "few"), [(50, 5, False), (49, 5, True), (50, 6, True), (1000, 50, False)])
def test_few_are_less_than_fifty_or_less_than_ten_a_part(scored, count, few):
    assert bool(few_images(FoldsConfig(count=count), scored, INTERVALS)) == few
