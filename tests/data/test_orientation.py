"""Photos with an EXIF or TIFF orientation: read as stored, shown upright, and refused where masks may be either."""

import json

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from maskfold.audit.data.audit import audit_competition, open_tolerantly
from maskfold.audit.data.findings import findings
from maskfold.audit.images.image_facts import measure_image
from maskfold.config import CocoData, MaskFoldersData, ModelConfig, RleCsvData
from maskfold.data.formats.mask_files import read_grey, read_values
from maskfold.data.images.decoding import read_image, read_stored
from maskfold.data.images.orientation import exif_orientation
from maskfold.data.images.photo import Photo, photos_of
from maskfold.data.opening import open_competition, settled_orientation
from maskfold.data.problems import Problems
from maskfold.errors import DataError
from maskfold.inference.batches import BatchDataset
from maskfold.media.photos import read_photo
from maskfold.pixels.geometry import upright

INVERSE = {6: 8, 8: 6}  # orientations that are not their own
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


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("labels", ["binary", "class_index", "colour", "alpha"])
def test_tiff_masks_of_every_kind_are_read_as_stored(tmp_path, orientation, labels):
    path, tags = tmp_path / "a.tif", [(274, "H", 1, orientation, True)]
    shape = (PIXELS[:, :, 0] > 90).astype(np.uint8)
    stored = {
        "binary": shape * np.uint8(255),
        "class_index": shape,
        "colour": shape[:, :, None] * np.array([9, 90, 200], np.uint8),
        "alpha": np.dstack([np.full((*shape.shape, 3), 255, np.uint8), shape * np.uint8(255)]),
    }[labels]
    extra = {"extrasamples": ["unassalpha"]} if labels == "alpha" else {}
    tifffile.imwrite(path, stored, photometric="minisblack" if stored.ndim == 2 else "rgb", extratags=tags, **extra)
    read = read_grey(path) if labels in ("binary", "alpha") else read_values(path, labels)
    assert np.array_equal(read > 0, shape > 0)


@pytest.mark.parametrize("orientation", range(9))
def test_upright_is_what_pillow_shows_and_can_be_undone(orientation):
    image = Image.fromarray(PIXELS)
    image.getexif()[0x0112] = orientation
    assert np.array_equal(upright(PIXELS, orientation), np.asarray(ImageOps.exif_transpose(image)))
    assert np.array_equal(upright(upright(PIXELS, orientation), INVERSE.get(orientation, orientation)), PIXELS)


