"""The picture of six labelled images: names and areas can be read whole, and colours are those of the classes."""

import cv2
import numpy as np
import pandas as pd
from PIL import Image, ImageFont

from maskfold.data.competition import Competition
from maskfold.data.recognition.overlays import draw_overlays
from maskfold.drawing.class_colours import class_colour
from maskfold.drawing.sheet import wrapped

NAMES = (*(f"class_of_defect_{number}" for number in range(11)), "a_rather_long_class_name_without_any_space" * 2)


def test_a_text_is_wrapped_and_never_cut():
    text = "photo_with_a_long_name_0001.jpg: scratch 1,234 px, " + "x" * 90
    font = ImageFont.load_default(14)
    for width in (40, 150, 392):
        lines = wrapped(text, width)
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")
        assert max(font.getlength(line) for line in lines) <= width
    assert wrapped("short", 392) == ["short"]


def test_twelve_classes_have_their_colours_and_a_legend_that_fits(tmp_path):
    masks = np.zeros((12, 30, 40), np.uint8)
    for index in range(12):
        masks[index, 2:8, 2 + 3 * index : 5 + 3 * index] = 1
    cv2.imwrite(str(tmp_path / "a.png"), np.full((30, 40, 3), 128, np.uint8))
    train = pd.DataFrame([("a", str(tmp_path / "a.png"), 30, 40)], columns=["image_id", "path", "height", "width"])
    draw_overlays(Competition(NAMES, train, train[:0], lambda _: masks), tmp_path / "labels.png")
    pixels = np.array(Image.open(tmp_path / "labels.png"))
    legend = [tuple(pixel) for pixel in pixels[300:, :].reshape(-1, 3).tolist()]
    for index in range(12):
        # A swatch of 15 x 15 px below the picture, and an outline in it.
        assert legend.count(class_colour(index)) == 225
        assert (pixels[:300] == class_colour(index)).all(axis=2).any()
    below = (pixels[300:] < 100).all(axis=2)  # dark: texts
    assert below.any() and not below[:, -2:].any() and not below[-1].any()
