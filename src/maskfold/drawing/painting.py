"""Masks painted in one colour a class."""

from __future__ import annotations

import cv2
import numpy as np

# RGB, told apart on grey steel and on skin; a class beyond the last colour starts over.
CLASS_COLOURS = (
    (230, 57, 70),
    (29, 161, 242),
    (255, 183, 3),
    (46, 196, 110),
    (181, 101, 255),
    (255, 127, 39),
    (0, 206, 209),
    (255, 105, 180),
)


def painted(pixels: np.ndarray, masks: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """One sample scaled to `size` (height, width) px, its masks tinted and outlined: (height, width, 3) uint8 RGB.

    pixels: (h, w, channels) uint8; masks: (h, w, C) uint8 in {0, 1}.
    """
    shown = pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., :1].repeat(3, axis=2)
    shrinks = size[0] < pixels.shape[0]
    scaling = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    picture = cv2.resize(np.ascontiguousarray(shown), size[::-1], interpolation=scaling)
    for index in range(masks.shape[2]):
        mask = cv2.resize(np.ascontiguousarray(masks[..., index]), size[::-1], interpolation=cv2.INTER_NEAREST)
        colour = CLASS_COLOURS[index % len(CLASS_COLOURS)]
        area = mask > 0
        picture[area] = np.rint(0.75 * picture[area] + 0.25 * np.array(colour)).astype(np.uint8)
        outlines, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, outlines, -1, colour, 1, cv2.LINE_8)
    return picture
