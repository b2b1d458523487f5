"""Objects: the connected components of a mask, numbered, and the run lengths of each."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

from maskfold.pixels.rle import Order, runs_text


def numbered_objects(mask: np.ndarray, order: Order = "column") -> np.ndarray:
    """The 8-connected components of a mask, numbered from 1 by their first pixel in an order of the pixels.

    mask: (H, W) uint8 in {0, 1}; order: as that of run lengths. Returns (H, W) int32, 0 where the mask is off.
    """
    count, labels = cv2.connectedComponents(np.ascontiguousarray(mask), connectivity=8)
    flat = _in_order(labels, order)
    found, first = np.unique(flat[flat > 0], return_index=True)
    number = np.zeros(count, dtype=np.int32)
    number[found[np.argsort(first)]] = np.arange(1, len(found) + 1)
    return np.asarray(number[labels])


def object_runs(objects: np.ndarray, order: Order = "column") -> list[str]:
    """The run lengths of each object, one-based, sorted, never touching.

    objects: (H, W) int32, the number of the object that a pixel belongs to, from 1 without gaps; 0: of none. Returns
    the text of object 1, 2, …
    """
    flat = _in_order(objects, order)
    starts = np.r_[0, np.flatnonzero(flat[1:] != flat[:-1]) + 1]
    lengths = np.diff(np.r_[starts, flat.size])
    owners = flat[starts]
    runs = np.stack([starts + 1, lengths], axis=1)
    by_owner = np.argsort(owners, kind="stable")
    ends = np.searchsorted(owners[by_owner], np.arange(1, objects.max(initial=0) + 2))
    return [runs_text(runs[by_owner[begin:end]]) for begin, end in pairwise(ends)]


def _in_order(values: np.ndarray, order: Order) -> np.ndarray:
    """The pixels of (H, W) values one after the other, as run lengths count them."""
    return values.ravel(order="F" if order == "column" else "C")


def means_of_objects(values: np.ndarray, objects: np.ndarray) -> list[float]:
    """The mean of a map over each object; values: (H, W), in any unit; objects: as `numbered_objects` gives them."""
    flat = objects.ravel()
    sums = np.bincount(flat, weights=values.ravel())
    return [float(mean) for mean in (sums / np.maximum(np.bincount(flat), 1))[1:]]
