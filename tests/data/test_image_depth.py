"""Images of more than 8 bits: stored values, their type from the header, and the range that networks see."""

import cv2
import numpy as np
import pytest
import tifffile

from maskfold.config import MaskFoldersData
from maskfold.data.formats.mask_files import read_grey
from maskfold.data.images.decoding import read_for_display, read_image, read_stored
from maskfold.data.images.depth import mixed_types, stored_type, training_intensity
from maskfold.data.images.files import check_images
from maskfold.data.opening import open_competition
from maskfold.errors import DataError
from maskfold.pixels.intensity import Intensity, as_stored_type, to_eight_bits

TYPES = ("uint8", "uint16", "int8", "int16", "uint32", "int32", "float32", "float64", "bool")
IN_MEMORY = {"int8": "int16", "uint32": "float32", "int32": "float32", "float64": "float32", "bool": "uint8"}


def values_of(dtype, shape):
    """Numbers that every type but bool holds; of signed types some are negative."""
    numbers = np.random.default_rng(0).integers(0, 100, shape)
    if dtype == "bool":
        return numbers > 50
    return (numbers - 50 if np.dtype(dtype).kind in "if" else numbers).astype(dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("channels", [1, 3, 4, 6])
def test_arrays_of_any_type_come_as_they_are(tmp_path, dtype, channels):
    values = values_of(dtype, (5, 7, channels))
    np.save(tmp_path / "a.npy", values)
    image = read_image(tmp_path / "a.npy", channels)
    assert image.dtype.name == stored_type(tmp_path / "a.npy") == IN_MEMORY.get(dtype, dtype)
    assert np.array_equal(image, values * np.uint8(255) if dtype == "bool" else values)


@pytest.mark.parametrize("dtype", [name for name in TYPES if name != "bool"] + ["float16"])
@pytest.mark.parametrize("layout", ["grey", "rgb", "four bands", "six bands", "six bands, separate", "two pages"])
def test_tiffs_of_any_type_and_layout_come_as_they_are(tmp_path, dtype, layout):
    channels = {"grey": 1, "rgb": 3, "four bands": 4, "two pages": 2}.get(layout, 6)
    values, path = values_of(dtype, (5, 7, channels)), tmp_path / "a.tif"
    if layout == "grey":
        tifffile.imwrite(path, values[:, :, 0], photometric="minisblack")
    elif layout == "rgb":
        tifffile.imwrite(path, values, photometric="rgb")
    elif layout == "two pages":
        tifffile.imwrite(path, values.transpose(2, 0, 1), photometric="minisblack")
    elif layout == "six bands, separate":
        tifffile.imwrite(path, values.transpose(2, 0, 1), photometric="minisblack", planarconfig="separate")
    else:
        tifffile.imwrite(path, values, photometric="minisblack", planarconfig="contig")
    image = read_image(path, channels)
    expected = "float32" if dtype == "float16" else IN_MEMORY.get(dtype, dtype)
    assert (image.dtype.name, stored_type(path)) == (expected, expected)
    assert np.array_equal(image, values.astype(expected))
    assert np.array_equal(read_stored(path), image)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_of_colour_become_grey_and_grey_becomes_colour(tmp_path, suffix):
    path = str(tmp_path / f"a{suffix}")
    cv2.imwrite(path, np.full((2, 3), 4000, np.uint16))
    assert (read_image(path, 3) == 4000).all()
    cv2.imwrite(path, np.full((2, 3, 3), (100, 2000, 4000), np.uint16))  # blue first
    assert read_image(path, 3)[0, 0].tolist() == [4000, 2000, 100]
    assert read_image(path, 1).dtype == np.uint16
    assert abs(int(read_image(path, 1)[0, 0, 0]) - (0.299 * 4000 + 0.587 * 2000 + 0.114 * 100)) <= 1


def test_8_bits_are_read_as_opencv_reads_them(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    for name in ("a.png", "a.jpg", "a.tif", "a.webp", "a.bmp"):
        cv2.imwrite(str(tmp_path / name), pixels)
        for channels, flag in ((1, cv2.IMREAD_GRAYSCALE), (3, cv2.IMREAD_COLOR_RGB)):
            expected = cv2.imread(str(tmp_path / name), flag | cv2.IMREAD_IGNORE_ORIENTATION).reshape(20, 30, channels)
            assert np.array_equal(read_image(tmp_path / name, channels), expected)
        assert stored_type(tmp_path / name) == "uint8"


@pytest.mark.parametrize(
    ("value", "kind", "peak"),
    [(200, "uint8", 200), (771, "uint16", 3), (65535, "uint16", 255), (1e6, "float32", 255), (-5, "int16", 0)],
)
def test_the_highest_value_is_noted_in_eight_bits(tmp_path, monkeypatch, value, kind, peak):
    monkeypatch.setattr("maskfold.artefacts.paths.REPOSITORY", tmp_path)  # no index of earlier files
    path = tmp_path / "a.npy"
    np.save(path, np.full((4, 5), value, kind))
    headers, problems = check_images([path])
    assert problems == [] and (headers[path].height, headers[path].width, headers[path].peak) == (4, 5, peak)


def test_a_binary_mask_of_16_bits_keeps_what_is_not_0(tmp_path):
    values = np.array([[0, 1, 257, 258, 514, 515, 65278, 65279, 65535]], np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), values)
    assert read_grey(tmp_path / "a.png").tolist() == [[0, 1, 1, 2, 2, 3, 254, 255, 255]]  # ceil(v / 257)


def test_a_damaged_tiff_is_refused_by_name(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((50, 50, 6), np.uint16), photometric="minisblack", planarconfig="contig")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DataError, match=r"a\.tif: cannot be decoded"):
        read_image(path, 6)


