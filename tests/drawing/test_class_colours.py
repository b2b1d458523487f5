"""Class colours: told apart with every kind of sight, and never twice."""

import cv2
import numpy as np
import pytest

from maskfold.drawing.class_colours import PALETTE, class_colour, hex_colour

# What people without red, green or blue cones see, in linear RGB (Machado, Oliveira, Fernandes 2009, severity 1).
SIGHTS = {
    "normal": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def least_distance(colours, sight):
    """The smallest distance of two colours in CIE Lab."""
    rgb = np.array(colours) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(sight).T, 0, 1)
    lab = cv2.cvtColor(np.float32(seen)[None], cv2.COLOR_LRGB2Lab)[0]
    distances = np.linalg.norm(lab[:, None] - lab[None], axis=2)
    return distances[~np.eye(len(colours), dtype=bool)].min()


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize(("count", "least"), [(4, 33), (8, 15), (16, 11.5), (24, 9.8)])
def test_colours_are_told_apart(sight, count, least):
    assert least_distance(PALETTE[:count], SIGHTS[sight]) > least


def test_no_two_classes_share_a_colour():
    assert len({class_colour(index) for index in range(256)}) == 256
    assert len(PALETTE) == 24


def test_colours_are_written_in_hexadecimal():
    assert hex_colour(0) == "#e12d2d"
    assert hex_colour(2) == "#e1f000"
