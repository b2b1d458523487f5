"""Masks over a picture: tinted areas with outlines, one colour a class."""

from __future__ import annotations

import cv2
import numpy as np

from maskfold.drawing.class_colours import Colour, class_colour

_TINT = 0.25
_IGNORED, _IGNORED_TINT = (128, 128, 128), 0.65  # RGB


def painted(
    pixels: np.ndarray, masks: np.ndarray, size: tuple[int, int], ignored: np.ndarray | None = None
) -> np.ndarray:
    """One sample scaled to `size` (height, width) px, its masks tinted and outlined: (height, width, 3) uint8 RGB.

    pixels: (h, w, channels) uint8; masks: (h, w, C) uint8 in {0, 1}; ignored: (h, w), shown in grey where not 0.
    """
    shown = pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., :1].repeat(3, axis=2)
    shrinks = size[0] < pixels.shape[0]
    scaling = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    picture = cv2.resize(np.ascontiguousarray(shown), size[::-1], interpolation=scaling)
    for index in range(masks.shape[2]):
        mask = cv2.resize(np.ascontiguousarray(masks[..., index]), size[::-1], interpolation=cv2.INTER_NEAREST)
        tint(picture, mask > 0, class_colour(index), _TINT)
        outline(picture, mask, class_colour(index))
    shade_ignored(picture, ignored)
    return picture


def shade_ignored(picture: np.ndarray, ignored: np.ndarray | None) -> None:
    """Cover ignored pixels with grey, in place.

    picture: (H, W, 3) uint8 RGB; ignored: (h, w) uint8 of the same view, not 0 where a pixel is ignored; None: none is.
    """
    if ignored is not None and ignored.any():
        mask = cv2.resize(np.ascontiguousarray(ignored), picture.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        tint(picture, mask > 0, _IGNORED, _IGNORED_TINT)


def tint(picture: np.ndarray, area: np.ndarray, colour: Colour, share: float) -> None:
    """Mix a colour into an area of a picture, in place.

    picture: (H, W, 3) uint8 RGB; area: (H, W) bool; share: of the colour, 0..1.
    """
    picture[area] = np.rint((1 - share) * picture[area] + share * np.array(colour)).astype(np.uint8)


def outline(picture: np.ndarray, mask: np.ndarray, colour: Colour, thickness_px: int = 1) -> None:
    """Draw the outlines of a mask and of its holes into a picture, in place.

    picture: (H, W, 3) uint8 RGB, contiguous; mask: (H, W) uint8, 0 outside.
    """
    outlines, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, outlines, -1, colour, thickness_px, cv2.LINE_8)