def test_the_range_of_the_rule(tmp_path):
    ramp = np.arange(2000, dtype=np.uint16).reshape(40, 50)
    cv2.imwrite(str(tmp_path / "a.png"), ramp)
    cv2.imwrite(str(tmp_path / "b.png"), ramp + 2000)
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    found = training_intensity(paths, 1, "auto")
    assert found == training_intensity(paths, 1, "percentile")
    assert found.stored == "uint16"
    assert (found.low[0], found.high[0]) == pytest.approx((0.005 * 3999, 0.995 * 3999))
    assert training_intensity(paths, 2, "full_range") == Intensity("uint16", (0, 0), (65535, 65535))
    assert training_intensity(paths, 2, (0, 4095)) == Intensity("uint16", (0, 0), (4095, 4095))
    assert training_intensity(paths, 2, ((0, 1), (2, 3))) == Intensity("uint16", (0, 2), (1, 3))
    with pytest.raises(DataError, match="for 3 channels, found 2"):
        training_intensity(paths, 3, ((0, 1), (2, 3)))
    np.save(tmp_path / "c.npy", np.zeros((4, 4, 2), np.float32))
    with pytest.raises(DataError, match="full_range does not fit float values"):
        training_intensity([tmp_path / "c.npy"], 2, "full_range")
    assert training_intensity([tmp_path / "c.npy"], 2, "auto") == Intensity("float32", (0, 0), (1, 1))


def test_8_bits_have_no_range_unless_the_config_gives_one(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((4, 4), 30, np.uint8))
    assert training_intensity([tmp_path / "a.png"], 3, "auto") is None
    assert training_intensity([tmp_path / "a.png"], 3, "full_range") is None
    assert training_intensity([tmp_path / "a.png"], 1, (10, 40)) == Intensity("uint8", (10,), (40,))


def test_scaling_there_and_back():
    intensity = Intensity("uint16", (100.0, 0.0), (300.0, 4095.0))
    pixels = np.array([[[50, 0], [100, 4095], [200, 819], [900, 5000]]], np.uint16)
    scaled = intensity.scaled(pixels)
    np.testing.assert_allclose(scaled, [[[0, 0], [0, 1], [0.5, 0.2], [1, 1]]], atol=1e-6)
    np.testing.assert_allclose(intensity.unscaled(scaled)[0, 2], [200, 819], rtol=1e-6)


def test_what_is_looked_at_is_bright_whatever_the_depth(tmp_path):
    dark = np.arange(4096, dtype=np.uint16).reshape(64, 64)  # 12 bits of 16
    shown = to_eight_bits(dark)
    assert (shown.dtype, shown.min(), shown.max()) == (np.uint8, 0, 255)
    assert abs(int(shown[32, 0]) - 128) <= 1
    cv2.imwrite(str(tmp_path / "a.png"), dark)
    assert read_for_display(tmp_path / "a.png").max() == 255
    assert (to_eight_bits(np.full((2, 2), 7, np.uint8)) == 7).all()
    assert as_stored_type(np.ones(2, bool)).tolist() == [255, 255]


def write_folder(root, train, test):
    for name, images in (("train", train), ("test", test)):
        (root / name).mkdir(parents=True)
        for number, image in enumerate(images):
            cv2.imwrite(str(root / name / f"p{number}.png"), image)
    (root / "train_mask").mkdir()
    for number in range(len(train)):
        cv2.imwrite(str(root / "train_mask" / f"p{number}.png"), np.full((8, 9), 255, np.uint8))


def test_images_of_different_types_are_refused_together(tmp_path):
    bright, deep = np.full((8, 9), 200, np.uint8), np.full((8, 9), 2000, np.uint16)
    write_folder(tmp_path / "same", [deep, deep], [deep])
    assert len(open_competition(MaskFoldersData(root=str(tmp_path / "same")), 3).train) == 2
    write_folder(tmp_path / "mixed", [bright, deep], [bright])
    with pytest.raises(DataError, match=r"different types.*uint16: 1 images, such as .*p1\.png; uint8: 2 images"):
        open_competition(MaskFoldersData(root=str(tmp_path / "mixed")), 3)
    assert mixed_types([]) == []