def write_photo(path, stored, orientation):
    """Save (H, W) pixels with an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(stored).save(path, exif=exif)


def write_photos(root, orientations, size=(8, 12), test=(), shown=()):
    """Photos whose two first stored rows are on, and masks of the stored pixels; `shown`: masks of what is seen."""
    stored = np.zeros(size, np.uint8)
    stored[:2, :5] = 255
    for folder, tags in (("train", orientations), ("test", test)):
        for number, tag in enumerate(tags):
            write_photo(root / folder / f"p{number}.png", stored, tag)
    for number, tag in enumerate(orientations):
        write_photo(root / "train_mask" / f"p{number}.png", upright(stored, tag) if number in shown else stored, 1)
    return MaskFoldersData(root=str(root), test_images="test" if test else None)


def test_a_png_without_text_is_not_decoded_to_look_for_an_orientation(tmp_path, monkeypatch):
    write_photo(tmp_path / "plain.png", PIXELS, 1)
    Image.fromarray(PIXELS).save(tmp_path / "none.png")
    write_photo(tmp_path / "turned.png", PIXELS, 6)
    assert exif_orientation(tmp_path / "plain.png") == 1
    assert exif_orientation(tmp_path / "turned.png") == 6
    monkeypatch.setattr(Image, "open", lambda *_: pytest.fail("decoded"))
    assert exif_orientation(tmp_path / "none.png") == 1


def test_masks_that_fit_either_way_are_refused_until_the_config_decides(tmp_path):
    data = write_photos(tmp_path, (1, 3, 1))
    with pytest.raises(
        DataError, match=r"p1\.png: has the EXIF orientation 3.*1 of 3.*orientation: stored.*orientation: upright"
    ):
        open_competition(data, 3)
    stored = data.model_copy(update={"orientation": "stored"})
    assert open_competition(stored, 3).masks("p1")[0, :2, :5].all()
    tolerated = Problems()
    assert len(open_competition(data, problems=tolerated).train) == 3
    assert "EXIF orientation" in str(tolerated)


@pytest.mark.parametrize("orientation", [6, 8])
def test_masks_of_the_stored_size_decide_for_all_photos(tmp_path, orientation):
    data = write_photos(tmp_path / "wide", (1, 3, orientation), test=(3,))
    assert len(open_competition(data, 3).train) == 3
    assert settled_orientation(data) == "stored"
    with pytest.raises(DataError, match="EXIF orientation"):
        open_competition(write_photos(tmp_path / "square", (1, orientation), size=(8, 8)), 3)


def test_photos_without_masks_and_masks_that_are_resized_decide_nothing(tmp_path):
    data = write_photos(tmp_path, (1, 6))
    assert len(open_competition(data).train) == 2
    with pytest.raises(DataError, match="EXIF orientation 6"):
        open_competition(data.model_copy(update={"resize_masks": True}))
    (tmp_path / "train_mask" / "p1.png").unlink()
    with pytest.raises(DataError, match="EXIF orientation 6"):
        open_competition(data.model_copy(update={"missing_masks": "empty"}))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_photos_have_upright_masks_and_sizes(tmp_path, orientation):
    """Photo and mask are the same picture, so what is read of both must be equal, in every reader of pixels."""
    data = write_photos(tmp_path, (1, orientation), test=(orientation,), shown=(1,))
    competition = open_competition(data.model_copy(update={"orientation": "upright"}), 1)
    expected = upright(cv2.imread(str(tmp_path / "train/p0.png"), 0)[:, :, None], orientation)
    for table, image_id in ((competition.train, "p1"), (competition.test, "p0")):
        row = table.set_index("image_id").loc[image_id]
        assert (row["height"], row["width"]) == expected.shape[:2]
        assert np.array_equal(photos_of(table)[image_id].pixels(1), expected)
        assert np.array_equal(photos_of(table)[image_id].for_display(), np.repeat(expected, 3, axis=2))
    assert np.array_equal(competition.masks("p1")[0] * np.uint8(255), expected[:, :, 0])
    batches = BatchDataset(competition.test, ModelConfig(in_channels=1), 1, 1)
    assert np.array_equal(batches[0].pixels[0, 0].numpy(), expected[:, :, 0])


def test_masks_with_an_orientation_are_turned_like_photos(tmp_path):
    data = write_photos(tmp_path, (1, 1)).model_copy(update={"orientation": "upright"})
    stored = cv2.imread(str(tmp_path / "train_mask/p1.png"), 0)
    write_photo(tmp_path / "train_mask" / "p1.png", upright(stored, INVERSE[8]), 8)
    assert np.array_equal(open_competition(data, 1).masks("p1")[0] * np.uint8(255), stored)
    with pytest.raises(DataError, match=r"train_mask/p1\.png: has the EXIF orientation 8.*1 of 2 masks"):
        write_photo(tmp_path / "train_mask" / "p1.png", stored, 8)
        open_competition(data.model_copy(update={"orientation": "auto"}), 1)


def test_masks_with_an_orientation_decide_nothing(tmp_path):
    """A photo and its mask may be turned alike, while other masks are of what a viewer shows."""
    data = write_photos(tmp_path, (6, 3))
    assert len(open_competition(data).train) == 2
    write_photo(tmp_path / "train_mask" / "p0.png", cv2.imread(str(tmp_path / "train_mask/p0.png"), 0), 6)
    with pytest.raises(DataError, match=r"2 of 2 training images, 1 of 2 masks have one"):
        open_competition(data)


def test_masks_of_the_other_size_name_the_setting_that_reads_them(tmp_path):
    data = write_photos(tmp_path / "shown", (6, 6), shown=(0, 1))
    with pytest.raises(DataError, match=r"sides are swapped.*set data\.orientation: upright"):
        open_competition(data)
    data = write_photos(tmp_path / "stored", (6, 6)).model_copy(update={"orientation": "upright"})
    with pytest.raises(DataError, match=r"sides are swapped.*set data\.orientation: stored"):
        open_competition(data)


def test_test_images_with_an_orientation_need_a_decision_too(tmp_path):
    data = write_photos(tmp_path, (1, 1), test=(1, 6))
    with pytest.raises(DataError, match=r"test/p1\.png: has the EXIF orientation 6.*1 of 2 test images"):
        open_competition(data, 3)
    sizes = {
        way: open_competition(data.model_copy(update={"orientation": way}), 3).test_sizes()["p1"]
        for way in ("stored", "upright")
    }
    assert sizes == {"stored": (8, 12), "upright": (12, 8)}
    inputs = {
        way: open_competition(data.model_copy(update={"orientation": way}), 3).test_inputs()
        for way in ("stored", "upright")
    }
    assert inputs["stored"] != inputs["upright"]
    assert settled_orientation(data) == "auto"


def test_run_lengths_do_not_decide(tmp_path):
    write_photos(tmp_path, (1, 6))
    (tmp_path / "train.csv").write_text("ImageId_ClassId,EncodedPixels\np0.png_1,1 3\np1.png_1,1 3\n")
    data = RleCsvData(
        root=str(tmp_path), class_names=("1",), train_images="train", test_images=None, sample_submission=None
    )
    with pytest.raises(DataError, match="EXIF orientation 6"):
        open_competition(data, 3)
    stored = open_competition(data.model_copy(update={"orientation": "stored"}), 3)
    assert stored.masks("p1.png").shape == (1, 8, 12)
    shown = open_competition(data.model_copy(update={"orientation": "upright"}), 3)
    assert shown.masks("p1.png").shape == (1, 12, 8)


def test_sizes_in_a_coco_json_decide(tmp_path):
    write_photos(tmp_path, (1, 6))
    box = {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "segmentation": [[0, 0, 5, 0, 5, 2, 0, 2]]}
    box |= {"area": 10, "bbox": [0, 0, 5, 2]}

    def data_of(height, width):
        images = [
            {"id": 0, "file_name": "p0.png", "height": 8, "width": 12},
            {"id": 1, "file_name": "p1.png", "height": height, "width": width},
        ]
        content = {"images": images, "annotations": [box], "categories": [{"id": 1, "name": "a"}]}
        (tmp_path / "train.json").write_text(json.dumps(content))
        return CocoData(
            root=str(tmp_path), class_names=("a",), train_json="train.json", train_images="train", test_images=None
        )

    assert open_competition(data_of(8, 12)).masks("p1.png")[0, :2, :5].all()
    with pytest.raises(DataError, match=r"sides are swapped.*orientation: upright"):
        open_competition(data_of(12, 8))
    shown = open_competition(data_of(12, 8).model_copy(update={"orientation": "upright"}))
    assert shown.masks("p1.png").shape == (1, 12, 8)


def test_photos_without_an_orientation_need_no_decision(tmp_path):
    assert len(open_competition(write_photos(tmp_path, (1, 1)), 3).train) == 2


def test_the_data_audit_says_what_the_stages_do_with_an_orientation(tmp_path):
    data = write_photos(tmp_path, (1, 3, 1))

    def told(orientation):
        own = data.model_copy(update={"orientation": orientation})
        found = findings(audit_competition(*open_tolerantly(own), None, 0, 1))
        return next(line for line in found if "image with an EXIF orientation" in line.what)

    assert "applied" in told("upright").what and "set data.orientation: stored" in told("upright").cure
    assert "ignored" in told("stored").what and "set data.orientation: upright" in told("stored").cure
    undecided = told("auto")
    assert undecided.weight == "grave" and "ignored" not in undecided.what
    assert "data.orientation: stored or upright" in undecided.cure


@pytest.mark.parametrize("suffix", ["tif", "jpg", "png"])
def test_the_data_audit_measures_the_pixels_that_training_reads(tmp_path, suffix):
    stored = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (48, 64)).astype(np.uint8), (0, 0), 3)
    image, exif = Image.fromarray(stored), Image.Exif()
    exif[0x0112] = 3
    image.save(tmp_path / f"turned.{suffix}", exif=exif, **({"tiffinfo": {274: 3}} if suffix == "tif" else {}))
    image.save(tmp_path / f"plain.{suffix}")
    turned, plain = (Photo(tmp_path / f"{name}.{suffix}") for name in ("turned", "plain"))
    facts = [measure_image(photo, 48, 64) for photo in (turned, plain, turned._replace(orientation=3))]
    assert facts[0].turned and not facts[1].turned
    assert facts[0].digest == facts[1].digest != facts[2].digest
    np.testing.assert_array_equal(facts[0].thumb, plain.pixels(1)[:, :, 0])
