"""Soft masks: grey values as probabilities, and the means of several annotators' masks, in every format."""

import pickle

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from maskfold.config import MaskFoldersData, PathsCsvData, RleCsvData
from maskfold.data.opening import open_competition
from maskfold.errors import DataError

SOFT = np.array([[0, 127, 128, 255], [64, 0, 0, 200], [0, 0, 0, 0]], np.uint8)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Photos a and b of 3x4 px, and the soft mask of a; b is blank."""
    monkeypatch.setattr("maskfold.artefacts.paths.REPOSITORY", tmp_path / "repository")
    for name, mask in (("a", SOFT), ("b", 0 * SOFT)):
        write(tmp_path / f"train/{name}.png", np.full((3, 4, 3), 90, np.uint8))
        write(tmp_path / f"masks/{name}.png", mask)
    return tmp_path


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


def folders(root, **changes):
    return MaskFoldersData(**{"root": str(root), "train_masks": "masks", "test_images": None, "soft": True, **changes})


def problems_of(data):
    with pytest.raises(DataError) as error:
        open_competition(data)
    return "\n".join(error.value.problems)


def check(competition, soft):
    competition = pickle.loads(pickle.dumps(competition))
    assert competition.soft("a").dtype == np.uint8
    assert competition.soft("a").tolist() == [np.array(soft).tolist()]
    assert competition.masks("a").tolist() == [(np.array(soft) >= 128).astype(int).tolist()]
    assert not competition.soft("b").any() and not competition.masks("b").any()


def test_grey_values_are_probabilities_and_on_from_a_half(root):
    check(open_competition(folders(root)), SOFT)
    assert open_competition(folders(root, soft=False)).soft is None
    assert '"soft": true' in open_competition(folders(root)).reading


def test_16_bits_and_fractions_of_arrays(root):
    write(root / "masks/a.png", SOFT.astype(np.uint16) * 257)
    check(open_competition(folders(root)), SOFT)
    (root / "masks/a.png").unlink()
    np.save(root / "masks/a.npy", SOFT / np.float32(255))
    check(open_competition(folders(root)), SOFT)


@pytest.mark.parametrize(("value", "found"), [(1.5, "0 to 1.5"), (-0.25, "-0.25 to 1"), (255, "0 to 255")])
def test_fractions_outside_of_0_to_1_are_refused(value, found, root):
    values = (SOFT / 255).astype(np.float32)
    values[2, 2] = value
    (root / "masks/a.png").unlink()
    np.save(root / "masks/a.npy", values)
    assert f"a.npy: found values from {found}, expected probabilities from 0 to 1" in problems_of(folders(root))


def test_fractions_that_are_no_numbers_are_refused(root):
    (root / "masks/a.png").unlink()
    np.save(root / "masks/a.npy", np.full((3, 4), np.nan, np.float32))
    assert "a.npy: holds NaN or infinite values" in problems_of(folders(root))


def test_masks_of_zeros_and_ones_are_not_taken_for_soft_ones(root):
    write(root / "masks/a.png", (SOFT > 0).astype(np.uint8))
    assert "all masks are empty: the brightest value of all is 1" in problems_of(folders(root))


def test_one_mask_may_stay_below_a_half(root):
    write(root / "masks/b.png", np.full((3, 4), 40, np.uint8))
    assert open_competition(folders(root)).soft("b").max() == 40


def test_ignored_pixels_are_0(root):
    write(root / "void/a.png", np.array([[0, 0, 0, 255], [255, 0, 0, 0], [0, 0, 0, 0]], np.uint8))
    competition = open_competition(folders(root, ignore_masks="void"))
    check(competition, [[0, 127, 128, 0], [0, 0, 0, 200], [0, 0, 0, 0]])
    assert competition.ignored_in("a").sum() == 2


def annotators(root):
    """Three annotators' masks of a, two of b."""
    for path in (root / "masks").iterdir():
        path.unlink()
    for number, columns in enumerate((4, 2, 1)):
        mask = np.zeros((3, 4), np.uint8)
        mask[0, :columns] = 255
        write(root / f"masks/a_{number}.png", mask)
    for number in (0, 1):
        write(root / f"masks/b_{number}.png", np.zeros((3, 4), np.uint8))


