"""The training loss."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from maskfold.config.section import Section

_PIXEL_LOSSES = ("bce", "focal")
MASK_LOSSES = (
    *_PIXEL_LOSSES,
    "dice",
    "log_dice",
    "tversky",
    "lovasz",
    "lovasz_symmetric",
    "dice_cross_entropy",
    "boundary",
)


# Keys that came later than the first runs: left out of the record at their defaults.
_LATER = ("boundary", "custom", "custom_weight", "deep_supervision")


class LossConfig(Section):
    """The training loss: a weighted sum of terms. Weight 0 removes a term; at least one mask loss must remain."""

    bce: float = Field(1.0, ge=0)
    """Weight of the cross-entropy: binary, of each class, or with `data.exclusive` of the softmax over the classes and
    the background. The other losses see each class's own probability, with the softmax too."""

    dice: float = Field(1.0, ge=0)
    """Weight of the Dice loss, over the batch, class by class."""

    log_dice: float = Field(0.0, ge=0)
    """Weight of the logarithm of Dice. In place of `dice` it finds more of rare classes, with more false positives."""

    focal: float = Field(0.0, ge=0)
    """Weight of the focal loss (Lin et al. 2017)."""

    tversky: float = Field(0.0, ge=0)
    """Weight of the Tversky loss: Dice with false positives and false negatives weighted differently."""

    lovasz: float = Field(0.0, ge=0)
    """Weight of the Lovász hinge loss, which follows IoU."""

    lovasz_symmetric: float = Field(0.0, ge=0)
    """Weight of the mean of the Lovász losses of the mask and of the background; also counts false positives where the
    class is absent."""

    dice_cross_entropy: float = Field(0.0, ge=0)
    """Weight of the geometric mean of Dice loss and cross-entropy."""

    boundary: float = Field(0.0, ge=0)
    """Weight of the boundary loss: errors count more the farther they lie from the border of the true mask (Kervadec et
    al. 2019). It adds to other terms; alone it learns little."""

    custom: str | None = Field(None, pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    """A loss of your own, `package.module:name`: a function of (logits, truth, labelled), or a class of such objects
    (docs/how-to/use-your-own-code.md). Set `bce` and `dice` to 0 to use it alone. null: none."""

    custom_weight: float = Field(1.0, gt=0)
    """Weight of `custom`."""

    deep_supervision: int | tuple[Annotated[float, Field(ge=0)], ...] | None = None
    """Also the loss at lower resolutions of the decoder, in training only: the number of levels, whose weights halve
    from 1/2 on, or their weights, that of half the resolution first; the full one has 1. For unet, manet and linknet.
    null: none."""

    classification: float = Field(0.3, ge=0)
    """Weight of the classification head's cross-entropy. Without effect unless `model.classification_head` is on."""

    class_weights: tuple[float, ...] | None = None
    """One weight for each class, in order; only their ratios matter. null: all classes count the same."""

    positive_weight: float | tuple[float, ...] | None = None
    """Weight of the pixels in the mask in `bce`: one number, or one for each class. Above 1: more recall. null: 1."""

    label_smoothing: float = Field(0.0, ge=0, lt=0.5)
    """Distance of the targets from 0 and 1 in `bce`, against overconfidence and wrong labels. With `data.exclusive`
    each wrong class and the background get this much, so it must be below 1 / (classes + 1)."""

    focal_gamma: float = Field(2.0, ge=0)
    """Exponent of `focal`: the larger, the less the easy pixels count."""

    focal_alpha: float | None = Field(None, gt=0, lt=1)
    """Weight of the pixels in the mask in `focal`; the background has 1 - alpha. null: both the same."""

    tversky_alpha: float = Field(0.3, gt=0, lt=1)
    """Weight of false positives in `tversky`; false negatives have 1 - alpha. Below 0.5: more recall."""

    border_weight: float = Field(0.0, ge=0)
    """Extra weight of the pixels at the border of the mask, in `bce` and `focal`. 0: none."""

    border_kernel: int = Field(5, ge=3)
    """Size of the border in pixels, odd: the mask minus its erosion with a square of this size."""

    @property
    def level_weights(self) -> tuple[float, ...]:
        """The weights of the lower resolutions, the finest first; empty without deep supervision."""
        levels = self.deep_supervision or ()
        return tuple(0.5 ** (level + 1) for level in range(levels)) if isinstance(levels, int) else levels

    def settings(self) -> dict[str, Any]:
        """What decides the loss."""
        usual = {name: type(self).model_fields[name].get_default() for name in _LATER}
        return {name: value for name, value in self.model_dump().items() if name not in usual or value != usual[name]}

    @model_validator(mode="after")
    def _usable(self) -> LossConfig:
        if self.custom is None and not any(getattr(self, name) for name in MASK_LOSSES):
            raise ValueError(f"every mask loss has weight 0; give at least one of {', '.join(MASK_LOSSES)} a weight")
        levels = self.deep_supervision
        if levels is not None and ((isinstance(levels, int) and not 1 <= levels <= 8) or levels == ()):
            raise ValueError(f"deep_supervision: expected 1 to 8 levels or a list of weights, found {levels}")
        if self.border_kernel % 2 == 0:
            raise ValueError(f"border_kernel: must be odd, found {self.border_kernel}")
        if self.border_weight and not any(getattr(self, name) for name in _PIXEL_LOSSES):
            raise ValueError(f"border_weight: needs a weight for {' or '.join(_PIXEL_LOSSES)}, and both are 0")
        return self
