"""The reader of photos and mask folders: pairs by stem, thresholds, and every bad pair reported together."""

import cv2
import numpy as np
import pytest

from maskfold.config import MaskFoldersData
from maskfold.data.competition import DataError
from maskfold.data.reading import open_competition


@pytest.fixture
def root(tmp_path):
    """Photos 1 and 2 with masks in {0, 255}, soft at one pixel, and a test photo."""
    for folder in ("train", "train_mask", "test"):
        (tmp_path / folder).mkdir()
    for name, shape in (("train/1.jpg", (4, 6, 3)), ("train/2.JPG", (5, 5, 3)), ("test/9.png", (3, 3, 3))):
        cv2.imwrite(str(tmp_path / name), np.full(shape, 90, np.uint8))
    mask = np.zeros((4, 6), np.uint8)
    mask[1:3, 2:5] = 255
    mask[0, 0], mask[0, 1] = 127, 128
    cv2.imwrite(str(tmp_path / "train_mask/1.png"), mask)
    cv2.imwrite(str(tmp_path / "train_mask/2.png"), np.zeros((5, 5), np.uint8))
    return tmp_path


def data_of(root, **changes):
    return MaskFoldersData(root=str(root), class_names=("person",), **changes)


def problems_of(root, **changes):
    with pytest.raises(DataError) as error:
        open_competition(data_of(root, **changes))
    return "\n".join(error.value.problems)


def test_photos_and_masks_are_paired_by_stem(root):
    competition = open_competition(data_of(root))
    assert competition.train["image_id"].tolist() == ["1", "2"]
    assert competition.test["image_id"].tolist() == ["9"]
    mask = competition.masks("1")
    assert mask.shape == (1, 4, 6)
    assert mask[0, 0].tolist() == [0, 1, 0, 0, 0, 0]  # 128 is on, 127 is off
    assert mask.sum() == 7
    assert competition.masks("2").sum() == 0


def test_bad_pairs_are_reported_together(root):
    cv2.imwrite(str(root / "train/3.jpg"), np.zeros((4, 4, 3), np.uint8))
    cv2.imwrite(str(root / "train_mask/4.png"), np.zeros((4, 4), np.uint8))
    cv2.imwrite(str(root / "train_mask/2.png"), np.zeros((5, 6), np.uint8))
    cv2.imwrite(str(root / "train/1.png"), np.zeros((4, 6, 3), np.uint8))
    problems = problems_of(root)
    for answer in (
        "3.jpg: no mask of this name",
        "4.png: a mask without its photo",
        "the mask is 5x6 px (height x width), its photo 5x5",
        "image id '1' is ambiguous",
    ):
        assert answer in problems


def test_masks_of_zeros_and_ones_are_answered_with_the_threshold(root):
    for name in ("1", "2"):
        mask = cv2.imread(str(root / f"train_mask/{name}.png"), cv2.IMREAD_GRAYSCALE)
        cv2.imwrite(str(root / f"train_mask/{name}.png"), (mask > 0).astype(np.uint8))
    assert "the brightest value of all is 1, below data.mask_threshold=128" in problems_of(root)
    assert open_competition(data_of(root, mask_threshold=1)).masks("1").sum() == 8
