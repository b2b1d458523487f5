"""Masks with transparency: drawn in the alpha channel, with a transparent background, or of two minds."""

import numpy as np
import pytest
from PIL import Image

from maskfold.config import MaskFoldersData
from maskfold.data.formats.mask_files import read_grey, read_values
from maskfold.data.opening import open_competition
from maskfold.errors import DataError

SHAPE = np.zeros((8, 10), np.uint8)
SHAPE[2:5, 3:7] = 1  # 12 px
ON, OFF = np.uint8(255), np.uint8(0)
ALPHA = SHAPE * ON


def rgba(grey, alpha):
    return Image.fromarray(np.dstack([grey] * 3 + [alpha]).astype(np.uint8))


def la(grey, alpha):
    return Image.fromarray(np.dstack([grey, alpha]).astype(np.uint8))


def palette():
    """Index 1 is white and opaque, index 0 white and transparent."""
    image = Image.fromarray(SHAPE)
    image = image.convert("P")
    image.putpalette([255] * 6)
    image.info["transparency"] = bytes([0, 255])
    return image


SHOWS_THE_SHAPE = {
    "white, drawn in alpha": rgba(np.full_like(SHAPE, 255), ALPHA),
    "black, drawn in alpha": rgba(np.zeros_like(SHAPE), ALPHA),
    "white grey, drawn in alpha": la(np.full_like(SHAPE, 255), ALPHA),
    "white on a transparent background": rgba(ALPHA, ALPHA),
    "opaque": rgba(ALPHA, np.full_like(SHAPE, 255)),
    "half transparent everywhere": rgba(ALPHA, np.full_like(SHAPE, 128)),
    "opaque grey": la(ALPHA, np.full_like(SHAPE, 255)),
    "white palette, drawn in alpha": palette(),
}


def write_pair(root, mask, name="p0"):
    for folder in ("train", "train_mask"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 10, 3), 90, np.uint8)).save(root / "train" / f"{name}.png")
    mask.save(root / "train_mask" / f"{name}.png")
    return MaskFoldersData(root=str(root), test_images=None)


@pytest.mark.parametrize("kind", SHOWS_THE_SHAPE)
def test_the_shape_is_read_wherever_it_is_drawn(tmp_path, kind):
    data = write_pair(tmp_path, SHOWS_THE_SHAPE[kind])
    assert np.array_equal(open_competition(data, 3).masks("p0")[0], SHAPE)


@pytest.mark.parametrize("suffix", [".webp", ".tif"])
def test_other_files_with_transparency_too(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    SHOWS_THE_SHAPE["black, drawn in alpha"].save(path, lossless=True, exact=True)
    assert np.array_equal(read_grey(path) >= 128, SHAPE == 1)


def test_colours_and_alpha_that_show_different_masks_are_refused_up_front(tmp_path):
    write_pair(tmp_path, SHOWS_THE_SHAPE["opaque"], "p1")
    data = write_pair(tmp_path, rgba(255 - ALPHA, ALPHA))  # white where it is transparent
    with pytest.raises(DataError, match=r"p0\.png: its colours and its transparency \(alpha\) show different masks"):
        open_competition(data, 3)


def test_class_values_and_colours_with_alpha(tmp_path):
    opaque, path = np.full_like(SHAPE, 255), tmp_path / "a.png"
    la(SHAPE * 2, opaque).save(path)
    assert np.array_equal(read_values(path, "class_index"), SHAPE * 2)
    la(SHAPE * 2, ALPHA).save(path)  # the background is transparent and 0
    assert np.array_equal(read_values(path, "class_index"), SHAPE * 2)
    rgba(SHAPE * 2, ALPHA).save(path)
    assert read_values(path, "colour").max() == 2 * (65536 + 256 + 1)
    rgba(SHAPE * 2, 255 - ALPHA).save(path)
    for labels in ("class_index", "colour"):
        with pytest.raises(DataError, match=r"pixels with values are transparent \(alpha\)"):
            read_values(path, labels)
    rgba(np.full_like(SHAPE, 7), ALPHA).save(path)
    with pytest.raises(DataError, match="is drawn in its transparency"):
        read_values(path, "class_index")
    np.save(tmp_path / "a.npy", np.dstack([SHAPE, SHAPE + 1]))
    with pytest.raises(DataError, match="a colour image"):
        read_values(tmp_path / "a.npy", "class_index")


def test_an_alpha_that_varies_without_hiding_anything_is_refused(tmp_path):
    half = rgba(ALPHA, np.broadcast_to(np.arange(100, 110, dtype=np.uint8), SHAPE.shape))
    data = write_pair(tmp_path, half)
    with pytest.raises(DataError, match="show different masks"):
        open_competition(data)
    with pytest.raises(DataError, match=r"transparent \(alpha\)"):
        read_values(tmp_path / "train_mask" / "p0.png", "class_index")
