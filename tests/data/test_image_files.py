"""Reading images: grey and colour, jpg and png, 16 bits, transparency, and files that are no images."""

import struct
import zlib

import cv2
import numpy as np
import pytest

from maskfold.data.images.decoding import read_eight_bits, read_image, read_stored
from maskfold.data.images.files import UNKNOWN_PEAK, ImageHeader, check_channels, check_images, list_images
from maskfold.data.images.headers import read_declared
from maskfold.errors import DataError
from maskfold.pixels.geometry import resize_image

COLOUR = np.zeros((2, 3, 3), np.uint8)
COLOUR[..., 2] = 200  # red, as OpenCV orders it


@pytest.mark.parametrize(
    ("pixels", "channels", "first"),
    [
        (COLOUR, 3, [200, 0, 0]),
        (COLOUR, 1, [59]),  # 0.299 * 200, in the integers of libpng
        (np.full((2, 3), 7, np.uint8), 3, [7, 7, 7]),
        (np.dstack([COLOUR, np.zeros((2, 3), np.uint8)]), 3, [200, 0, 0]),
    ],
    ids=["colour", "colour as grey", "grey as colour", "transparent"],
)
def test_images_come_as_rgb_or_grey_of_8_bits(tmp_path, pixels, channels, first):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), pixels)
    image = read_image(path, channels)
    assert (image.shape, image.dtype) == ((2, 3, channels), np.uint8)
    assert image[0, 0].tolist() == first


def test_files_that_are_no_images_are_refused_by_name(tmp_path):
    path = tmp_path / "a.jpg"
    with pytest.raises(DataError, match=r"a\.jpg: cannot be read: No such file"):
        read_image(path, 3)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"a\.jpg: cannot be decoded"):
        read_image(path, 3)


def test_a_folder_lists_its_images_by_name(tmp_path):
    for name in ("b.JPG", "a.png", ".hidden.png", "notes.txt", "c.jpeg"):
        (tmp_path / name).write_bytes(b"x")
    assert [path.name for path in list_images(tmp_path)] == ["a.png", "b.JPG", "c.jpeg"]
    with pytest.raises(DataError, match="no such folder"):
        list_images(tmp_path / "none")


def test_the_check_reports_every_bad_file_and_the_size_of_the_good(tmp_path):
    cv2.imwrite(str(tmp_path / "good.png"), COLOUR)
    (tmp_path / "bad.png").write_bytes((tmp_path / "good.png").read_bytes()[:-9])
    headers, problems = check_images([tmp_path / "good.png", tmp_path / "bad.png"])
    assert headers == {tmp_path / "good.png": ImageHeader(2, 3, 60)}  # 0.299 * 200
    assert len(problems) == 1
    assert "bad.png" in problems[0]


def test_four_channels_of_a_png_come_as_rgba_and_16_bits_as_they_are(tmp_path):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.dstack([COLOUR, np.full((2, 3), 9, np.uint8)]))
    assert read_image(path, 4)[0, 0].tolist() == [200, 0, 0, 9]
    assert read_image(path, 3)[0, 0].tolist() == [200, 0, 0]
    cv2.imwrite(str(path), np.full((2, 3, 4), [129, 128, 257, 65535], np.uint16))
    assert read_image(path, 4)[0, 0].tolist() == [257, 128, 129, 65535]  # OpenCV has red last
    assert read_eight_bits(path, 4)[0, 0].tolist() == [1, 0, 1, 255]  # 65535 / 255 = 257


@pytest.mark.parametrize("channels", [2, 6])
def test_arrays_and_pages_keep_their_channels(tmp_path, channels):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, channels), dtype=np.uint8)
    array, pages = tmp_path / "a.npy", tmp_path / "b.tif"
    np.save(array, pixels)
    cv2.imwritemulti(str(pages), [np.ascontiguousarray(pixels[:, :, i]) for i in range(channels)])
    for path in (array, pages):
        np.testing.assert_array_equal(read_image(path, channels), pixels)
        np.testing.assert_array_equal(read_stored(path), pixels)
    headers, problems = check_images([array, pages])
    assert problems == []
    assert headers[array] == headers[pages] == ImageHeader(4, 5, int(pixels.max()))
    assert check_channels([array, pages], channels) == {}
    expected = f"found {channels} channels, expected 3 channels as in model.in_channels"
    assert check_channels([array, pages], 3) == {path: f"{path}: {expected}" for path in (array, pages)}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (np.zeros((2, 3, 4), np.complex64), "found values of type complex64, expected real numbers"),
        (np.full((2, 3, 4), np.nan, np.float32), "holds NaN or infinite values"),
        (np.zeros((1, 2, 3, 4), np.uint8), "found uint8 of shape (1, 2, 3, 4), expected an array of (height, width"),
        (b"no array", "cannot be decoded"),
        (b"", "cannot be decoded"),
    ],
    ids=["complex", "nan", "four axes", "text", "empty"],
)
def test_arrays_that_are_no_images_say_why(tmp_path, content, reason):
    path = tmp_path / "a.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content)
    with pytest.raises(DataError) as error:
        read_image(path, 4)
    assert f"{path}: {reason}" in str(error.value)


