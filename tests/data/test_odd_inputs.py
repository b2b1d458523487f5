"""Odd files that could be read wrongly in silence: each is read right, or refused with what it is."""

import unicodedata

import cv2
import numpy as np
import pytest
import tifffile

from maskfold.config import AutoData, MaskFoldersData, RleCsvData
from maskfold.data.label_rows import RowRules
from maskfold.data.opening import open_competition
from maskfold.errors import DataError
from maskfold.oof.imported import labelled_competition
from maskfold.pixels.rle import encode

HEIGHT, WIDTH, COUNT = 40, 60, 5
RED, GREEN, PURPLE, YELLOW = (255, 0, 0), (0, 255, 0), (68, 1, 84), (253, 231, 37)


def mask_of(number, left=10):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[5 + number : 15 + number, left : left + 12] = 1
    return mask


def write_photos(root, name="p{}".format):
    (root / "train_images").mkdir(parents=True)
    for number in range(COUNT):
        noise = np.random.default_rng(number).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
        cv2.imwrite(str(root / "train_images" / f"{name(number)}.png"), cv2.GaussianBlur(noise, (0, 0), 2))


def folders(root, write, **settings):
    """Photos with masks written by write(path without suffix, number)."""
    write_photos(root)
    (root / "train_masks").mkdir()
    for number in range(COUNT):
        write(root / "train_masks" / f"p{number}", number)
    keys = {"train_images": "train_images", "train_masks": "train_masks", "test_images": None}
    return MaskFoldersData(root=str(root), **keys, **settings)


def csv(root, text, encoding="utf-8"):
    """Photos with a label csv of this text."""
    write_photos(root)
    (root / "train.csv").write_bytes(text.encode(encoding))
    return RleCsvData(root=str(root), class_names=("1",), test_images=None, sample_submission=None)


def rows(text_of, name="p{}.png".format, comma=","):
    header = comma.join(("ImageId", "ClassId", "EncodedPixels"))
    return "\n".join([header, *(comma.join((name(n), "1", text_of(n))) for n in range(COUNT))]) + "\n"


def painted(path, background, *parts):
    image = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    image[:] = background
    for mask, colour in parts:
        image[mask > 0] = colour
    cv2.imwrite(str(path), image[:, :, ::-1])


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_colour_that_a_threshold_of_greys_would_lose_is_refused(tmp_path, suffix):
    def two(path, number):
        painted(path.with_suffix(suffix), 0, (mask_of(number), RED), (mask_of(number, 35), GREEN))

    with pytest.raises(DataError, match=r"p0\.\w+: is drawn in several colours, .*set data.labels: colour"):
        open_competition(folders(tmp_path, two))


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_one_bright_colour_on_a_coloured_background_is_a_mask(tmp_path, suffix):
    data = folders(tmp_path, lambda path, n: painted(path.with_suffix(suffix), PURPLE, (mask_of(n), YELLOW)))
    assert open_competition(data).masks("p1").sum() == pytest.approx(120, abs=12)


@pytest.mark.parametrize("bits", [1, 8])
def test_a_tiff_mask_whose_zero_is_white_is_refused(tmp_path, bits):
    def white(path, number):
        mask = mask_of(number).astype(bool) if bits == 1 else mask_of(number) * np.uint8(255)
        tifffile.imwrite(path.with_suffix(".tif"), mask, photometric="miniswhite")

    data = folders(tmp_path, white)
    for section in (data, AutoData(root=str(tmp_path))):
        with pytest.raises(DataError, match=r"p0.tif: is a TIFF whose value 0 is white"):
            open_competition(section)


def cut_by_the_top(number):
    mask = mask_of(number)
    mask[:4, 30:45] = 1
    return mask


def shifted(mask, by=-1):
    """Run lengths whose starts count from 0."""
    numbers = [int(word) for word in encode(mask).split()]
    numbers[::2] = [start + by for start in numbers[::2]]
    return " ".join(map(str, numbers))


