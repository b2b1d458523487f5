"""The picture of augmented samples: tints and outlines by hand, equal bytes, any number of channels."""

import cv2
import numpy as np
import pytest

from maskfold.drawing.class_colours import PALETTE
from maskfold.drawing.painting import painted
from maskfold.training.sample_grid import draw_samples


def sample(channels=3, size=(40, 60), classes=2):
    pixels = np.full((*size, channels), 100, np.uint8)
    masks = np.zeros((*size, classes), np.uint8)
    masks[10:20, 10:20, 0] = 1
    return pixels, masks


def test_a_mask_is_tinted_inside_and_outlined_in_its_colour():
    picture = painted(*sample(), (40, 60))
    assert picture[0, 0].tolist() == [100, 100, 100]
    assert picture[10, 15].tolist() == list(PALETTE[0])
    assert picture[15, 15].tolist() == [round(75 + 0.25 * value) for value in PALETTE[0]]


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_any_number_of_channels_is_drawn_and_equal_samples_give_equal_bytes(tmp_path, channels):
    for name in ("a.png", "b.png"):
        draw_samples([sample(channels)] * 5, ["one", "_two"], tmp_path / name, "title")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert cv2.imread(str(tmp_path / "a.png")).shape[1] == 1200


@pytest.mark.parametrize("name", [r"$\frac{$", "$", "_", "a" * 500, "[/b]"])
def test_a_class_name_is_no_formula(tmp_path, name):
    draw_samples([sample()], [name, "two"], tmp_path / "a.png", "title")
    assert (tmp_path / "a.png").is_file()


def test_nothing_to_draw_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected at least one sample"):
        draw_samples([], ["one"], tmp_path / "a.png", "title")
    assert not list(tmp_path.iterdir())


def test_every_name_of_twelve_classes_can_be_read(tmp_path):
    names = [*(f"class_of_defect_{number}" for number in range(11)), "a_rather_long_class_name_without_any_space"]
    draw_samples([sample(classes=12)], names, tmp_path / "a.png", "title")
    picture = cv2.imread(str(tmp_path / "a.png"))
    # A name of 42 letters takes about 350 px of 1,200, with its colour: three columns, so four rows of 30 px.
    legend = picture[-120:]
    assert (legend[:, -4:] == 255).all()  # nothing runs out of the picture
    for index in range(12):
        swatch = (legend == PALETTE[index][::-1]).all(axis=2)
        assert swatch.sum() > 50
        assert np.flatnonzero(swatch.any(axis=0)).min() < 1200 * (index // 4 + 1) / 3
