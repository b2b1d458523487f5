"""Run lengths of square images: the images tell which way their pixels are numbered."""

import csv

import cv2
import numpy as np
import pytest

from maskfold.config import AutoData
from maskfold.data.recognition.recognise import recognised
from maskfold.errors import DataError
from maskfold.pixels.rle import encode


def write(root, order, contrast, count=40):
    """Square images with a rectangle that is wider than high, brighter by `contrast`; its run lengths in this order."""
    rng = np.random.default_rng(0)
    rows = []
    (root / "train_images").mkdir(parents=True)
    for number in range(count):
        image = rng.integers(90, 110, (64, 64)).astype(np.uint8)
        mask = np.zeros((64, 64), np.uint8)
        top, left = rng.integers(2, 50), rng.integers(2, 20)
        mask[top : top + 8, left : left + 40] = 1
        image[mask > 0] += np.uint8(contrast)
        cv2.imwrite(str(root / "train_images" / f"i{number}.png"), image)
        rows.append((f"i{number}", encode(mask, order)))
    with (root / "train.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "rle"), *rows])


@pytest.mark.parametrize("order", ["column", "row"])
def test_edges_of_the_images_tell(tmp_path, order):
    write(tmp_path, order, contrast=40)
    assert recognised(AutoData(root=str(tmp_path))).order == order


def test_images_without_edges_do_not(tmp_path):
    write(tmp_path, "column", contrast=0)
    with pytest.raises(DataError, match="do not show whether their run lengths"):
        recognised(AutoData(root=str(tmp_path)))