MEAN = [[255, 170, 85, 85], [0] * 4, [0] * 4]  # of three, two, one and one


def test_the_mean_of_several_mask_files(root):
    annotators(root)
    data = folders(root, soft=False, mask_name="{stem}_*", several_masks="mean")
    check(open_competition(data), MEAN)
    write(root / "masks/a_3.png", np.zeros((3, 4), np.uint8))  # a fourth sees nothing
    assert open_competition(data).soft("a")[0, 0].tolist() == [191, 128, 64, 64]
    write(root / "masks/a_3.png", np.full((3, 4), 100, np.uint8))  # a soft one
    assert "is not empty, but its brightest value is 100" in problems_of(data)
    as_soft = open_competition(data.model_copy(update={"soft": True})).soft("a")
    assert as_soft[0, :2].tolist() == [[216, 153, 89, 89], [25] * 4]  # (765 + 100) / 4, …
    union = open_competition(data.model_copy(update={"soft": True, "several_masks": "union"})).soft("a")
    assert union[0, :2].tolist() == [[255] * 4, [100] * 4]


def test_the_mean_of_several_rows_of_paths(root):
    annotators(root)
    votes = (*(("a", number) for number in range(3)), ("b", 0), ("b", 1))
    rows = [f"train/{name}.png,masks/{name}_{number}.png" for name, number in votes]
    (root / "train.csv").write_text("\n".join(["image,mask", *rows, ""]))
    data = PathsCsvData(root=str(root), several_rows="mean")
    check(open_competition(data), MEAN)
    (root / "train.csv").write_text("\n".join(["image,mask", *rows, "train/b.png,", ""]))
    assert "row 7: no mask; with data.several_rows: mean give an empty one" in problems_of(data)


def test_rows_of_run_lengths_vote_blank_ones_too(root):
    # Down the columns of 3 px: the first row of the image is pixels 1, 4, 7 and 10.
    rows = ["a.png,1 1 4 1 7 1 10 1", "a.png,1 1 4 1", "a.png,1 1", "b.png,", "b.png,5 1", "b.png,"]
    (root / "train.csv").write_text("\n".join(["image,rle", *rows, ""]))
    data = RleCsvData(
        root=str(root),
        class_names=("mask",),
        train_images="train",
        test_images=None,
        sample_submission=None,
        columns={"image": "image", "rle": "rle"},
        several_rows="mean",
    )
    competition = pickle.loads(pickle.dumps(open_competition(data)))
    assert competition.soft("a.png").tolist() == [MEAN]
    assert competition.masks("a.png").tolist() == [[[1, 1, 0, 0], [0] * 4, [0] * 4]]
    assert competition.soft("b.png").sum() == competition.soft("b.png")[0, 1, 1] == 85  # one of three
    assert not competition.masks("b.png").any()
    refused = problems_of(data.model_copy(update={"several_rows": "refuse"}))
    assert "set data.several_rows: union; if each is of an annotator, mean in its place" in refused


def test_settings_that_do_not_go_with_soft_masks_are_refused(root):
    for given in ({"mask_threshold": 1}, {"labels": "class_index"}, {"ignore_value": 255}):
        with pytest.raises(ValidationError, match="soft"):
            folders(root, **given)
    for given in ({"labels": "class_index"}, {"ignore_value": 255}):
        with pytest.raises(ValidationError, match="several_masks: mean needs labels: binary and no ignore_value"):
            folders(root, soft=False, several_masks="mean", **given)
        with pytest.raises(ValidationError, match="several_rows: mean needs labels: binary"):
            PathsCsvData(root=str(root), several_rows="mean", **given)
