"""One setting at a time, as everyone does it: the reference the exact tables are held against."""

from __future__ import annotations

import cv2
import numpy as np


def brute_mask(prob, threshold, min_area_px, connectivity=8):
    """Threshold, then drop small components with OpenCV."""
    mask = (prob >= threshold).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=connectivity)
    keep = stats[:, cv2.CC_STAT_AREA] >= min_area_px
    keep[0] = False
    return keep[labels].astype(np.uint8)


def brute_areas(prob, truth, threshold, min_area_px, connectivity=8, ignored=None):
    """(intersection, predicted area, true area) in px; `ignored` pixels count for the minimum area alone."""
    mask = brute_mask(prob, threshold, min_area_px, connectivity)
    if ignored is not None:
        mask[ignored > 0] = 0
    return int((mask & truth).sum()), int(mask.sum()), int(truth.sum())


def regions(on, connectivity):
    """The connected regions of a mask, each a list of (row, column), in row-major order of their first pixels."""
    steps = [(-1, 0), (0, -1), (0, 1), (1, 0)]
    steps += [(-1, -1), (-1, 1), (1, -1), (1, 1)] if connectivity == 8 else []
    left = dict.fromkeys(zip(*(places.tolist() for places in np.nonzero(on)), strict=True))
    found = []
    while left:
        region = waiting = [next(iter(left))]
        del left[region[0]]
        for row, column in waiting:
            near = [(row + down, column + right) for down, right in steps]
            waiting += [place for place in near if place in left and left.pop(place) is None]
        found.append(region)
    return found


def brute_finish(mask, connectivity, largest_k, fill_holes):
    """Keep the k largest regions, of equal ones the first; then fill what background they enclose."""
    kept = sorted(regions(mask, connectivity), key=len, reverse=True)[:largest_k]
    mask = np.zeros_like(mask)
    for region in kept:
        mask[tuple(zip(*region, strict=True))] = 1
    last_row, last_column = mask.shape[0] - 1, mask.shape[1] - 1
    for region in regions(1 - mask, 12 - connectivity) if fill_holes else []:
        if all(0 < row < last_row and 0 < column < last_column for row, column in region):
            mask[tuple(zip(*region, strict=True))] = 1
    return mask


def random_map(kind, rng, height, width):
    """A probability map (H, W) uint8 of one kind."""
    if kind == "blank":
        return np.zeros((height, width), np.uint8)
    if kind == "full":
        return np.full((height, width), rng.integers(1, 256), np.uint8)
    if kind == "one pixel":
        prob = np.zeros((height, width), np.uint8)
        prob[rng.integers(height), rng.integers(width)] = rng.integers(1, 256)
        return prob
    if kind == "noise":
        return rng.integers(0, 256, (height, width), dtype=np.uint8)
    if kind == "few levels":
        return rng.choice(np.array([0, 0, 3, 128, 255], np.uint8), (height, width))
    if kind == "checkerboard":
        board = np.indices((height, width)).sum(axis=0) % 2
        return np.where(board, rng.integers(1, 256, (height, width)), rng.integers(0, 9, (height, width))).astype(
            np.uint8
        )
    blobs = cv2.GaussianBlur(rng.standard_normal((height, width)), (0, 0), 2.5)
    return np.clip(blobs / (blobs.std() + 1e-9) * 90 + 20, 0, 255).astype(np.uint8)


KINDS = ("blank", "full", "one pixel", "noise", "few levels", "checkerboard", "blobs")
