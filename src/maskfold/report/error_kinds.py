"""Kinds of wrong pixels: missed, false alarm, of another class, or at an edge that is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd

KINDS = ("missed", "false_alarm", "wrong_class", "edge")


@dataclass(frozen=True)
class ErrorCounts:
    """Wrong pixels of some images, class by class.

    pixels: (C, 4) int64 of each of KINDS; images: (C, 4) int64 images with such pixels; mostly: (C, 4) int64 images
    in which they are the most frequent kind, so that its rows add up to the images with a wrong pixel.
    """

    pixels: np.ndarray
    images: np.ndarray
    mostly: np.ndarray

    def __add__(self, other: ErrorCounts) -> ErrorCounts:
        return ErrorCounts(*(getattr(self, name) + getattr(other, name) for name in vars(self)))


def error_pixels(truth: np.ndarray, predicted: np.ndarray, edge_px: int) -> np.ndarray:
    """How many wrong pixels of each of KINDS an image has: (C, 4) int64; a row adds up to the class's wrong pixels.

    wrong_class: pixels that miss one class and have another in its place, counted for both. Of the rest, edge: pixels
    within `edge_px` (Euclidean, 0: none) of the border of a true object of which some pixel is predicted. Of the rest,
    missed: true ones; false_alarm: predicted ones. Objects are 8-connected; the image's own border is none.
    truth, predicted: (C, H, W) uint8 in {0, 1}, 0 where pixels are ignored.
    """
    counts = np.zeros((len(truth), len(KINDS)), dtype=np.int64)
    classes = [index for index in range(len(truth)) if not np.array_equal(truth[index], predicted[index])]
    if not classes:
        return counts
    wrong = np.stack([truth[classes] > predicted[classes], predicted[classes] > truth[classes]])
    swapped = wrong.any(axis=1).all(axis=0)
    for place, index in enumerate(classes):
        rest = wrong[:, place]
        counts[index, 2] = np.count_nonzero(rest & swapped)
        rest &= ~swapped
        at_edge = _edge(truth[index], predicted[index], edge_px)
        if at_edge is not None:
            window, near = at_edge
            counts[index, 3] = np.count_nonzero(rest[:, *window] & near)
            rest[:, *window] &= ~near
        counts[index, :2] = np.count_nonzero(rest, axis=(1, 2))
    return counts


def _edge(truth: np.ndarray, predicted: np.ndarray, edge_px: int) -> tuple[tuple[slice, slice], np.ndarray] | None:
    """A window and in it, (h, w) bool, the pixels at the edge of a true object that is found; None without any."""
    rows, columns = np.flatnonzero(truth.any(axis=1)), np.flatnonzero(truth.any(axis=0))
    if not len(rows) or edge_px == 0:
        return None
    room = edge_px + 1
    window = (
        slice(max(0, rows[0] - room), rows[-1] + room + 1),
        slice(max(0, columns[0] - room), columns[-1] + room + 1),
    )
    count, labels = cv2.connectedComponents(np.ascontiguousarray(truth[window]), connectivity=8)
    is_found = np.zeros(count, dtype=np.uint8)
    is_found[labels[predicted[window] > 0]] = 1
    is_found[0] = 0  # the background
    if not is_found.any():
        return None
    found = is_found[labels]
    if found.all():
        return None  # no border inside the image
    # Of a pixel, one of the two is 0: its distance to the other side of the border is what is left.
    far = sum(cv2.distanceTransform(side, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for side in (found, 1 - found))
    return window, far <= edge_px


def image_counts(pixels: np.ndarray) -> ErrorCounts:
    """The counts of one image, from its `error_pixels`; of kinds that are equally frequent the first one counts."""
    mostly = np.zeros_like(pixels)
    wrong = np.flatnonzero(pixels.any(axis=1))
    mostly[wrong, pixels[wrong].argmax(axis=1)] = 1
    return ErrorCounts(pixels, (pixels > 0).astype(np.int64), mostly)


def no_errors(classes: int) -> ErrorCounts:
    """The counts of no image."""
    return ErrorCounts(*(np.zeros((classes, len(KINDS)), dtype=np.int64) for _ in range(3)))


def error_rows(counts: ErrorCounts, class_names: Sequence[str]) -> list[dict[str, object]]:
    """One row a class: name, wrong (pixels), images (with a wrong pixel), kinds.

    kinds: for each of KINDS kind, pixels, share (of the wrong pixels), images, image_share (of the images with a wrong
    pixel: where it is the most frequent kind); shares are 0 where nothing is wrong.
    """
    return [
        {
            "name": name,
            "wrong": int(pixels.sum()),
            "images": int(mostly.sum()),
            "kinds": [
                {
                    "kind": kind,
                    "pixels": int(pixels[place]),
                    "share": float(pixels[place] / max(1, pixels.sum())),
                    "images": int(images[place]),
                    "image_share": float(mostly[place] / max(1, mostly.sum())),
                }
                for place, kind in enumerate(KINDS)
            ],
        }
        for name, pixels, images, mostly in zip(class_names, counts.pixels, counts.images, counts.mostly, strict=True)
    ]


def error_table(counts: ErrorCounts, class_names: Sequence[str]) -> pd.DataFrame:
    """errors.csv: a row a class and kind, with pixels, images and mostly as in `ErrorCounts`."""
    index = pd.MultiIndex.from_product([class_names, KINDS], names=["class", "kind"])
    columns = {name: values.ravel() for name, values in vars(counts).items()}
    return pd.DataFrame(columns, index)
