"""The colour of each class, the same in pictures, charts, pages and predicted masks."""

from __future__ import annotations

import colorsys

Colour = tuple[int, int, int]  # RGB, 0..255 each

# Chosen one after the other, each the farthest from those before it for people with normal, protan, deutan and tritan
# sight (CIEDE2000 after Machado et al. 2009). Whatever the sight, the least distance in CIE Lab is 33 among the first 4
# colours, 15 among 8, 11 among 16 and 9 among all 24.
PALETTE: tuple[Colour, ...] = (
    *((225, 45, 45), (30, 150, 240), (225, 240, 0), (120, 255, 210), (180, 90, 150), (255, 150, 120)),
    *((255, 180, 255), (0, 135, 90), (150, 15, 135), (75, 0, 255), (165, 15, 45), (255, 90, 135)),
    *((60, 105, 225), (180, 165, 0), (90, 45, 75), (255, 225, 150), (0, 195, 180), (120, 15, 45)),
    *((30, 105, 90), (150, 150, 195), (165, 210, 165), (195, 30, 120), (45, 0, 195), (0, 165, 135)),
)
_GOLDEN = 0.618034  # of the colour circle: the step that never meets itself


def class_colour(index: int) -> Colour:
    """The colour of a class, as RGB; no two of the first 256 classes share one, so that masks can be read back."""
    if index < len(PALETTE):
        return PALETTE[index]
    # A program can tell these apart; a person can hardly keep more than 24 colours in mind.
    hue, step = index * _GOLDEN % 1, index % 7
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.45 + 0.08 * step, 0.95 - 0.09 * (index % 5))
    return round(255 * red), round(255 * green), round(255 * blue)


def hex_colour(index: int) -> str:
    """The colour of a class as #rrggbb, for pages and charts."""
    red, green, blue = class_colour(index)
    return f"#{red:02x}{green:02x}{blue:02x}"
