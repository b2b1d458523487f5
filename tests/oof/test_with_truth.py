"""OOF maps with their truth: what goes together, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from maskfold.errors import DataError
from maskfold.oof.store import OofWriter
from maskfold.oof.with_truth import iter_with_truth

SIZES = [(40, 64), (64, 64), (50, 90)]


def write(path, numbers, fold=1, sizes=SIZES, value=130):
    with OofWriter(path, 2) as writer:
        for number in numbers:
            maps = np.zeros((2, *sizes[number % 3]), np.uint8)
            maps[0], maps[1] = value, value - 10
            writer.write(f"train{number}.png", fold, maps)
    return path


def test_maps_and_masks_of_one_image_go_together(tmp_path, tiny_competition):
    found = list(iter_with_truth(write(tmp_path / "fold1.parquet", [4, 0]), 1, tiny_competition))
    assert [labelled.oof.image_id for labelled in found] == ["train4.png", "train0.png"]
    for labelled, size, truth in zip(found, (SIZES[1], SIZES[0]), ([0, 400], [400, 0]), strict=True):
        assert labelled.truth.sum(axis=(1, 2)).tolist() == truth  # a square of 20 px, dark or bright
        assert labelled.oof.prob.shape == labelled.truth.shape == (2, *size)
        assert labelled.oof.prob[:, 0, 0].tolist() == [130, 120]  # as they are: classes may overlap
        assert labelled.ignored is None


@pytest.mark.parametrize("exclusive", [True, False])
def test_only_exclusive_classes_are_decided(tmp_path, tiny_competition, exclusive):
    competition = replace(tiny_competition, exclusive=exclusive)
    [labelled] = iter_with_truth(write(tmp_path / "fold1.parquet", [0]), 1, competition)
    assert (labelled.oof.prob[0] > 0).all()
    assert (labelled.oof.prob[1] == (0 if exclusive else 120)).all()


def test_ignored_pixels_come_along_and_an_image_of_nothing_else_is_refused(tmp_path, tiny_competition):
    path = write(tmp_path / "fold1.parquet", [0])
    ignored = np.ones(SIZES[0], np.uint8)
    with pytest.raises(DataError, match=r"image train0\.png: .*no labelled pixel|image train0\.png"):
        list(iter_with_truth(path, 1, replace(tiny_competition, ignored=lambda name: ignored)))
    ignored[3, 5] = 0
    [labelled] = iter_with_truth(path, 1, replace(tiny_competition, ignored=lambda name: ignored))
    assert np.array_equal(labelled.ignored, ignored)


@pytest.mark.parametrize(
    ("numbers", "fold", "sizes", "message"),
    [
        ([12], 1, SIZES, r"image train12\.png: not a training image"),
        ([0, 1, 0], 1, SIZES, r"image train0\.png: in the file twice"),
        ([0], 2, SIZES, r"image train0\.png: its rows say fold 2, but this is the file of fold 1"),
        ([0], 1, [(64, 40)], r"shape \(2, 64, 40\), the truth has \(2, 40, 64\)"),
        ([0], 1, [(40, 63)], r"shape \(2, 40, 63\), the truth has \(2, 40, 64\)"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, tiny_competition, numbers, fold, sizes, message):
    path = write(tmp_path / "fold1.parquet", numbers, fold, sizes)
    with pytest.raises(DataError, match=message):
        list(iter_with_truth(path, 1, tiny_competition))
