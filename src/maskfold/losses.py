"""The training loss: a weighted sum of segmentation-models-pytorch's losses on logits."""

from __future__ import annotations

import segmentation_models_pytorch as smp
import torch.nn.functional as F
from torch import Tensor, nn

from maskfold.config import LossConfig
from maskfold.models import Outputs


class SegmentationLoss(nn.Module):
    """Weighted sum of the terms a LossConfig names.

    Dice is over the batch, class by class, and leaves out classes the batch does not show (smp's multilabel mode).
    """

    def __init__(self, config: LossConfig) -> None:
        super().__init__()
        mode = smp.losses.MULTILABEL_MODE
        terms: dict[str, tuple[float, nn.Module]] = {
            "bce": (config.bce, smp.losses.SoftBCEWithLogitsLoss()),
            "dice": (config.dice, smp.losses.DiceLoss(mode)),
            "focal": (config.focal, smp.losses.FocalLoss(mode)),
            "lovasz": (config.lovasz, smp.losses.LovaszLoss(mode)),
        }
        self.weights = {name: weight for name, (weight, _) in terms.items() if weight > 0}
        self.terms = nn.ModuleDict({name: terms[name][1] for name in self.weights})
        self.classification_weight = config.classification

    def forward(self, outputs: Outputs, masks: Tensor) -> Tensor:
        """The loss of a batch, a scalar.

        masks: (B, C, H, W) in {0, 1}. The classification head, where there is one, learns which classes are present.
        """
        # Autocast leaves the logits in bf16, too coarse for sums over a whole batch.
        logits, truth = outputs.mask_logits.float(), masks.float()
        loss = sum(
            (weight * self.terms[name](logits, truth) for name, weight in self.weights.items()),
            start=logits.new_zeros(()),
        )
        if outputs.class_logits is not None:
            present = truth.amax(dim=(2, 3))
            loss = loss + self.classification_weight * F.binary_cross_entropy_with_logits(
                outputs.class_logits.float(), present
            )
        return loss
