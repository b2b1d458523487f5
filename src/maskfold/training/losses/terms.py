"""The terms of the training loss, each computed per class from logits.

Every term takes logits (B, C, H, W) float and truth (B, C, H, W) of the same dtype, and returns (C,): pixels and images
of a batch are pooled, classes are not, so that they can be weighted. The truth is in {0, 1}, with mixup and with soft
masks in 0..1, which all terms but the Lovász losses take. Each docstring says what an absent class costs, one without a
mask pixel in the whole batch. If half the images are empty, a rare class is usually absent.

Ignored pixels cost nothing: their logits are set to a constant, so no gradient reaches them, at which the probability
is 0, as is the truth; so sums of overlaps leave them out. What is counted or averaged over pixels takes `labelled`,
(B, C, H, W): 1 for pixels that count, 0 for ignored ones; None where all count.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

_PIXELS = (0, 2, 3)  # all axes but that of the classes


def bce(
    logits: Tensor,
    truth: Tensor,
    pixel_weights: Tensor | None = None,
    positive_weight: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Binary cross-entropy (C,), the weighted mean of pixels; an absent class costs what its false positives cost.

    pixel_weights: (B, C, H, W), see border_weights; positive_weight: (C,) or (1,), multiplies the cost of mask pixels.
    label_smoothing moves the targets to s and 1 - s, so that the least cost is above 0 (Szegedy et al. 2016,
    arXiv 1512.00567).
    """
    targets = truth * (1 - 2 * label_smoothing) + label_smoothing if label_smoothing else truth
    of_classes = None if positive_weight is None else positive_weight.view(-1, 1, 1)
    costs = F.binary_cross_entropy_with_logits(logits, targets, pos_weight=of_classes, reduction="none")
    return _pixel_mean(costs, pixel_weights)


