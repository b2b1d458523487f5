"""Photos with an EXIF or TIFF orientation: read as stored, shown upright, and refused where masks may be either."""

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from maskfold.config import MaskFoldersData, RleCsvData
from maskfold.data.images.decoding import read_image, read_stored
from maskfold.data.images.orientation import exif_orientation
from maskfold.data.opening import open_competition
from maskfold.data.problems import Problems
from maskfold.errors import DataError
from maskfold.media.photos import read_photo
from maskfold.pixels.geometry import as_stored, upright

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["grey", "rgb", "rgb of 16 bits", "two pages"])
def test_tiffs_are_read_as_stored_and_shown_upright(tmp_path, orientation, kind):
    path, tags = tmp_path / "a.tif", [(274, "H", 1, orientation, True)]
    stored = {"grey": PIXELS[:, :, :1], "rgb": PIXELS, "rgb of 16 bits": PIXELS.astype(np.uint16) * 257}.get(
        kind, PIXELS[:, :, :2]
    )
    if kind == "two pages":
        for page in (0, 1):
            tifffile.imwrite(path, stored[:, :, page], photometric="minisblack", extratags=tags, append=page == 1)
    elif kind == "grey":
        tifffile.imwrite(path, stored[:, :, 0], photometric="minisblack", extratags=tags)
    else:
        tifffile.imwrite(path, stored, photometric="rgb", extratags=tags)
    channels = stored.shape[2]
    assert exif_orientation(path) == orientation
    assert np.array_equal(read_image(path, channels), stored)
    assert np.array_equal(read_stored(path), stored)
    assert np.array_equal(read_photo(path, channels).seen, upright(stored, orientation))


@pytest.mark.parametrize("orientation", range(9))
def test_upright_is_what_pillow_shows_and_can_be_undone(orientation):
    image = Image.fromarray(PIXELS)
    image.getexif()[0x0112] = orientation
    assert np.array_equal(upright(PIXELS, orientation), np.asarray(ImageOps.exif_transpose(image)))
    assert np.array_equal(as_stored(upright(PIXELS, orientation), orientation), PIXELS)


def write_photos(root, orientations, size=(8, 12)):
    (root / "train").mkdir(parents=True)
    (root / "train_mask").mkdir()
    for number, orientation in enumerate(orientations):
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(np.full((*size, 3), 90, np.uint8)).save(root / "train" / f"p{number}.jpg", exif=exif)
        mask = np.zeros(size, np.uint8)
        mask[:2] = 255
        cv2.imwrite(str(root / "train_mask" / f"p{number}.png"), mask)
    return MaskFoldersData(root=str(root), test_images=None)


def test_masks_that_fit_either_way_are_refused_until_the_config_decides(tmp_path):
    data = write_photos(tmp_path, (1, 3, 1))
    with pytest.raises(DataError, match=r"p1\.jpg: has the EXIF orientation 3.*1 of 3.*data\.orientation: stored"):
        open_competition(data, 3)
    stored = data.model_copy(update={"orientation": "stored"})
    assert open_competition(stored, 3).masks("p1")[0, :2].all()
    tolerated = Problems()
    assert len(open_competition(data, problems=tolerated).train) == 3
    assert "EXIF orientation" in str(tolerated)


@pytest.mark.parametrize("orientation", [6, 8])
def test_masks_of_the_stored_size_decide_for_all_photos(tmp_path, orientation):
    data = write_photos(tmp_path / "wide", (1, 3, orientation))
    assert len(open_competition(data, 3).train) == 3
    with pytest.raises(DataError, match="EXIF orientation"):
        open_competition(write_photos(tmp_path / "square", (1, orientation), size=(8, 8)), 3)


def test_run_lengths_do_not_decide(tmp_path):
    write_photos(tmp_path, (1, 6))
    (tmp_path / "train.csv").write_text("ImageId_ClassId,EncodedPixels\np0.jpg_1,1 3\np1.jpg_1,1 3\n")
    data = RleCsvData(
        root=str(tmp_path), class_names=("1",), train_images="train", test_images=None, sample_submission=None
    )
    with pytest.raises(DataError, match="EXIF orientation 6"):
        open_competition(data, 3)
    assert len(open_competition(data.model_copy(update={"orientation": "stored"}), 3).train) == 2


def test_photos_without_an_orientation_need_no_decision(tmp_path):
    assert len(open_competition(write_photos(tmp_path, (1, 1)), 3).train) == 2
