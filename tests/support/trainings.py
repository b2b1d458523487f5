"""A config and folds for trainings of a few seconds on the tiny competition."""

import numpy as np
import pandas as pd

from maskfold.artefacts.provenance import Provenance
from maskfold.config import Experiment, FoldsConfig, ModelConfig, RefitConfig, RleCsvData, TrainConfig

MADE_FROM = Provenance("train", {}, {}, "c0de")


def config_of(root, name="x", refit: RefitConfig | None = None, **train):
    return Experiment(
        name=name,
        output_root=str(root),
        data=RleCsvData(root="x", class_names=("bright", "dark")),
        folds=FoldsConfig(count=2),
        model=ModelConfig(
            encoder="tu-mobilenetv3_small_050",
            encoder_weights=None,
            decoder_channels=(32, 24, 16, 8, 8),
            encoder_depth=5,
        ),
        train=TrainConfig(**{"batch_size": 2, "crop_size": (32, 64), "workers": 0, "accelerator": "cpu", **train}),
        refit=refit,
    )


def halves(competition):
    """The first half of the images is fold 0, the other fold 1."""
    ids = competition.train["image_id"]
    return pd.DataFrame({"image_id": ids, "fold": np.arange(len(ids)) * 2 // len(ids)})
