"""Pictures as jpg files."""

import cv2
import numpy as np
import pytest

from maskfold.drawing.jpeg import write_jpeg


def test_a_picture_keeps_its_colours(tmp_path):
    picture = np.full((16, 24, 3), (200, 40, 90), np.uint8)
    write_jpeg(tmp_path / "a.jpg", picture)
    assert np.abs(cv2.imread(str(tmp_path / "a.jpg"))[..., ::-1].astype(int) - picture).max() <= 2


def test_what_jpg_cannot_hold_stops_with_the_file_and_the_size(tmp_path):
    with pytest.raises(OSError, match=r"a\.jpg: a picture of 70000x1 px cannot be encoded"):
        write_jpeg(tmp_path / "a.jpg", np.zeros((1, 70000, 3), np.uint8))
    assert not (tmp_path / "a.jpg").exists()