def cross_entropy(
    logits: Tensor,
    background: Tensor,
    truth: Tensor,
    pixel_weights: Tensor | None = None,
    positive_weight: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy of the softmax over exclusive classes and background, as (C,) whose mean over classes it is.

    background: (B, 1, H, W) logits, which like `logits` are those of softmax probabilities, log(p / (1 - p)). Each
    class has what its own pixels cost, times the number of classes, and what the background's cost. What is missing
    from a sum of 1 over the classes of a pixel is the truth of the background; larger sums are scaled down to 1.
    pixel_weights: of a pixel the largest of its classes counts; positive_weight: (C,) or (1,), multiplies the cost of a
    class's pixels, not that of the background; label_smoothing: the target of each wrong class and of the background.
    """
    classes = truth.shape[1]
    shares = truth / truth.sum(1, keepdim=True).clamp_min(1)
    rest = (1 - shares.sum(1, keepdim=True)).clamp_min(0)
    if label_smoothing:
        shares, rest = (each * (1 - (classes + 1) * label_smoothing) + label_smoothing for each in (shares, rest))
    costs = -classes * shares * F.logsigmoid(logits)
    if positive_weight is not None:
        costs = costs * positive_weight.view(-1, 1, 1)
    costs = costs - rest * F.logsigmoid(background)
    weights = None if pixel_weights is None else pixel_weights.amax(1, keepdim=True).expand_as(costs)
    return _pixel_mean(costs, weights)


def focal(
    logits: Tensor,
    truth: Tensor,
    pixel_weights: Tensor | None = None,
    gamma: float = 2.0,
    alpha: float | None = None,
) -> Tensor:
    """Focal loss (C,), cross-entropy times |truth - prob| ** gamma; always defined, as bce is.

    alpha: weight of mask pixels, background has 1 - alpha. The mean is over pixels, not over mask pixels as in
    detection, so an empty batch needs no special case. Lin et al. 2017, arXiv 1708.02002, equation 5; for a truth
    between 0 and 1 the quality focal loss (Li et al. 2020, arXiv 2006.04388, equation 5). smp's FocalLoss
    takes no weights of pixels, and its gradient is NaN for gamma below 1 where a pixel is certain.
    """
    costs = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    missing = (truth - logits.sigmoid()).abs()
    costs = missing.clamp_min(1e-12) ** gamma * costs
    if alpha is not None:
        costs = costs * (1 - alpha + (2 * alpha - 1) * truth)
    return _pixel_mean(costs, pixel_weights)


def border_weights(truth: Tensor, border_weight: float, kernel: int, labelled: Tensor | None = None) -> Tensor:
    """Weights of pixels (B, C, H, W): 1 + border_weight on borders, 1 elsewhere, 0 where a pixel is ignored.

    The border is the mask minus its erosion with a square of `kernel` px, an odd number. The edge of the image is not
    a border, nor is that of an ignored area. The pixel losses divide by the sum of the weights, as PraNet's do (Fan et
    al. 2020, arXiv 2006.11392); the idea of a weight map is U-Net's (Ronneberger et al. 2015, arXiv 1505.04597).
    """
    # Eroding is dilating the background; max_pool2d pads with -inf, so what lies outside never erodes. A square is a
    # column of rows, which takes 2 * kernel comparisons a pixel in place of kernel ** 2.
    background = 1 - truth if labelled is None else labelled - truth
    near_background = F.max_pool2d(background, (kernel, 1), stride=1, padding=(kernel // 2, 0))
    near_background = F.max_pool2d(near_background, (1, kernel), stride=1, padding=(0, kernel // 2))
    return (1 if labelled is None else labelled) + border_weight * truth * near_background


def dice(logits: Tensor, truth: Tensor) -> Tensor:
    """1 - soft Dice (C,); an absent class costs 0, as in smp's DiceLoss. Milletari et al. 2016, arXiv 1606.04797.

    Soft Dice of an absent class is 0 for every prediction: a constant without a gradient that only adds noise between
    batches. False positives are left to the pixel losses, and to batches with the class.
    """
    return _of_present(1 - _overlap(logits, truth), truth)


def log_dice(logits: Tensor, truth: Tensor) -> Tensor:
    """-log(soft Dice) (C,); an absent class costs 0. Wong et al. 2018, arXiv 1809.00076, with exponent 1.

    The clamp only avoids log(0). smp clamps at 1e-7, where a class with all logits below -16 has no gradient left.
    """
    return _of_present(-_overlap(logits, truth).clamp_min(1e-30).log(), truth)


def tversky(logits: Tensor, truth: Tensor, alpha: float) -> Tensor:
    """1 - Tversky index (C,); an absent class costs 0. Salehi et al. 2017, arXiv 1706.05721.

    alpha: weight of false positives, in 0..1; false negatives have 1 - alpha. With alpha = 0.5 it is Dice.
    """
    return _of_present(1 - _overlap(logits, truth, alpha), truth)


def dice_cross_entropy(logits: Tensor, truth: Tensor, labelled: Tensor | None = None) -> Tensor:
    """sqrt(Dice loss * cross-entropy) (C,), their geometric mean; an absent class costs sqrt(cross-entropy).

    This follows the formula, as the Dice loss of an absent class is 1; with 0, as in dice, false positives would cost
    nothing in batches without the class. The small number keeps the gradient of the square root finite at 0 and is
    subtracted again, so that a perfect prediction costs 0.
    Source: github.com/Andr8R/SeverSteel, where it took Dice on Severstal from 0.59 to 0.64.
    """
    small = 1e-4
    product = (1 - _overlap(logits, truth)) * bce(logits, truth, labelled)
    return (product.clamp_min(0) + small**2).sqrt() - small


def boundary(logits: Tensor, truth: Tensor, labelled: Tensor | None = None) -> Tensor:
    """Boundary loss (C,): the mean of |prob - truth| times the distance to the true border; an absent class costs 0.

    The distance is in longer sides of the image, 0 to about 1, at both sides of the border; in an image without the
    class it is 0. Kervadec et al. 2019, arXiv 1812.07032: the same gradient as the sum of probability times signed
    distance, but 0 for a perfect prediction. A truth between 0 and 1 has its border at 0.5; where a mask meets ignored
    pixels, that is a border too.
    """
    masks = (truth >= 0.5).to(torch.uint8).cpu().numpy()
    distances = np.stack([[_border_distance(mask) for mask in image] for image in masks])
    return _pixel_mean((logits.sigmoid() - truth).abs() * torch.from_numpy(distances).to(truth), labelled)


def _border_distance(mask: np.ndarray) -> np.ndarray:
    """(H, W) float32 distances of pixels to the nearest pixel of the other kind, less half a pixel, in longer sides."""
    if not mask.any() or mask.all():
        return np.zeros(mask.shape, dtype=np.float32)
    inside, outside = (cv2.distanceTransform(each, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for each in (mask, 1 - mask))
    return np.asarray((inside + outside - 0.5) / max(mask.shape), dtype=np.float32)


def presence_bce(class_logits: Tensor, truth: Tensor, labelled: Tensor | None = None) -> Tensor:
    """Binary cross-entropy (C,) of a classification head's logits (B, C) for which classes are in an image.

    Images without any labelled pixel are left out.
    """
    costs = F.binary_cross_entropy_with_logits(class_logits, truth.amax(dim=(2, 3)), reduction="none")
    if labelled is None:
        return costs.mean(0)
    known = labelled.amax(dim=(2, 3))
    return (costs * known).sum(0) / known.sum(0).clamp_min(1)


def _overlap(logits: Tensor, truth: Tensor, alpha: float = 0.5) -> Tensor:
    """Soft Tversky index (C,) over the batch, soft Dice by default; 0 for an absent class.

    TP / (TP + alpha FP + (1 - alpha) FN), where FP = P - TP and FN = T - TP. TP sums the smaller of probability and
    truth: their product where the truth is 0 or 1, while between them the product would be largest at another
    probability than the truth (Wang et al. 2023, arXiv 2303.16296).
    """
    prob = logits.sigmoid()
    true_positives = torch.minimum(prob, truth).sum(_PIXELS)
    total = alpha * prob.sum(_PIXELS) + (1 - alpha) * truth.sum(_PIXELS)
    return true_positives / total.clamp_min(1e-7)


def _of_present(losses: Tensor, truth: Tensor) -> Tensor:
    """Losses (C,) with 0 for absent classes."""
    return torch.where(truth.sum(_PIXELS) > 0, losses, 0)


def _pixel_mean(costs: Tensor, pixel_weights: Tensor | None) -> Tensor:
    if pixel_weights is None:
        return costs.mean(_PIXELS)
    return (costs * pixel_weights).sum(_PIXELS) / pixel_weights.sum(_PIXELS).clamp_min(1e-7)  # 0 if all are ignored
