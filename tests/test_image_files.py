"""Reading images: grey and colour, jpg and png, 16 bits, transparency, and files that are no images."""

import cv2
import numpy as np
import pytest

from maskfold.data.competition import DataError
from maskfold.data.image_files import check_images, list_images, read_image

COLOUR = np.zeros((2, 3, 3), np.uint8)
COLOUR[..., 2] = 200  # red, as OpenCV orders it


@pytest.mark.parametrize(
    ("pixels", "channels", "first"),
    [
        (COLOUR, 3, [200, 0, 0]),
        (COLOUR, 1, [59]),  # 0.299 * 200, in the integers of libpng
        (np.full((2, 3), 7, np.uint8), 3, [7, 7, 7]),
        (np.full((2, 3), 7 * 256, np.uint16), 1, [7]),
        (np.dstack([COLOUR, np.zeros((2, 3), np.uint8)]), 3, [200, 0, 0]),
    ],
    ids=["colour", "colour as grey", "grey as colour", "16 bits", "transparent"],
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
    assert headers == {tmp_path / "good.png": (2, 3, 200)}
    assert len(problems) == 1
    assert "bad.png" in problems[0]
