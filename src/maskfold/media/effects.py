"""What is drawn of a picture and its masks: the mask, an overlay, a cut-out, a blurred or another background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from maskfold.drawing.class_colours import Colour, class_colour
from maskfold.drawing.painting import outline
from maskfold.media.edges import opacity
from maskfold.media.request import EffectName
from maskfold.rules.applying import mask_threshold
from maskfold.rules.rules import AnyRule

_TINT = 0.45  # of an overlay
_BLUR_SHARE = 1 / 40  # standard deviation of a blur over the longest side
_BLUR_PX = 3.0  # standard deviation at which a blurred picture is computed; it has nothing finer to show


@dataclass(frozen=True)
class Effect:
    """How to draw a picture.

    classes: index of each class that counts; rules: of every class; background:
    (h, w, 3) uint8 RGB or one colour; transparent: a cut-out is RGBA, else it lies on the background.
    """

    name: EffectName
    classes: Sequence[int]
    rules: Sequence[AnyRule]
    soft_edge_px: float = 0.0
    blur_px: float | None = None
    background: np.ndarray | Colour = (0, 0, 0)
    transparent: bool = False
    invert: bool = False
    _covers: dict[tuple[int, int], np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    def draw(self, image: np.ndarray, prob: np.ndarray, masks: np.ndarray) -> np.ndarray:
        """One picture: (H, W, 3) uint8 RGB, (H, W, 4) RGBA of a transparent cut-out, (H, W) grey of one class's mask.

        image: (H, W, 3) uint8 RGB; prob: (C, H, W) uint8; masks: (C, H, W) uint8 in {0, 1}.
        """
        layers = [
            opacity(masks[k], prob[k], mask_threshold(prob[k], self.rules[k]), self.soft_edge_px) for k in self.classes
        ]
        if self.invert:
            layers = [255 - layer for layer in layers]
        if self.name == "mask":
            return layers[0] if len(layers) == 1 else self._coloured(np.zeros_like(image), layers, 1.0)
        if self.name == "overlay":
            return self._outlined(self._coloured(image, layers, _TINT), layers)
        # Inverted, what none of the classes covers is shown: the lowest of the layers.
        alpha = np.minimum.reduce(layers) if self.invert else np.maximum.reduce(layers)
        if self.name != "blur" and self.soft_edge_px > 0:
            image = without_fringe(image, alpha, self.soft_edge_px)
        if self.name == "cutout" and self.transparent:
            return np.dstack([image, alpha])
        behind = blurred(image, 255 - alpha, self.blur_px) if self.name == "blur" else self._background(image)
        return mixed(image, behind, alpha)

    def _background(self, image: np.ndarray) -> np.ndarray:
        """What lies behind, as large as the image."""
        if isinstance(self.background, np.ndarray):
            size = image.shape[0], image.shape[1]
            cover = self._covers.get(size)
            if cover is None:
                cover = covering(self.background, size)
                self._covers.clear()  # one size at a time: the frames of a video share theirs
                self._covers[size] = cover
            return cover
        return np.full_like(image, self.background)

    def _coloured(self, image: np.ndarray, layers: Sequence[np.ndarray], share: float) -> np.ndarray:
        """The image under the colour of each class."""
        for index, layer in zip(self.classes, layers, strict=True):
            colour = np.full_like(image, class_colour(index))
            image = mixed(colour, image, cv2.convertScaleAbs(layer, alpha=share) if share < 1 else layer)
        return image

    def _outlined(self, image: np.ndarray, layers: Sequence[np.ndarray]) -> np.ndarray:
        """The image with the edge of each class in its colour."""
        thickness = max(1, round(max(image.shape[:2]) / 600))
        image = np.ascontiguousarray(image)
        for index, layer in zip(self.classes, layers, strict=True):
            outline(image, (layer >= 128).astype(np.uint8), class_colour(index), thickness)
        return image


def mixed(front: np.ndarray, behind: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """`front` over `behind`, both (H, W, 3) uint8, where alpha, (H, W) uint8, is 255; in between a linear mixture."""
    share = alpha.astype(np.float32) / np.float32(255)
    return cv2.blendLinear(front, behind, share, 1 - share)


def blurred(image: np.ndarray, alpha: np.ndarray, sigma_px: float | None = None) -> np.ndarray:
    """The part of an image that alpha shows, blurred; what it hides does not bleed in.

    image: (H, W, 3) uint8; alpha: (H, W) uint8, 255 where pixels count; sigma_px: standard deviation, None for 1/40 of
    the longest side. Pixels far from all that count take the blur of the whole image. Returns (H, W, 3) uint8.
    """
    height, width = image.shape[:2]
    sigma = max(height, width) * _BLUR_SHARE if sigma_px is None else sigma_px
    factor = max(1.0, sigma / _BLUR_PX)
    size = max(1, round(width / factor)), max(1, round(height / factor))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    # A trace of the hidden pixels, so that nothing is divided by zero where only they are near.
    weight = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA).astype(np.float32) + np.float32(0.1)
    counted = cv2.GaussianBlur(np.dstack([small * weight[..., None], weight]), (0, 0), sigma / factor)
    soft = counted[..., :3] / counted[..., 3:]
    return cv2.resize(np.clip(np.rint(soft), 0, 255).astype(np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)


def without_fringe(image: np.ndarray, alpha: np.ndarray, soft_edge_px: float) -> np.ndarray:
    """(H, W, 3) uint8 with colours from inside spread over the soft edge, where the old background would shine through.

    image: (H, W, 3) uint8; alpha: (H, W) uint8, 255 inside.
    """
    inside = (alpha == 255).astype(np.uint8) * np.uint8(255)
    return mixed(image, blurred(image, inside, 2 * soft_edge_px), alpha)


def covering(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h, w, 3) uint8 scaled and cropped around its middle so that it fills `size` (height, width)."""
    factor = max(size[0] / image.shape[0], size[1] / image.shape[1])
    scaled = max(size[1], round(image.shape[1] * factor)), max(size[0], round(image.shape[0] * factor))
    image = cv2.resize(image, scaled, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
    top, left = (image.shape[0] - size[0]) // 2, (image.shape[1] - size[1]) // 2
    return np.ascontiguousarray(image[top : top + size[0], left : left + size[1]])
