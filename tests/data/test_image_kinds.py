"""Files of every kind: what decodes is read, the others are named; nothing in a data folder is left out unseen."""

import cv2
import numpy as np
import pytest
from PIL import Image

from maskfold.config import CocoData, MaskFoldersData, RleCsvData
from maskfold.data.images.decoding import read_image
from maskfold.data.images.files import check_images
from maskfold.data.images.suffixes import SUFFIXES
from maskfold.data.opening import open_competition
from maskfold.errors import DataError

PHOTO = np.full((12, 16), 90, np.uint8)
MASK = np.zeros((12, 16), np.uint8)
MASK[2:9, 3:12] = 255
PILLOW = {".gif": "GIF", ".jp2": "JPEG2000", ".avif": "AVIF", ".webp": "WEBP", ".jfif": "JPEG", ".jpe": "JPEG"}


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, pixels)
    elif path.suffix.lower() in (".webp", ".avif"):
        Image.fromarray(pixels).convert("RGB").save(path, PILLOW[path.suffix.lower()], lossless=True, quality=100)
    elif path.suffix.lower() in PILLOW:
        Image.fromarray(pixels).save(path, PILLOW[path.suffix.lower()])
    else:
        suffix = {".pnm": ".pgm"}.get(path.suffix.lower(), path.suffix.lower())
        pixels = np.dstack([pixels] * 3) if suffix == ".ppm" else pixels
        path.write_bytes(cv2.imencode(suffix, pixels)[1].tobytes())


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".PNG", ".BMP", ".WebP"])
def test_every_kind_is_listed_checked_and_read(tmp_path, suffix):
    for folder, name, pixels in (("train", "a", PHOTO), ("train_mask", "a", MASK), ("test", "t", PHOTO)):
        save(tmp_path / folder / f"{name}{suffix}", pixels)
    competition = open_competition(MaskFoldersData(root=str(tmp_path)))
    assert competition.test[["image_id", "height", "width"]].values.tolist() == [["t", 12, 16]]
    assert competition.masks("a").sum() == 7 * 9
    channels = 1 if suffix == ".npy" else 3
    grey = 255 if suffix == ".pbm" else 90  # one bit a pixel
    assert np.abs(read_image(tmp_path / f"test/t{suffix}", channels).astype(int) - grey).max() <= 4


def competition_with(tmp_path, name, content):
    for number in range(2):
        save(tmp_path / f"train/{number}.png", PHOTO)
        save(tmp_path / f"train_mask/{number}.png", MASK)
    save(tmp_path / "test/t.png", PHOTO)
    (tmp_path / "test" / name).write_bytes(content)
    return MaskFoldersData(root=str(tmp_path))


@pytest.mark.parametrize("name", ["u.heic", "u.DCM", "u.nii.gz"])
def test_a_test_image_of_a_kind_that_is_not_read_stops_everything(tmp_path, name):
    data = competition_with(tmp_path, name, b"anything")
    with pytest.raises(DataError, match=rf"{name}: images of this kind are not read; convert them"):
        open_competition(data)
    competition = open_competition(data, on_bad_image="empty")
    assert competition.test["image_id"].tolist() == ["t", "u"]
    assert set(competition.unreadable) == {"u"}


def test_an_animation_is_not_one_image(tmp_path):
    frames = [Image.fromarray(PHOTO), Image.fromarray(MASK)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    headers, [problem] = check_images([tmp_path / "a.gif"])
    assert headers == {}
    assert "a.gif: holds 2 pictures (an animation)" in problem


def test_what_is_not_used_is_named(tmp_path, capsys):
    data = competition_with(tmp_path, "t.txt", b"notes")
    save(tmp_path / "test/more/v.png", PHOTO)
    (tmp_path / "train_mask/.DS_Store").write_bytes(b"x")
    (tmp_path / "train_mask/Thumbs.db").write_bytes(b"x")
    for number in range(9):
        (tmp_path / f"train/{number}.xml").write_text("x")
    open_competition(data)
    told = capsys.readouterr().err
    assert "not used: test/: more/; test/: t.txt; train/: 0.xml, 1.xml, 2.xml, 3.xml, 4.xml, … (9 .xml)" in told
    assert "DS_Store" not in told
    assert "Thumbs" not in told


def test_used_files_are_not_named(tmp_path, capsys):
    save(tmp_path / "train/a.png", PHOTO)
    save(tmp_path / "train/masks/a.png", MASK)
    (tmp_path / "train/labels.csv").write_text("id,rle\na,3 4\n")
    open_competition(MaskFoldersData(root=str(tmp_path), train_masks="train/masks", test_images=None))
    assert "not used: train/: labels.csv" in capsys.readouterr().err
    csv = RleCsvData(
        root=str(tmp_path),
        class_names=("x",),
        train_images="train",
        train_csv="train/labels.csv",
        columns={"image": "id", "rle": "rle"},
        test_images=None,
        sample_submission=None,
    )
    open_competition(csv)
    assert "not used: train/: masks/" in capsys.readouterr().err


def test_images_that_a_json_leaves_out_by_setting_are_named(tmp_path, capsys):
    for name in ("a", "b"):
        save(tmp_path / f"train/{name}.png", PHOTO)
    (tmp_path / "train.json").write_text(
        '{"images": [{"id": 0, "file_name": "a.png", "height": 12, "width": 16}], "annotations": [],'
        '"categories": [{"id": 1, "name": "x"}]}'
    )
    names = {"train_images": "train", "train_json": "train.json", "class_names": ("x",)}
    open_competition(CocoData(root=str(tmp_path), **names, unlisted_images="ignore"))
    assert "not used: train/: b.png" in capsys.readouterr().err
