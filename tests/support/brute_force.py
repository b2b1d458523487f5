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


def brute_areas(prob, truth, threshold, min_area_px, connectivity=8):
    """(intersection, predicted area, true area) in px."""
    mask = brute_mask(prob, threshold, min_area_px, connectivity)
    return int((mask & truth).sum()), int(mask.sum()), int(truth.sum())


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