def test_starts_that_count_from_zero_are_suspected(tmp_path):
    data = csv(tmp_path / "data", rows(lambda n: shifted(cut_by_the_top(n))))
    for section in (data, AutoData(root=data.root)):
        with pytest.raises(DataError, match=r"75 runs begin in the last pixel of a column .*do starts count from 0"):
            open_competition(section)
    (tmp_path / "maps").mkdir()
    for number in range(COUNT):
        np.save(tmp_path / "maps" / f"p{number}.npy", np.zeros((HEIGHT, WIDTH), np.uint8))
    with pytest.raises(DataError, match="do starts count from 0"):
        labelled_competition(tmp_path / "data/train.csv", tmp_path / "maps", RowRules())
    right = csv(tmp_path / "right", rows(lambda n: encode(cut_by_the_top(n))))
    np.testing.assert_array_equal(open_competition(right).masks("p0.png")[0], cut_by_the_top(0))


def test_row_major_labels_of_the_tuner_are_not_read_column_by_column(tmp_path):
    (tmp_path / "l.csv").write_text(rows(lambda n: encode(mask_of(n), "row")))
    (tmp_path / "maps").mkdir()
    for number in range(COUNT):
        np.save(tmp_path / "maps" / f"p{number}.npy", np.zeros((HEIGHT, WIDTH), np.uint8))
    with pytest.raises(DataError, match=r"read with --order column, the masks are torn apart .*set --order row"):
        labelled_competition(tmp_path / "l.csv", tmp_path / "maps", RowRules())
    competition, _ = labelled_competition(tmp_path / "l.csv", tmp_path / "maps", RowRules("row"))
    np.testing.assert_array_equal(competition.masks("p2.png")[0], mask_of(2))


def test_pairs_of_start_and_end_are_not_taken_for_relative_runs(tmp_path):
    def ends(number):
        numbers = [int(word) for word in encode(mask_of(number)).split()]
        return " ".join(
            f"{start} {start + length - 1}" for start, length in zip(numbers[::2], numbers[1::2], strict=True)
        )

    csv(tmp_path, rows(ends))
    with pytest.raises(DataError, match="are they starts and ends, or do starts count from 0"):
        open_competition(AutoData(root=str(tmp_path)))


@pytest.mark.parametrize(
    ("comma", "encoding", "said"),
    [
        (";", "utf-8", "separated by semicolons: save it with commas"),
        ("\t", "utf-8", "separated by tabs"),
        (",", "utf-16", "not a csv file in UTF-8"),
    ],
)
def test_a_csv_that_is_written_otherwise_is_named(tmp_path, comma, encoding, said):
    data = csv(tmp_path, rows(lambda n: encode(mask_of(n)), comma=comma), encoding)
    for section in (data, AutoData(root=str(tmp_path))):
        with pytest.raises(DataError, match=rf"train.csv.*{said}"):
            open_competition(section)


def test_a_mask_whose_accents_are_coded_in_another_way_is_pointed_at(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "Zürich {}") for form in ("NFC", "NFD"))
    write_photos(tmp_path, composed.format)
    (tmp_path / "train_masks").mkdir()
    for number in range(COUNT):
        cv2.imwrite(str(tmp_path / "train_masks" / f"{decomposed.format(number)}.png"), mask_of(number) * 255)
    data = MaskFoldersData(root=str(tmp_path), train_images="train_images", train_masks="train_masks", test_images=None)
    with pytest.raises(DataError, match=r"no mask of this name .*there is .*accents are coded in another way"):
        open_competition(data)


def test_masks_that_are_mostly_on_are_told_with_what_to_set_if_they_are_inverted(tmp_path, capsys):
    folders(tmp_path, lambda path, n: cv2.imwrite(f"{path}.png", 255 - mask_of(n) * 255))
    open_competition(AutoData(root=str(tmp_path)))
    assert "95.0% of the pixels; if the objects are the dark pixels, set data.labels" in capsys.readouterr().out
    given = {
        "labels": "class_index",
        "class_names": ("mask",),
        "class_values": {"mask": 0},
        "background_values": (255,),
    }
    section = AutoData.model_validate({"root": str(tmp_path), **given})
    np.testing.assert_array_equal(open_competition(section).masks("p3")[0], mask_of(3))
