"""Models trained on all labelled images, once the folds have given the rules."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from maskfold.config.section import Section


class RefitConfig(Section):
    """Models trained on all labelled images (docs/how-to/train-better.md). They predict the test images instead of
    the fold models, with the rules that were tuned on the out-of-fold predictions of the fold models."""

    models: int = Field(1, ge=1, le=50)
    """How many, each with its own random numbers; their predictions are averaged."""

    start: Literal["encoder", "fold0"] = "encoder"
    """Where its training starts: from the weights of the encoder, as the folds do, or from the trained weights of fold
    0, which saves time."""

    epochs: int | None = Field(None, ge=1)
    """Epochs of each. null: `train.epochs`."""

    minutes: float | None = Field(None, gt=0)
    """Longest training of each, as `train.minutes`. null: `train.minutes`."""
