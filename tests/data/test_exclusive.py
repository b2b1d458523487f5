"""Labels of exclusive classes: what overlaps is refused with image, classes and pixels, in every format."""

import pickle
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.config import AutoData, MaskFoldersData, RleCsvData
from maskfold.data.competition import Competition
from maskfold.data.exclusive import check_exclusive, with_exclusive
from maskfold.data.formats.rle_csv import RleMasks
from maskfold.data.opening import open_competition
from maskfold.errors import DataError


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Photos a, b and c of 4x6 px, with masks of the classes cat, dog and cow; in b and c some overlap."""
    monkeypatch.setattr("maskfold.artefacts.paths.REPOSITORY", tmp_path / "repository")
    areas = {
        "a": {"cat": np.s_[0:2, 0:3], "dog": np.s_[2:4, 0:3], "cow": np.s_[0:4, 3:6]},
        "b": {"cat": np.s_[0:2, 0:3], "dog": np.s_[1:4, 0:3], "cow": np.s_[0:4, 3:6]},
        "c": {"cat": np.s_[0:2, 0:3], "dog": np.s_[0:1, 2:4], "cow": np.s_[0:1, 0:6]},
    }
    for name, masks in areas.items():
        for label in ("train", *masks):
            (tmp_path / label).mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f"train/{name}.png"), np.full((4, 6, 3), 90, np.uint8))
        for label, area in masks.items():
            mask = np.zeros((4, 6), np.uint8)
            mask[area] = 255
            cv2.imwrite(str(tmp_path / label / f"{name}.png"), mask)
    return tmp_path


def folders(root, **changes):
    given = {"class_names": ("cat", "dog", "cow"), "train_masks": ".", "mask_name": "{class}/{stem}", **changes}
    return open_competition(MaskFoldersData(root=str(root), test_images=None, **given))


def test_what_overlaps_is_named_with_classes_and_pixels(root):
    competition = pickle.loads(pickle.dumps(folders(root, exclusive=True)))
    assert competition.exclusive
    assert competition.masks("a").sum(axis=0).tolist() == [[1] * 6] * 4
    with pytest.raises(DataError) as error:
        check_exclusive(competition)
    first, second = error.value.problems
    assert first.startswith(f"{root}/train/b.png: the classes 'cat' and 'dog' overlap in 3 px, but with data.exclusive")
    assert "'cat' and 'dog' overlap in 1 px, 'cat' and 'cow' overlap in 3 px, 'dog' and 'cow' overlap in 2 px" in second
    check_exclusive(competition, left_out={"b", "c"})
    with pytest.raises(DataError, match=r"b\.png"):
        competition.masks("b")


def test_classes_may_overlap_where_nothing_else_is_asked_for(root):
    competition = folders(root)
    assert not competition.exclusive
    check_exclusive(competition)
    assert competition.masks("b").sum() == 27
    assert "exclusive" not in competition.reading  # so that runs made before stay fresh
    assert '"exclusive": true' in folders(root, exclusive=True).reading


def test_run_lengths_name_their_csv(root):
    (root / "train.csv").write_text("ImageId,ClassId,EncodedPixels\na.png,cat,1 4\na.png,dog,4 3\nb.png,cat,1 2\n")
    data = RleCsvData(
        root=str(root),
        class_names=("cat", "dog"),
        train_images="train",
        test_images=None,
        sample_submission=None,
        exclusive=True,
    )
    with pytest.raises(DataError, match=r"a\.png: the classes 'cat' and 'dog' overlap in 1 px in train\.csv, but"):
        check_exclusive(open_competition(data))


def test_recognised_data_may_be_exclusive_too_and_label_maps_are_pointed_out(root, capsys):
    for name in ("cat", "dog", "cow"):
        for file in (root / name).iterdir():
            file.unlink()
        (root / name).rmdir()
    (root / "masks").mkdir()
    for name in ("a", "b", "c"):
        plane = np.zeros((4, 6), np.uint8)
        plane[1:3, 1:3], plane[3] = 1, 2
        cv2.imwrite(str(root / f"masks/{name}.png"), plane)
    capsys.readouterr()
    competition = open_competition(AutoData(root=str(root), class_names=("cat", "dog"), exclusive=True))
    assert competition.exclusive
    assert "exclusive: true" in (shown := capsys.readouterr().out) and "label maps" not in shown
    assert not open_competition(AutoData(root=str(root), class_names=("cat", "dog"))).exclusive
    assert "label maps: each pixel is of one class or of none; data.exclusive: true" in capsys.readouterr().out
    check_exclusive(competition)


def test_labels_without_images_may_be_exclusive_too():
    """As of predictions that were made elsewhere: no file of an image is known, and no data section says so."""
    table = pd.DataFrame({"image_id": ["a"], "path": [""], "height": [2], "width": [2]})
    masks = RleMasks({"a": {0: "1 2", 1: "2 1"}}, {"a": (2, 2)}, 2, "column")
    given = Competition(("x", "y"), table, table.iloc[:0], masks, (Path("l.csv"),), reading='{"order": "column"}')
    competition = with_exclusive(given)
    assert competition.reading == '{"exclusive": true, "order": "column"}'
    with pytest.raises(DataError, match=r"a: the classes 'x' and 'y' overlap in 1 px in l\.csv, but"):
        competition.masks("a")


def soft_folders(root, cat, dog, size=(1, 5), **changes):
    """One image whose classes have these probabilities, in 255ths, pixel by pixel."""
    for folder, values in (
        ("train", np.full(size, 90)),
        ("cat", np.reshape(cat, size)),
        ("dog", np.reshape(dog, size)),
    ):
        (root / folder).mkdir(parents=True)
        cv2.imwrite(str(root / folder / "a.png"), values.astype(np.uint8))
    return folders(root, class_names=("cat", "dog"), soft=True, exclusive=True, **changes)


def test_soft_masks_may_be_exclusive(tmp_path):
    """Masks are the argmax over cat, dog and what both leave of 255; of equal ones the first class."""
    cat, dog = [255, 100, 128, 60, 100], [0, 80, 128, 70, 60]  # rests: 0, 75, -1, 125, 95
    competition = pickle.loads(pickle.dumps(soft_folders(tmp_path, cat, dog)))
    assert competition.soft("a").tolist() == [[cat], [dog]]
    assert competition.masks("a").tolist() == [[[1, 1, 1, 0, 1]], [[0, 0, 0, 0, 0]]]
    check_exclusive(competition)


def test_probabilities_above_1_are_refused(tmp_path):
    competition = soft_folders(tmp_path, [255, 200, 0, 0, 0], [2, 100, 0, 0, 0])  # rounding may be off by 2
    with pytest.raises(DataError, match=r"a\.png: the probabilities of the classes sum to up to 1\.18 \(in 1 px\)"):
        check_exclusive(competition)


def test_annotators_of_exclusive_classes_vote(tmp_path):
    """Of three annotators two see a cat and one a dog at the first pixel, one each at the second."""
    (tmp_path / "train").mkdir()
    cv2.imwrite(str(tmp_path / "train" / "a.png"), np.full((1, 3), 90, np.uint8))
    votes = {"cat": ([1, 1, 0], [1, 0, 0], [0, 0, 0]), "dog": ([0, 0, 0], [0, 1, 0], [1, 0, 0])}
    for name, masks in votes.items():
        (tmp_path / name).mkdir()
        for number, mask in enumerate(masks):
            cv2.imwrite(str(tmp_path / name / f"a_{number}.png"), 255 * np.array([mask], np.uint8))
    names = {"class_names": ("cat", "dog"), "mask_name": "{class}/{stem}_*", "several_masks": "mean"}
    competition = folders(tmp_path, exclusive=True, **names)
    assert competition.soft("a").tolist() == [[[170, 85, 0]], [[85, 85, 0]]]
    assert competition.masks("a").tolist() == [[[1, 1, 0]], [[0, 0, 0]]]  # cat, dog and none are equal: the first
