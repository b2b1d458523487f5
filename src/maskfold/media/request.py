"""The options of `predict.py`; imports no large package, so that the command line responds at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

from maskfold.drawing.class_colours import Colour
from maskfold.errors import UsageError

EffectName = Literal["mask", "overlay", "cutout", "blur", "replace"]
EFFECTS: tuple[EffectName, ...] = ("mask", "overlay", "cutout", "blur", "replace")
PHOTO_FORMATS = ("png", "jpg", "webp")
VIDEO_FORMATS = ("mp4", "mov", "mkv", "png")  # png: a folder of frames


@dataclass(frozen=True)
class Request:
    """Which inputs, what to draw of them and where to; what is None is left to the config or to the input.

    classes: names, empty for all; background: path of an image or #rrggbb; soft_edge, blur_size, longest_side,
    network_side: px; frame_rate: frames a second at most; smoothing: weight of the previous frame, 0 (off) to below 1;
    tta: views as in inference.tta.
    """

    inputs: tuple[str, ...]
    effect: EffectName = "overlay"
    output: Path | None = None
    overwrite: bool = False
    photo_format: str | None = None
    video_format: str = "mp4"
    classes: tuple[str, ...] = ()
    background: str | None = None
    soft_edge: float = 0.0
    blur_size: float | None = None
    invert: bool = False
    longest_side: int | None = None
    network_side: int | None = None
    frame_rate: Fraction | None = None
    smoothing: float = 0.0
    batch: int | None = None
    folds: tuple[int, ...] | None = None
    tta: tuple[str, ...] | None = None
    mute: bool = False

    def __post_init__(self) -> None:
        problems = [
            f"{option}: {rule}, found {value}"
            for option, value, good, rule in (
                ("--soft-edge", self.soft_edge, 0 <= self.soft_edge <= 200, "0 to 200 px"),
                ("--blur-size", self.blur_size, self.blur_size is None or self.blur_size > 0, "above 0 px"),
                ("--longest-side", self.longest_side, (self.longest_side or 32) >= 32, "at least 32 px"),
                ("--network-side", self.network_side, (self.network_side or 32) >= 32, "at least 32 px"),
                ("--frame-rate", self.frame_rate, self.frame_rate is None or self.frame_rate > 0, "above 0"),
                ("--smoothing", self.smoothing, 0 <= self.smoothing < 1, "0 to below 1"),
                ("--batch", self.batch, self.batch is None or self.batch >= 1, "at least 1"),
            )
            if not good
        ]
        if self.effect == "replace" and self.background is None:
            problems.append("--effect replace: give --background IMAGE or '#rrggbb'")
        if problems:
            raise UsageError("; ".join(problems))


def parse_colour(text: str) -> Colour | None:
    """`#rgb` or `#rrggbb` as RGB; None where the text is no colour but a path. Raises UsageError for a bad colour."""
    if not text.startswith("#"):
        return None
    digits = text[1:] if len(text) != 4 else "".join(2 * digit for digit in text[1:])
    if not re.fullmatch("[0-9a-fA-F]{6}", digits):
        raise UsageError(f"--background {text}: a colour is # and 3 or 6 hexadecimal digits, for example '#00b140'")
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue
