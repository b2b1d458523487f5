"""Run lengths of square images: the images tell which way their pixels are numbered."""

import csv

import cv2
import numpy as np
import pytest

from maskfold.config import AutoData, RleCsvData
from maskfold.data.opening import open_competition
from maskfold.data.recognition.recognise import recognised
from maskfold.errors import DataError
from maskfold.pixels.rle import encode, relative_runs
from maskfold.pixels.run_order import edges_by_order


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


def test_edges_of_a_rectangle_by_hand():
    """3 x 4 px at the top left of 6 x 10: 14 edges but for the border of the image, so 3 + 4."""
    mask = np.zeros((6, 10), np.uint8)
    mask[:3, :4] = 1
    edges = edges_by_order([(encode(mask, "row"), 6, 10), ("no mask", 6, 10)])
    assert edges.row == 7
    assert edges.column > 2 * edges.row
    assert (edges.clearer(), edges.differ) == ("row", True)
    assert edges_by_order([("1 60", 6, 10)]) == (0, 0, False)


@pytest.mark.parametrize(("stated", "right"), [("column", "row"), ("row", "column"), ("relative", "row")])
def test_masks_that_are_torn_apart_in_the_order_of_the_config_are_refused(tmp_path, stated, right):
    (tmp_path / "train_images").mkdir()
    rows = []
    for number in range(4):
        mask = np.zeros((20, 50), np.uint8)
        mask[3 + number : 12, 5:25] = 1
        cv2.imwrite(str(tmp_path / f"train_images/i{number}.png"), mask)
        runs = encode(mask, right)
        rows.append((f"i{number}", "1", relative_runs(runs) if stated == "relative" else runs))
    with (tmp_path / "train.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("ImageId", "ClassId", "EncodedPixels"), *rows])

    def data(order):
        return RleCsvData(root=str(tmp_path), class_names=("1",), order=order, test_images=None, sample_submission=None)

    with pytest.raises(DataError, match=rf"data.order: {stated}, the masks are torn apart .*set data.order: {right}"):
        open_competition(data(stated))
    if stated != "relative":
        assert open_competition(data(right)).masks("i0").sum() == 9 * 20
