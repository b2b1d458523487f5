"""What the galleries are made of: pictures, run lengths, scripts that stay data."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from maskfold.drawing.pictures import (
    picture_path,
    picture_runs,
    picture_size,
    write_heat,
    write_photo,
)
from maskfold.drawing.script_data import write_script


@pytest.mark.parametrize(
    ("size", "most", "expected"),
    [((256, 1600), 512, (82, 512)), ((101, 101), 512, (101, 101)), ((3000, 1), 512, (512, 1))],
)
def test_a_picture_fits_and_is_never_enlarged(size, most, expected):
    assert picture_size(*size, most) == expected


def test_runs_are_gaps_and_lengths_along_the_rows():
    mask = np.array([[0, 1, 1, 0], [1, 0, 0, 1]], np.uint8)
    assert picture_runs(mask, (2, 4)) == [1, 2, 1, 1, 2, 1]
    assert picture_runs(np.zeros((2, 4), np.uint8), (2, 4)) == []


@given(st.integers(0, 2**32), st.integers(1, 9), st.integers(1, 9))
def test_runs_say_the_whole_mask(seed, height, width):
    mask = np.random.default_rng(seed).integers(0, 2, (height, width), dtype=np.uint8)
    values = [value for k, run in enumerate(picture_runs(mask, mask.shape)) for value in [k % 2] * run]
    assert values + [0] * (mask.size - len(values)) == mask.ravel().tolist()


def test_a_single_pixel_survives_shrinking():
    mask = np.zeros((1000, 1000), np.uint8)
    mask[503, 998] = 1
    assert picture_runs(mask, (100, 100)) == [50 * 100 + 99, 1]


def test_photos_and_probabilities_have_the_picture_s_size(tmp_path):
    grey = np.full((64, 128, 3), 90, np.uint8)
    write_photo(grey, (32, 64), tmp_path / "photo.jpg")
    assert cv2.imread(str(tmp_path / "photo.jpg")).shape == (32, 64, 3)
    prob = np.zeros((64, 128), np.uint8)
    prob[:, 64:] = 255
    write_heat(prob, (32, 64), tmp_path / "heat.png")
    heat = np.asarray(Image.open(tmp_path / "heat.png").convert("RGBA"))
    assert heat.shape == (32, 64, 4)
    assert heat[0, 0, 3] == 0
    assert heat[0, 63, 3] == 230
    assert heat[0, 63, 0] > 200  # the brightest colour


def test_files_are_numbers(tmp_path):
    assert picture_path(tmp_path, 12345, "-2.png") == tmp_path / "12" / "12345-2.png"


@given(st.text())
def test_text_in_a_script_is_data(text):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "data.js"
        write_script(path, "show", {"id": text}, 1)
        written = path.read_text()
    assert not set("<>&\u2028\u2029") & set(written)
    inside = written.removeprefix("show(").removesuffix(");\n")
    assert json.loads(f"[{inside}]") == [{"id": text}, 1]


def test_a_script_refuses_what_is_no_number(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_script(tmp_path / "x.js", "show", float("nan"))
