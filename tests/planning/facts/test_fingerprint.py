"""What generated images and masks look like, with answers known beforehand."""

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.data.competition import Competition
from maskfold.planning.facts.checks import draw_tests, rare_classes, unlike_tests
from maskfold.planning.facts.fingerprint import fingerprint
from maskfold.planning.facts.words import facts_in_words


class Masks:
    """Masks by image id."""

    def __init__(self, masks):
        self.masks = masks

    def __call__(self, image_id):
        return self.masks[image_id]


def competition(folder, masks, test_value=100, size=(60, 80), groups=None):
    """A competition with these masks (C, H, W), whose images have one grey value: 100, and test_value."""
    rows = []
    for name, value in [*((f"i{n}", 100 + n % 3) for n in range(len(masks))), ("t0", test_value), ("t1", test_value)]:
        path = folder / f"{name}.png"
        cv2.imwrite(str(path), np.full((*size, 3), value, np.uint8))
        rows.append({"image_id": name, "path": str(path), "height": size[0], "width": size[1]})
    table = pd.DataFrame(rows)
    train = table[: len(masks)]
    train = train if groups is None else train.assign(group=groups)
    names = tuple("ab"[: len(masks[0])])
    return Competition(names, train, table[len(masks) :], Masks({f"i{n}": mask for n, mask in enumerate(masks)}))


def squares(*corners, side=10, size=(60, 80)):
    """(H, W) with squares."""
    mask = np.zeros(size, np.uint8)
    for top, left in corners:
        mask[top : top + side, left : left + side] = 1
    return mask


BLANK = np.zeros((60, 80), np.uint8)


def test_classes_objects_and_empty_images(tmp_path):
    masks = [
        np.stack([squares((5, 5), (30, 30)), squares((0, 60))]),
        np.stack([squares((5, 60)), BLANK]),
        np.stack([BLANK, BLANK]),
        np.stack([BLANK, BLANK]),
    ]
    facts = fingerprint(competition(tmp_path, masks))
    assert (facts.images, facts.test_images, facts.labels_read) == (4, 2, 4)
    assert facts.empty_share == 0.5
    assert facts.sizes == {(60, 80): 4}
    assert facts.channels == {3: 4}
    assert facts.grey == 1
    assert facts.stored == "uint8"
    assert facts.groups is None
    a, b = facts.classes
    assert (a.name, a.images, a.objects, a.area_px) == ("a", 2, 1.5, (100, 100, 100))
    assert a.width_px[1] == pytest.approx(9, abs=1)
    assert a.at_border == 0
    assert (b.name, b.images, b.objects, b.at_border) == ("b", 1, 1, 1)
    assert facts.together == {("a", "b"): 1.0}
    assert facts.coverage == pytest.approx((300 + 100) / 2 / 4800)
    assert facts.narrowest.name == "a"
    assert any("in 2 images, 1.5 objects in each" in line for line in facts_in_words(facts))


def test_masks_below_are_asymmetric(tmp_path):
    facts = fingerprint(competition(tmp_path, [squares((45, 35))[None]] * 8))
    assert facts.symmetry["vertical"] == (pytest.approx(1.0), 8)
    assert facts.symmetry["horizontal"][1] == 0  # in the middle


def test_test_images_unlike_the_training_images_are_warned_of(tmp_path):
    masks = [squares((5, 5))[None]] * 6
    (tmp_path / "alike").mkdir()
    assert unlike_tests(fingerprint(competition(tmp_path / "alike", masks))) == []
    bright = competition(tmp_path, masks, test_value=200)
    [warning] = unlike_tests(fingerprint(bright))
    assert "brighter than the training images (mean grey 200 against 101" in warning
    draw_tests(bright, tmp_path / "tests.png")
    picture = cv2.imread(str(tmp_path / "tests.png"))
    assert picture.shape == (400, 1200, 3)
    assert picture[5, 5, 0] in (100, 101, 102)  # a training image above
    assert picture[205, 5, 0] == 200  # a test image below


def test_colours_that_only_the_training_images_have(tmp_path):
    data = competition(tmp_path, [squares((5, 5))[None]] * 3)
    for path in data.train["path"]:
        cv2.imwrite(path, np.full((60, 80, 3), (90, 100, 110), np.uint8))
    [warning] = unlike_tests(fingerprint(data))
    assert "100% of them are grey, and 0% of the training images" in warning


def test_classes_without_or_with_one_image_are_warned_of(tmp_path):
    masks = [np.stack([squares((5, 5)), BLANK])] + [np.stack([BLANK, BLANK])] * 3
    one, none = rare_classes(fingerprint(competition(tmp_path, masks)))
    assert "one image shows class a" in one
    assert "shows class b" in none


def test_groups(tmp_path):
    facts = fingerprint(competition(tmp_path, [squares((5, 5))[None]] * 4, groups=["x", "x", "y", "z"]))
    assert facts.groups == 3
