"""The label quality score of cleanlab's segmentation module, from counts of 8-bit probabilities."""

from __future__ import annotations

import cv2
import numpy as np

from maskfold.pixels.geometry import without

TEMPERATURE = 0.1  # cleanlab's default


def label_quality(prob: np.ndarray, truth: np.ndarray, ignored: np.ndarray | None = None) -> float:
    """How likely the label is right, 0 to 1, by its worst pixels: the soft minimum over all pixels.

    prob: (H, W) uint8, q stands for q/255; truth: (H, W) uint8 in {0, 1}; ignored: (H, W) uint8, the pixels that are
    left out where it is not 0; at least one must remain. With s the probability of the given label at
    a pixel, the score is the mean of s weighted by exp((1 - s) / 0.1). A pixel has one of 512 values, so they are
    counted first: the same number as cleanlab's get_label_quality_scores, without a float array the size of the image.
    Source: Lad and Mueller, Estimating label quality and errors in semantic segmentation data via any model, 2023.
    """
    labelled = None if ignored is None else (ignored == 0).astype(np.uint8)
    everywhere, on = _counts(prob, labelled), _counts(prob, without(truth, ignored))
    agreement = np.arange(256) / 255
    counts = np.concatenate([everywhere - on, on])
    agreement = np.concatenate([1 - agreement, agreement])
    weights = counts * np.exp((1 - agreement) / TEMPERATURE)
    return float((weights * agreement).sum() / weights.sum())


def _counts(prob: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """(256,) float64: how many pixels have each value, where the mask is on."""
    return cv2.calcHist([prob], [0], mask, [256], [0, 256]).ravel().astype(np.float64)
