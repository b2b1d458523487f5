"""Metrics of outlines: surface Dice with a tolerance, the Hausdorff distance at 95 %, boundary IoU.

The outline of a mask are its pixels with one of four neighbours outside of it; beyond the image all is outside.
Distances are Euclidean, between the centres of pixels, in px (OpenCV's exact distance transform).
"""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np

from maskfold.rules.applying import active_window

_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


def outline(mask: np.ndarray) -> np.ndarray:
    """(H, W) bool: the outline of a mask, (H, W) uint8 in {0, 1}.

    Source: MONAI's `get_mask_edges`, the mask without its erosion.
    """
    return np.asarray((mask != 0) & (_eroded(mask, _CROSS, 1) == 0))


def band(mask: np.ndarray, width_px: int) -> np.ndarray:
    """(H, W) bool: the pixels of a mask that are at most `width_px` from its outside, in steps to eight neighbours.

    Source: Cheng et al. 2021, "Boundary IoU" (https://github.com/bowenc0221/boundary-iou-api, `mask_to_boundary`).
    """
    return np.asarray((mask != 0) & (_eroded(mask, np.ones((3, 3), np.uint8), width_px) == 0))


def _eroded(mask: np.ndarray, kernel: np.ndarray, times: int) -> np.ndarray:
    return cv2.erode(mask, kernel, iterations=times, borderType=cv2.BORDER_CONSTANT, borderValue=0)


def _distance(edges: np.ndarray) -> np.ndarray:
    """(H, W) float32: how far each pixel is from the nearest of `edges`, (H, W) bool with one at least."""
    return cv2.distanceTransform((~edges).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)


class OutlineDistances:
    """The distances between the outline of a true mask and those of predicted ones."""

    def __init__(self, truth: np.ndarray) -> None:
        """truth: (H, W) uint8 in {0, 1}."""
        self.truth = truth
        self.diagonal_px = float(np.hypot(*truth.shape))

    @cached_property
    def _edges(self) -> np.ndarray:
        return outline(self.truth)

    @cached_property
    def _from_truth(self) -> np.ndarray:
        return _distance(self._edges)

    def between(self, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Of each pixel of the predicted outline its distance to the true one, and the other way round, in px.

        None where a mask is empty.
        """
        window = active_window(predicted | self.truth, 1)
        if window is None or not predicted.any() or not self.truth.any():
            return None
        edges = outline(np.ascontiguousarray(predicted[window]))  # pixels beyond the window are on in neither mask
        return self._from_truth[window][edges], _distance(edges)[self._edges[window]]


class SurfaceDice(OutlineDistances):
    """The share of the pixels of both outlines that lie within the tolerance of the other one, 0..1.

    1 where both masks are empty, 0 where one is. Source: Nikolov et al. 2018, "Deep learning to achieve clinically
    applicable segmentation of head and neck anatomy", with pixels of the outline counted as MONAI's `SurfaceDiceMetric`
    does (Seidlitz et al. 2022).
    """

    def __init__(self, truth: np.ndarray, tolerance_px: float) -> None:
        """truth: (H, W) uint8 in {0, 1}; tolerance_px: of at least 0."""
        super().__init__(truth)
        self.tolerance_px = tolerance_px

    def __call__(self, predicted: np.ndarray) -> float:
        """The score of one predicted mask, (H, W) uint8 in {0, 1}."""
        found = self.between(predicted)
        if found is None:
            return float(predicted.any() == self.truth.any())
        near = sum(np.count_nonzero(distances <= self.tolerance_px) for distances in found)
        return near / sum(map(len, found))


class NegativeHausdorff95(OutlineDistances):
    """Minus the 95th percentile of the distances between the outlines, the larger of both directions, in px.

    0 where both masks are empty, minus the image's diagonal where one is. Source: Huttenlocher et al. 1993, "Comparing
    images using the Hausdorff distance"; percentiles as MONAI's `HausdorffDistanceMetric` takes them.
    """

    def __call__(self, predicted: np.ndarray) -> float:
        """The score of one predicted mask, (H, W) uint8 in {0, 1}."""
        found = self.between(predicted)
        if found is None:
            return 0.0 if predicted.any() == self.truth.any() else -self.diagonal_px
        return -max(float(np.percentile(distances, 95)) for distances in found)


class BoundaryIou:
    """The IoU of the bands along both outlines, 0..1; 1 where both masks are empty, 0 where one is.

    Source: Cheng et al. 2021, "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation".
    """

    def __init__(self, truth: np.ndarray, width: float) -> None:
        """truth: (H, W) uint8 in {0, 1}; width: of the band, as a share of the image's diagonal; at least 1 px."""
        self.width_px = max(1, round(width * float(np.hypot(*truth.shape))))
        self.truth = band(truth, self.width_px)

    def __call__(self, predicted: np.ndarray) -> float:
        """The score of one predicted mask, (H, W) uint8 in {0, 1}."""
        found = band(predicted, self.width_px)
        union = np.count_nonzero(found | self.truth)
        return np.count_nonzero(found & self.truth) / union if union else 1.0