def test_a_tiff_of_unequal_pages_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    cv2.imwritemulti(str(path), [np.zeros((2, 3), np.uint8), np.zeros((4, 4), np.uint8)])
    with pytest.raises(DataError, match="all grey and of one size"):
        read_image(path, 2)


def test_a_png_of_other_channels_names_what_it_holds(tmp_path):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), COLOUR)
    with pytest.raises(DataError, match=r"a\.png: found 3 channels, expected 5 channels"):
        read_image(path, 5)


@pytest.mark.parametrize("size", [(3, 4), (20, 30), (3, 30)])
def test_many_channels_are_resized_each_as_it_would_be_alone(size):
    image = np.random.default_rng(0).integers(0, 256, (10, 12, 6), dtype=np.uint8)
    alone = [resize_image(image[:, :, [channel]], size) for channel in range(6)]
    np.testing.assert_array_equal(resize_image(image, size), np.concatenate(alone, axis=2))


def png_that_declares(path, height, width):
    """A png of a few hundred bytes whose header claims height x width px."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(bytes(10_000))
    chunks = [header, data, b"IEND"]
    parts = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


@pytest.mark.parametrize("check", ["decode", "header"])
def test_a_file_that_would_fill_the_memory_is_refused_unread(tmp_path, check, monkeypatch):
    path = tmp_path / "bomb.png"
    png_that_declares(path, 30_000, 30_000)
    monkeypatch.setattr("cv2.imdecode", lambda *_: pytest.fail("decoded"))
    _, problems = check_images([path], check)
    assert "bomb.png: declares 30000x30000 px" in problems[0]
    assert "cut it into tiles" in problems[0]


def test_a_header_that_claims_what_cannot_be_is_answered_by_name(tmp_path):
    png_that_declares(tmp_path / "none.png", 0, 10)
    with (tmp_path / "array.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|u1", "fortran_order": False, "shape": (100, 100, 10**11)}
        )
    headers, problems = check_images([tmp_path / "none.png", tmp_path / "array.npy"], "header")
    assert headers == {}
    assert [line.partition("; ")[0].rpartition("/")[2] for line in problems] == [
        "none.png: cannot be decoded",
        "array.npy: cannot be decoded",
    ]


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.npy", "a.tif"])
def test_headers_tell_the_size_without_decoding(tmp_path, name):
    path = tmp_path / name
    pixels = np.random.default_rng(0).integers(0, 255, (37, 53, 3), dtype=np.uint8)
    np.save(path, pixels) if name.endswith("npy") else cv2.imwrite(str(path), pixels)
    assert read_declared(path) == (37, 53, name != "a.tif")  # of a TIFF only decoding tells
    path.write_bytes(path.read_bytes()[:-10])
    declared = read_declared(path)
    assert declared is None or not declared.whole


def test_a_jpeg_is_as_large_as_its_start_of_frame_says(tmp_path):
    """Other segments may come first, with any content, filled up with 0xFF; some have markers near those of frames."""
    path = tmp_path / "a.jpg"
    cv2.imwrite(str(path), np.zeros((37, 53), np.uint8))
    plain = path.read_bytes()
    for marker in (0xC4, 0xC8, 0xCC, 0xE1, 0xFE):
        content = bytes([0, 0, 0, 0, 99, 0, 98])
        segment = bytes([0xFF, marker, 0, len(content) + 2]) + content
        path.write_bytes(plain[:2] + segment + b"\xff" + plain[2:])
        assert read_declared(path) == (37, 53, True)
    for end in (2, 3, 4, 8):
        path.write_bytes(plain[:end])
        assert read_declared(path) is None
    path.write_bytes(plain[:2] + b"\x12\x34" + plain[2:])
    assert read_declared(path) is None


def test_a_header_check_decodes_only_where_the_end_is_missing(tmp_path):
    for name in ("good", "cut"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), COLOUR)
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:-30])
    headers, problems = check_images([tmp_path / "good.png", tmp_path / "cut.png"], "header")
    assert headers == {tmp_path / "good.png": ImageHeader(2, 3, UNKNOWN_PEAK)}
    assert "cut.png: cannot be decoded" in problems[0]


def test_auto_decodes_what_only_a_header_check_saw(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("maskfold.artefacts.paths.REPOSITORY", tmp_path / "indices")
    monkeypatch.setattr("maskfold.data.images.index.MIN_INDEXED", 2)
    paths = [tmp_path / "good.png", tmp_path / "damaged.png"]
    for path in paths:
        cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (20, 20, 3), dtype=np.uint8))
    content = bytearray(paths[1].read_bytes())
    middle = slice(len(content) // 2, len(content) // 2 + 40)
    content[middle] = bytes(40)
    paths[1].write_bytes(content)
    assert check_images(paths, "header")[1] == []  # its end is there
    monkeypatch.setattr("maskfold.data.images.files.MAX_DECODED", 1)
    assert check_images(paths, "auto")[1] == []
    assert capsys.readouterr().err == ""  # no file is new
    monkeypatch.setattr("maskfold.data.images.files.MAX_DECODED", 2)
    headers, problems = check_images(paths, "auto")
    assert headers[paths[0]].peak > 200
    assert [line.partition(": ")[0] for line in problems] == [str(paths[1])]
