"""Neighbours of photos and of the frames of a video."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
import pytest

from maskfold.config import NeighboursConfig
from maskfold.errors import DataError, UsageError
from maskfold.media.neighbours import PhotoReader, with_neighbouring_frames
from maskfold.media.photos import Picture
from support.blends import as_blend
from support.frames import clips_config, frame, write_clips


def pictures(count):
    grey = [np.full((2, 3, 1), number, np.uint8) for number in range(count)]
    return (Picture(str(number), seen, seen) for number, seen in enumerate(grey))


def brute(count, neighbours):
    """The frames that each frame is seen with."""
    return [[min(max(each + offset, 0), count - 1) for offset in neighbours.offsets] for each in range(count)]


@pytest.mark.parametrize("count", [1, 2, 5, 9])
@pytest.mark.parametrize(("before", "after", "step"), [(1, 1, 1), (2, 0, 1), (0, 3, 1), (1, 2, 3)])
def test_frames_have_those_before_and_after(count, before, after, step):
    neighbours = NeighboursConfig(before=before, after=after, step=step)
    found = list(with_neighbouring_frames(pictures(count), neighbours))
    assert [picture.name for picture in found] == [str(number) for number in range(count)]
    assert [picture.seen[0, 0].tolist() for picture in found] == brute(count, neighbours)
    assert all(picture.shown[0, 0] == number for number, picture in enumerate(found))


def test_without_neighbours_frames_pass_as_they_are():
    assert [picture.seen.shape for picture in with_neighbouring_frames(pictures(2), None)] == [(2, 3, 1)] * 2


def test_a_photo_has_its_folder_for_neighbours(tmp_path):
    write_clips(tmp_path / "data", train=1, test=1)
    folder, config = tmp_path / "data" / "test", clips_config(tmp_path)
    reader = PhotoReader(config, 3)
    seen = reader(folder / "1_0.png")
    assert np.array_equal(seen.seen, np.concatenate([frame(1, index)[0] for index in (0, 0, 1)], axis=2))
    assert np.array_equal(seen.shown, frame(1, 0)[0])
    assert reader.missing().startswith("0 neighbours are missing inside their volumes and 1 lie beyond the ends")
    shutil.copy(folder / "1_3.png", folder / "1_03.png")
    with pytest.raises(DataError, match="has index 3 of '1', as "):
        PhotoReader(config, 3)(folder / "1_0.png")
    shutil.copy(folder / "1_0.png", folder / "plain.png")
    with pytest.raises(DataError, match=r"plain.png: its name does not fit data.volumes.name"):
        PhotoReader(config, 3)(folder / "plain.png")


def test_neighbours_of_another_size_are_refused(tmp_path):
    write_clips(tmp_path / "data", train=1, test=1)
    folder = tmp_path / "data" / "test"
    cv2.imwrite(str(folder / "1_1.png"), np.zeros((5, 6, 3), np.uint8))
    with pytest.raises(DataError, match=r"1_1.png: 5x6 px .*, but .*1_0.png of the same volume 32x96 px"):
        PhotoReader(clips_config(tmp_path), 3)(folder / "1_0.png")


def test_what_photos_cannot_have_neighbours_of(tmp_path):
    config = clips_config(tmp_path, data={"volumes": {"csv": "volumes.csv"}})
    with pytest.raises(UsageError, match=r"data.volumes.csv names for known images alone; .* set data.volumes.name"):
        PhotoReader(config, 3)
    alone = clips_config(tmp_path, model={"neighbours": None}, name="alone")
    blend = as_blend(alone, "both", members=(clips_config(tmp_path), alone))
    with pytest.raises(UsageError, match=r"its members see different neighbours \(model.neighbours of clips, alone\)"):
        PhotoReader(blend, 3)
