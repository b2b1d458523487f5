"""Resizing, padding and cropping of images and their masks."""

from __future__ import annotations

import cv2
import numpy as np

from maskfold.config import Resize
from maskfold.pixels.exclusive import decided_maps


def network_size(height: int, width: int, resize: Resize | None) -> tuple[int, int]:
    """(height, width) in px an image is resized to before padding."""
    if resize is None:
        return height, width
    if resize.size is not None:
        return resize.size
    factor = resize.scale if resize.scale is not None else (resize.longest_side or 0) / max(height, width)
    return max(1, round(height * factor)), max(1, round(width * factor))


def padded_size(height: int, width: int, stride: int) -> tuple[int, int]:
    """(height, width) in px rounded up to multiples of `stride`."""
    return -(-height // stride) * stride, -(-width // stride) * stride


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W, channels) uint8 resized to `size` (height, width); averaging when shrinking."""
    if image.shape[:2] == size:
        return image
    shrinks = size[0] * size[1] < image.shape[0] * image.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    parts = [image[:, :, first : first + 4] for first in range(0, image.shape[2], 4)]  # cv2 takes at most 4 channels
    resized = [cv2.resize(part, size[::-1], interpolation=interpolation).reshape(*size, -1) for part in parts]
    return resized[0] if len(resized) == 1 else np.concatenate(resized, axis=2)


def resize_masks(masks: np.ndarray, size: tuple[int, int], exclusive: bool = False) -> np.ndarray:
    """(C, H, W) uint8 in {0, 1} resized to `size`: a pixel is on if at least half of its area was on.

    exclusive: a pixel is of the class with the largest share of its area, or of none where more of it was of none.
    """
    if masks.shape[1:] == size:
        return masks
    shares = _area_shares(masks, size)
    return ((decided_maps(shares) if exclusive else shares) >= 128).astype(np.uint8)


def _area_shares(planes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(K, h, w) uint8: how much of each pixel's area is on, in 1/255."""
    return np.stack([cv2.resize(plane * np.uint8(255), size[::-1], interpolation=cv2.INTER_AREA) for plane in planes])


def resize_labels(
    masks: np.ndarray, ignored: np.ndarray | None, size: tuple[int, int], exclusive: bool = False
) -> np.ndarray:
    """Masks resized to `size`, and with `ignored` one plane more, the last: (C + 1, h, w) uint8 in {0, 1}.

    masks: (C, H, W) uint8 in {0, 1}, 0 where `ignored`, (H, W) uint8 in {0, 1}, is 1. A pixel is ignored if at least
    half of its area was; else it is on if at least half of its labelled area was. exclusive: as in `resize_masks`.
    """
    if ignored is None:
        return resize_masks(masks, size, exclusive)
    planes = np.concatenate([masks, ignored[None]])
    if planes.shape[1:] == size:
        return planes
    shares = _area_shares(planes, size)
    out, labelled = shares[-1] >= 128, 255 - shares[-1].astype(np.int16)
    if exclusive:
        on = (decided_maps(shares[:-1], labelled) >= 128) & ~out
    else:
        on = (2 * shares[:-1].astype(np.int16) >= labelled) & ~out
    return np.concatenate([on, out[None]]).astype(np.uint8)


def resize_soft(soft: np.ndarray, ignored: np.ndarray | None, size: tuple[int, int]) -> np.ndarray:
    """Soft masks resized to `size`, and with `ignored` one plane more, the last: (C + 1, h, w) uint8, 0 to 255.

    soft: (C, H, W) uint8, q stands for q/255, 0 where `ignored`, (H, W) uint8 in {0, 1}, is 1. Each pixel has the mean
    of its area, of what is labelled of it, and is ignored (255, else 0) if at least half of its area was.
    """
    planes = soft if ignored is None else np.concatenate([soft, 255 * ignored[None]])
    if planes.shape[1:] == size:
        return planes
    shares = np.stack([cv2.resize(plane, size[::-1], interpolation=cv2.INTER_AREA) for plane in planes])
    if ignored is None:
        return shares
    out, labelled = shares[-1] >= 128, np.maximum(255 - shares[-1].astype(np.float32), 1)
    means = np.where(out, 0, np.minimum(np.rint(np.float32(255) * shares[:-1] / labelled), 255))
    return np.concatenate([means, 255 * out[None]]).astype(np.uint8)


def pad_to(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W, K) padded at the bottom and right to at least `size` (height, width), mirrored at the edges."""
    bottom, right = max(0, size[0] - array.shape[0]), max(0, size[1] - array.shape[1])
    if bottom == 0 and right == 0:
        return array
    return np.pad(array, ((0, bottom), (0, right), (0, 0)), mode="symmetric")


def upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W, …) stored pixels turned and mirrored as an EXIF orientation of 1 to 8 asks for."""
    if orientation == 1:
        return image
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)


def crop_corner(
    shape: tuple[int, ...], size: tuple[int, int], shown: np.ndarray | None, rng: np.random.Generator
) -> tuple[int, int]:
    """(top, left) in px of a crop of `size` from an image of `shape` (height, width).

    shown: (H, W) bool or uint8 with at least one pixel above zero, one of which will be in the crop; None: anywhere.
    """
    room = max(0, shape[0] - size[0]), max(0, shape[1] - size[1])
    if shown is None:
        return int(rng.integers(room[0] + 1)), int(rng.integers(room[1] + 1))
    pixels = np.flatnonzero(shown)
    row, column = divmod(int(pixels[rng.integers(len(pixels))]), shape[1])
    top = int(rng.integers(max(0, row - size[0] + 1), min(row, room[0]) + 1))
    left = int(rng.integers(max(0, column - size[1] + 1), min(column, room[1]) + 1))
    return top, left


def without(mask: np.ndarray, ignored: np.ndarray | None) -> np.ndarray:
    """A mask, (H, W) or (C, H, W) of zeros and ones, with 0 where (H, W) `ignored` is not 0; as it is for None."""
    return mask if ignored is None else np.asarray(mask * (ignored == 0), dtype=mask.dtype)
