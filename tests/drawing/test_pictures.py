"""What the galleries are made of: pictures, run lengths, scripts that stay data."""

import base64
import io
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
    write_levels,
    write_photo,
)
from maskfold.drawing.script_data import write_script
from support.scripts import script_values


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


def test_a_photo_has_the_picture_s_size(tmp_path):
    grey = np.full((64, 128, 3), 90, np.uint8)
    write_photo(grey, (32, 64), tmp_path / "photo.jpg")
    assert cv2.imread(str(tmp_path / "photo.jpg")).shape == (32, 64, 3)


def levels_written(prob, size, folder):
    """What pages read of one class's probabilities."""
    write_levels({3: prob}, size, folder / "0.js", 7)
    number, pictures = script_values(folder / "0.js")
    assert number == 7 and list(pictures) == ["3"]
    picture = Image.open(io.BytesIO(base64.b64decode(pictures["3"])))
    assert picture.mode == "L"
    return np.asarray(picture)


def test_levels_are_the_probabilities_but_faint_ones(tmp_path):
    prob = np.arange(256, dtype=np.uint8).reshape(8, 32)
    assert levels_written(prob, (8, 32), tmp_path).ravel().tolist() == [0] * 13 + list(range(13, 256))


@pytest.mark.parametrize(("shape", "size"), [((50, 70), (32, 45)), ((12, 60), (3, 15)), ((9, 5), (1, 5))])
def test_masks_of_levels_are_those_of_the_full_size_made_smaller(tmp_path, shape, size):
    prob = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    prob[: shape[0] // 2] //= 8
    levels = levels_written(prob, size, tmp_path)
    for threshold in (13, 40, 128, 255):
        mask = (levels >= threshold).astype(np.uint8)
        assert picture_runs(mask, size) == picture_runs((prob >= threshold).astype(np.uint8), size)


def test_files_are_numbers(tmp_path):
    assert picture_path(tmp_path, 12345, ".jpg") == tmp_path / "12" / "12345.jpg"


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
