"""What the names of folders tell: masks or photos, and which split."""

from __future__ import annotations

import pytest

from maskfold.data.recognition.folders import Folder, folders_below


@pytest.mark.parametrize(
    ("name", "is_mask", "is_photo", "split"),
    [
        ("masks", True, False, None),
        ("images", False, True, None),
        ("train", False, False, "train"),
        ("train_masks", True, False, "train"),
        ("trainMasks_2", True, False, "train"),
        ("trainannot", True, False, "train"),
        ("train_1_anno", True, False, "train"),
        ("validlabels", True, False, "valid"),
        ("valimages", False, True, "valid"),
        ("testimg", False, True, "test"),
        ("test_gt", True, False, "test"),
        ("segmentation", True, False, None),
        ("valley", False, False, None),  # a word that only begins as one
        ("latest", False, False, None),
        ("contest", False, False, None),
        ("fold_0", False, False, "fold_0"),
        ("Part 2", False, False, "part 2"),
        ("stuff", False, False, None),
    ],
)
def test_words_of_a_name(tmp_path, name, is_mask, is_photo, split):
    (tmp_path / name).mkdir()
    folder = Folder(tmp_path / name, tmp_path)
    assert (folder.is_mask, folder.is_photo, folder.split) == (is_mask, is_photo, split)


@pytest.mark.parametrize(
    ("name", "is_mask", "is_photo", "split"),
    [
        ("train/masks", True, False, "train"),
        ("masks/train", True, False, "train"),
        ("masks/images", False, True, None),  # the nearest name that tells
        ("valid/a", False, False, "valid"),
        ("train/test", False, False, "test"),
    ],
)
def test_the_nearest_name_that_tells_counts(tmp_path, name, is_mask, is_photo, split):
    (tmp_path / name).mkdir(parents=True)
    folder = Folder(tmp_path / name, tmp_path)
    assert (folder.is_mask, folder.is_photo, folder.split) == (is_mask, is_photo, split)


def test_folders_of_two_levels_without_hidden_ones(tmp_path):
    for name in ("b/inner/deep", "a", ".git/x", "__MACOSX/y", "b/.hidden"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "file").touch()
    assert [folder.name for folder in folders_below(tmp_path)] == ["a", "b", "b/inner"]
