"""Volumes and clips: places of images, neighbours, groups, and what is refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from maskfold.config import AutoData, MaskFoldersData, NeighboursConfig, VolumesConfig
from maskfold.data.images.photo import Photo
from maskfold.data.images.stacks import Volume, read_stacks, stack_list
from maskfold.data.opening import open_competition
from maskfold.data.volumes.missing import missing_neighbours
from maskfold.data.volumes.places import place_of
from maskfold.errors import DataError

PATTERN = r"(?P<volume>.+)_(?P<index>\d+)"
BOTH = NeighboursConfig()


def volume_of(*indices):
    return Volume("v", {index: Photo(Path(f"v_{index}.png")) for index in indices})


def indices_of(stack):
    return [int(photo.path.stem.split("_")[1]) for photo in stack]


@pytest.mark.parametrize(
    ("path", "pattern", "place"),
    [
        ("/d/train/clip_7_012.png", PATTERN, ("clip_7", 12)),
        ("/d/train/clip7/12.tif", r"(?P<volume>[^/]+)/(?P<index>\d+)", ("clip7", 12)),
        ("/d/case1/day2/scan_3.png", r"(?P<volume>[^/]+/[^/]+)/scan_(?P<index>\d+)", ("case1/day2", 3)),
        ("/d/train/clip7.png", PATTERN, None),
    ],
)
def test_a_pattern_fits_the_name_or_the_end_of_the_path(path, pattern, place):
    assert place_of(Path(path), pattern) == place


def test_an_index_that_is_no_number_is_refused():
    with pytest.raises(DataError, match="whole number as index, found 'b'"):
        place_of(Path("a_b.png"), r"(?P<volume>.)_(?P<index>.)")


@pytest.mark.parametrize(
    ("known", "index", "neighbours", "expected", "missing"),
    [
        ((1, 2, 3), 2, BOTH, [1, 2, 3], (0, 0)),
        ((1, 2, 3), 1, BOTH, [1, 1, 2], (1, 0)),
        ((1, 2, 3), 3, NeighboursConfig(before=0, after=2), [3, 3, 3], (2, 0)),
        ((1, 2, 4, 5), 2, BOTH, [1, 2, 2], (0, 1)),  # 3 is as near to 2 as to 4
        ((1, 2, 5, 6), 2, NeighboursConfig(before=1, after=2), [1, 2, 2, 5], (0, 2)),
        (range(10), 5, NeighboursConfig(before=2, after=1, step=3), [0, 2, 5, 8], (1, 0)),
    ],
)
def test_the_nearest_image_stands_for_a_missing_one(known, index, neighbours, expected, missing):
    volume = volume_of(*known)
    assert indices_of(volume.stack(index, neighbours)) == expected
    assert volume.missing(index, neighbours) == missing


def write(path, value, size=(4, 6)):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full(size, value, np.uint8))


def competition_files(root, frames=(("a", 3), ("b", 3))):
    """Frames whose grey is 10 x clip + index, all labelled."""
    for number, (clip, count) in enumerate(frames):
        for index in range(count):
            write(root / "train" / f"{clip}_{index}.png", 10 * number + index)
            write(root / "train_mask" / f"{clip}_{index}.png", 255 * (index % 2))
    write(root / "test" / "a_0.png", 90)
    write(root / "test" / "a_1.png", 91)


def data_of(root, volumes=VolumesConfig(name=PATTERN), **keys):  # noqa: B008  # frozen
    return MaskFoldersData(root=str(root), volumes=volumes, **keys)


def grey_stacks(images, neighbours=BOTH):
    return [stack[0, 0].tolist() for stack in read_stacks(stack_list(images, neighbours), 1)]


def test_neighbours_are_channels_and_a_volume_is_a_group(tmp_path):
    competition_files(tmp_path)
    competition = open_competition(data_of(tmp_path), 1)
    assert grey_stacks(competition.train) == [[0, 0, 1], [0, 1, 2], [1, 2, 2], [10, 10, 11], [10, 11, 12], [11, 12, 12]]
    assert grey_stacks(competition.test) == [[90, 90, 91], [90, 91, 91]]  # not the frames of the training clip a
    assert competition.train["group"].tolist() == ["a"] * 3 + ["b"] * 3
    few = competition.train.iloc[[2]]
    assert grey_stacks(few) == [[1, 2, 2]]  # a part of the table knows all neighbours


def test_images_that_nobody_labelled_are_neighbours_too(tmp_path):
    competition_files(tmp_path)
    (tmp_path / "train_mask" / "a_1.png").unlink()
    competition = open_competition(data_of(tmp_path, missing_masks="skip"), 1)
    assert grey_stacks(competition.train)[:2] == [[0, 0, 1], [1, 2, 2]]
    assert [path.name for path in competition.neighbour_files] == ["a_1.png"]
    before = competition.train_inputs()
    write(tmp_path / "train" / "a_1.png", 200)
    assert open_competition(data_of(tmp_path, missing_masks="skip"), 1).train_inputs() != before


def test_masks_in_the_folder_of_the_images_are_no_neighbours(tmp_path):
    for index in (0, 1):
        write(tmp_path / "train" / f"a_{index}_sat.png", index)
        write(tmp_path / "train" / f"a_{index}_mask.png", 255 * index)
    loose = VolumesConfig(name=r"(?P<volume>[a-z])_(?P<index>\d+)_.*")
    names = {"train_masks": "train", "image_name": "{stem}_sat", "mask_name": "{stem}_mask", "test_images": None}
    assert grey_stacks(open_competition(data_of(tmp_path, loose, **names), 1).train) == [[0, 0, 1], [0, 1, 1]]


def test_a_csv_names_volumes(tmp_path):
    competition_files(tmp_path)
    rows = [f"{clip}_{index},{place}" for clip in "ab" for index, place in enumerate(("x,5", "y,1", "x,4"))]
    rows = [row.replace("x", row[0] + "x").replace("y", row[0] + "y") for row in rows]
    (tmp_path / "volumes.csv").write_text("\n".join(["ImageId,Volume,Index", *rows]))
    data = data_of(tmp_path, VolumesConfig(csv="volumes.csv"), test_images=None)
    assert grey_stacks(open_competition(data, 1).train)[:3] == [[2, 0, 0], [1, 1, 1], [2, 2, 0]]
    (tmp_path / "volumes.csv").write_text("\n".join(["ImageId,Volume,Index", *rows[1:-1], "b_2,bx,one", "c_1,x,2"]))
    with pytest.raises(DataError) as error:
        open_competition(data, 1)
    text = str(error.value)
    assert text.count("has no row in data.volumes.csv") == 1
    assert "a_0.png: has no row in data.volumes.csv; give each image its volume and index" in text
    assert "row 6: Index: expected a whole number as index, found 'one'" in text
    assert "row 7: there is no image 'c_1'" in text
    with pytest.raises(DataError, match=r"gone\.csv: no such file") as error:
        open_competition(data_of(tmp_path, VolumesConfig(csv="gone.csv"), test_images=None))
    assert len(error.value.problems) == 1


def test_recognised_data_has_volumes_too(tmp_path):
    competition_files(tmp_path)
    competition = open_competition(AutoData(root=str(tmp_path), volumes=VolumesConfig(name=PATTERN)), 1)
    assert grey_stacks(competition.train)[:2] == [[0, 0, 1], [0, 1, 2]]


def test_faults_name_their_files(tmp_path):
    competition_files(tmp_path)
    write(tmp_path / "train" / "a_2.png", 1, (5, 6))
    write(tmp_path / "train_mask" / "a_2.png", 0, (5, 6))
    write(tmp_path / "train" / "odd.png", 1)
    write(tmp_path / "train_mask" / "odd.png", 0)
    write(tmp_path / "train" / "a_01.png", 1)
    write(tmp_path / "train_mask" / "a_01.png", 0)
    with pytest.raises(DataError) as error:
        open_competition(data_of(tmp_path), 1)
    text = str(error.value)
    assert "odd.png: its name does not fit data.volumes.name" in text
    assert "a_2.png: 5x6 px (height x width), but " in text and "a_01.png of the same volume, 'a', has 4x6" in text
    assert "has index 1 of volume 'a', as " in text


def test_groups_that_part_a_volume_are_refused(tmp_path):
    competition_files(tmp_path)
    names = [f"{clip}_{index}" for clip in "ab" for index in range(3)]
    (tmp_path / "groups.csv").write_text("ImageId,GroupId\n" + "\n".join(f"{name},g" for name in names))
    assert open_competition(data_of(tmp_path, groups_csv="groups.csv")).train["group"].unique().tolist() == ["g"]
    (tmp_path / "groups.csv").write_text("ImageId,GroupId\n" + "\n".join(f"{name},{name[-1]}" for name in names))
    with pytest.raises(DataError, match=r"volume 'a' is in several groups .*'a_0' in '0', 'a_1' in '1'"):
        open_competition(data_of(tmp_path, groups_csv="groups.csv"))


def test_missing_neighbours_are_counted_or_refused(tmp_path):
    competition_files(tmp_path, (("a", 5), ("b", 3)))
    (tmp_path / "train" / "a_2.png").unlink()
    (tmp_path / "train_mask" / "a_2.png").unlink()
    images = open_competition(data_of(tmp_path), 1).train
    line = missing_neighbours(images, BOTH, "training images")
    # a: 0 and 4 are ends, 1 and 3 miss the one between them; b: 2 ends
    assert line == (
        "neighbours of 7 training images: 2 of 14 are missing inside their volumes and 4 lie beyond the ends; the "
        "nearest image stands for each"
    )
    with pytest.raises(DataError, match=r"4 training images have neighbours beyond .*'a_0', 'a_4', 'b_0', 'b_2'"):
        missing_neighbours(images, NeighboursConfig(at_ends="refuse"), "training images")
    with pytest.raises(DataError, match=r"not one of the training images has a neighbour 7 before or after it; .* 1"):
        missing_neighbours(images, NeighboursConfig(step=7), "training images")


def test_an_unreadable_test_image_counts_as_missing(tmp_path):
    competition_files(tmp_path)
    write(tmp_path / "test" / "a_2.png", 92)
    (tmp_path / "test" / "a_1.png").write_bytes(b"nothing")
    competition = open_competition(data_of(tmp_path), 1, "empty")
    assert [*competition.unreadable] == ["a_1"]
    assert grey_stacks(competition.readable_test) == [[90, 90, 90], [92, 92, 92]]


def test_a_stack_of_two_types_is_refused(tmp_path):
    write(tmp_path / "a.png", 1)
    cv2.imwrite(str(tmp_path / "b.png"), np.full((4, 6), 1, np.uint16))
    with pytest.raises(DataError, match=r"b.png: uint16 values, but .*a.png of the same volume uint8 values"):
        read_stacks([(Photo(tmp_path / "a.png"), Photo(tmp_path / "b.png"))], 1)
