"""What predict.py is given: inputs found, outputs planned, photos read upright, and bad ones named."""

from fractions import Fraction

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from maskfold.errors import DataError, UsageError
from maskfold.media.photos import encode_photo, read_photo
from maskfold.media.request import Request, parse_colour
from maskfold.media.sources import Source, find_sources
from maskfold.media.targets import plan_tasks


def picture(path, size=(8, 6), colour=(200, 100, 50)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def test_folders_patterns_and_files_are_found_once_and_in_order(tmp_path):
    first, second = picture(tmp_path / "in" / "a.png"), picture(tmp_path / "in" / "b.jpg")
    (tmp_path / "in" / "c.mp4").write_bytes(b"x")
    (tmp_path / "in" / ".hidden.png").write_bytes(b"x")
    (tmp_path / "in" / "notes.txt").write_text("x")
    found = find_sources([str(second), str(tmp_path / "in"), str(tmp_path / "**" / "*.png"), "-"])
    assert [(source.path.name, source.kind) for source in found] == [
        ("b.jpg", "photo"),
        ("a.png", "photo"),
        ("c.mp4", "video"),
        ("-", "video"),
    ]
    assert found[1].path == first


def test_all_bad_inputs_are_named_together(tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "nothing").mkdir()
    bomb = bytearray(encode_photo(np.zeros((1, 1), np.uint8), "png"))
    bomb[16:24] = (30000).to_bytes(4, "big") * 2
    (tmp_path / "bomb.png").write_bytes(bomb)
    names = ["empty.jpg", "notes.txt", "nothing", "bomb.png", "absent.jpg", "*.gif"]
    with pytest.raises(DataError) as caught:
        find_sources([str(tmp_path / name) for name in names])
    said = dict(zip(names, caught.value.problems, strict=True))
    assert "is empty (0 bytes)" in said["empty.jpg"]
    assert "neither a photo nor a video" in said["notes.txt"]
    assert "holds no photo and no video" in said["nothing"]
    assert "declares 30000x30000 px" in said["bomb.png"]
    assert "no such file or folder" in said["absent.jpg"]
    assert "matches this pattern" in said["*.gif"]


def test_outputs_are_named_after_inputs_and_never_replaced_unasked(tmp_path):
    sources = [Source(tmp_path / "a.jpg", "photo"), Source(tmp_path / "b.mp4", "video")]
    request = Request(("x",), effect="cutout", video_format="png")
    tasks = plan_tasks(sources, request, tmp_path / "out")
    assert [(task.target.name, task.form) for task in tasks] == [("a_cutout.png", "png"), ("b_cutout", "png")]
    picture(tmp_path / "out" / "a_cutout.png")
    with pytest.raises(UsageError, match=r"a_cutout.png: exists already; give --overwrite"):
        plan_tasks(sources, request, tmp_path / "out")
    assert plan_tasks(sources, Request(("x",), effect="cutout", overwrite=True), tmp_path / "out")


@pytest.mark.parametrize(
    ("names", "output", "said"),
    [
        (["a.jpg", "b.jpg"], "one.png", "is one file for 2 inputs"),
        (["a.jpg"], "a.gif", "a photo is written as png, jpg, webp, found .gif"),
        (["a.mp4"], "a.png", "a video is written as mp4, mov, mkv, found .png; frames as png go into a folder"),
        (["x/a.jpg", "y/a.jpg"], None, "would all be written to"),
        (["a.jpg"], "a.jpg", "is an input"),
    ],
)
def test_outputs_that_cannot_be_are_refused(tmp_path, monkeypatch, names, output, said):
    monkeypatch.chdir(tmp_path)
    for name in names:
        picture(tmp_path / name) if name.endswith("jpg") else (tmp_path / name).write_bytes(b"x")
    path = None if output is None else tmp_path / output
    with pytest.raises(UsageError, match=said):
        plan_tasks(find_sources(names), Request(("x",), output=path, overwrite=True), tmp_path / "out")


def test_options_out_of_range_are_named_together():
    with pytest.raises(UsageError) as caught:
        Request(("a",), effect="replace", smoothing=1.0, soft_edge=-1, frame_rate=Fraction(0))
    for option in ("--smoothing: 0 to below 1, found 1.0", "--soft-edge", "--frame-rate", "--background"):
        assert option in str(caught.value)


def test_colours_and_sizes_are_read():
    assert parse_colour("#00b140") == (0, 177, 64)
    assert parse_colour("#f80") == (255, 136, 0)
    assert parse_colour("beach.jpg") is None
    with pytest.raises(UsageError, match="3 or 6 hexadecimal digits"):
        parse_colour("#12345")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_as_pillow_turns_them(tmp_path, orientation):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "phone.png"
    Image.fromarray(pixels).save(path, exif=exif)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(read_photo(path, 3).seen, expected)


def test_alpha_grey_16_bit_and_gif_like_photos_become_rgb(tmp_path):
    rgba = np.dstack([np.full((4, 6, 3), (10, 20, 30), np.uint8), np.full((4, 6), 7, np.uint8)])
    (tmp_path / "alpha.png").write_bytes(encode_photo(rgba, "png"))
    deep = np.full((4, 6, 3), 65535, np.uint16)
    deep[..., 0] = 0  # blue, as OpenCV writes
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    (tmp_path / "grey.png").write_bytes(encode_photo(np.full((4, 6), 99, np.uint8), "png"))
    (tmp_path / "web.webp").write_bytes(encode_photo(np.full((4, 6, 3), 128, np.uint8), "webp"))
    pixels = {
        name: read_photo(tmp_path / name, 3).shown[0, 0].tolist() for name in ("alpha.png", "deep.png", "grey.png")
    }
    assert pixels == {"alpha.png": [10, 20, 30], "deep.png": [255, 255, 0], "grey.png": [99, 99, 99]}
    assert abs(int(read_photo(tmp_path / "web.webp", 3).shown[0, 0, 0]) - 128) <= 2


def test_a_network_for_grey_sees_grey_and_the_eye_sees_colours(tmp_path):
    found = read_photo(picture(tmp_path / "a.png"), 1)
    assert (found.seen.shape, found.shown.shape) == ((6, 8, 1), (6, 8, 3))


def test_large_photos_shrink_to_the_longest_side_and_small_ones_stay(tmp_path):
    path = picture(tmp_path / "a.png", size=(100, 60))
    assert read_photo(path, 3, 50).seen.shape == (30, 50, 3)
    assert read_photo(path, 3, 200).seen.shape == (60, 100, 3)


def test_a_truncated_photo_is_named(tmp_path):
    path = picture(tmp_path / "a.png", size=(100, 60))
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError, match=r"a.png: cannot be decoded; the file is truncated or no image"):
        read_photo(path, 3)


def test_files_of_other_kinds_in_a_folder_are_named(tmp_path, capsys):
    for name in ("a.jpg", "b.webp"):
        picture(tmp_path / "in" / name)
    for name in ("c.heic", "notes.txt", ".hidden"):
        (tmp_path / "in" / name).write_bytes(b"x")
    assert [source.path.name for source in find_sources([str(tmp_path / "in")])] == ["a.jpg", "b.webp"]
    told = capsys.readouterr().err
    assert "not used, neither photos nor videos that can be read: in/: c.heic; in/: notes.txt" in told
    assert "hidden" not in told


def test_an_animated_photo_is_refused(tmp_path):
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match=r"a.webp: holds 2 pictures \(an animation\)"):
        find_sources([str(tmp_path / "a.webp")])
