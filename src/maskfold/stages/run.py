"""A run from Python: what the scripts do, one method a stage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from maskfold.artefacts.paths import RunPaths
from maskfold.command_line import with_recognised_data
from maskfold.config import Config, load_config
from maskfold.config.places import config_file
from maskfold.data.competition import Competition, OnBadImage
from maskfold.data.opening import open_competition
from maskfold.errors import UsageError
from maskfold.execution.cores import limit_cores
from maskfold.folds.table import read_folds
from maskfold.hub.opening import model_config
from maskfold.oof.store import OofImage, iter_oof
from maskfold.rules.tuned import TunedArtefact
from maskfold.stages.make_demo_data import make_demo_data
from maskfold.stages.make_folds import make_folds
from maskfold.stages.make_submission import make_submission
from maskfold.stages.predict_oof import predict_oof
from maskfold.stages.tracked import report_and_track, tune_and_track
from maskfold.stages.train import train_models
from maskfold.submission.usable_rules import checked_artefact


class ImageMasks(NamedTuple):
    """What a run sees in one image.

    name: the image's path, or its number where it was an array; prob: (C, H, W) uint8, q stands for q/255; masks:
    (C, H, W) uint8 in {0, 1}, by the tuned rules; class_prob: (C,) float32 in 0..1, or None without a classification
    head.
    """

    name: str
    prob: np.ndarray
    masks: np.ndarray
    class_prob: np.ndarray | None


class Run:
    """One run: a config, and the stages from its data to a submission.

    Each stage does what the script of its name does: it skips what is up to date, says what it does, and raises an
    error of `maskfold.errors` where the script would end with a message.
    """

    def __init__(
        self,
        config: str | Path,
        *overrides: str,
        on_bad_image: OnBadImage = "strict",
        accept_code_changes: bool = False,
    ) -> None:
        """Load a config.

        config: a YAML file; overrides: as with --set, `train.epochs=3`; on_bad_image: as --on-bad-image;
        accept_code_changes: as --accept-code-changes. Raises ConfigError.
        """
        loaded = load_config(config_file(Path(config)), overrides)
        limit_cores(loaded.run.cores)
        self.config: Config = with_recognised_data(loaded)
        self.paths = RunPaths.of(self.config)
        self._on_bad_image: OnBadImage = on_bad_image
        self._accept = accept_code_changes

    @classmethod
    def of_model(cls, model: str, *overrides: str) -> Run:
        """The run that a shared model becomes here, for `predict`; model: a folder, or `hf://user/repo[@revision]`.

        Raises UsageError for a model that is not there, cannot be fetched, or is not as it was shared.
        """
        return cls(model_config(model), *overrides)

    @cached_property
    def competition(self) -> Competition:
        """The data: tables of training and test images, and the masks of each training image. Raises DataError."""
        return open_competition(self.config.data, self.config.in_channels, self._on_bad_image)

    def make_demo_data(self) -> None:
        """Draw the data of a config with a demo section; others have their own."""
        make_demo_data(self.config, self._accept)
        self.__dict__.pop("competition", None)  # it may have been opened before

    def make_folds(self) -> pd.DataFrame:
        """The folds: image_id, fold, stratum, and group where there are groups."""
        make_folds(self.config, self.competition, self._accept)
        return read_folds(self.config, self.competition)

    def train(self, folds: Sequence[int] | None = None) -> list[Path]:
        """Train every fold, or some; returns the files of the weights that are there."""
        train_models(self.config, self.competition, folds, self._accept)
        files = [RunPaths.of(run).model(number) for run in self.config.experiments for number in range(run.models)]
        return [file for file in files if file.is_file()]

    def predict_oof(self) -> None:
        """Predict every training image by models that have not seen it; `oof` reads the result."""
        predict_oof(self.config, self.competition, self._accept)

    def oof(self) -> Iterator[OofImage]:
        """The out-of-fold probabilities, image by image: image_id, fold, prob (C, H, W) uint8, class_prob."""
        for fold in range(self.config.folds.count):
            yield from iter_oof(self.paths.oof_parquet(fold))

    def tune(self) -> TunedArtefact:
        """Tune the rule of every class; the result holds the rules and their scores, the honest ones too."""
        return tune_and_track(self.config, self.competition, self._accept)

    def submit(self) -> Path:
        """Predict the test images and write the submission; returns its path. Raises UsageError without test images."""
        if self.competition.test.empty:
            raise UsageError(f"{self.config.name} has no test images (data.test_images)")
        make_submission(self.config, self.competition, self._accept)
        return self.paths.submission(self.config.submission.layout)

    def report(self) -> Path:
        """Write the report; returns its page."""
        report_and_track(self.config, self.competition, self._accept)
        return self.paths.report / "index.html"

    def all_stages(self) -> TunedArtefact:
        """From the data to the report; returns the tuned rules and their scores."""
        self.make_demo_data()
        self.make_folds()
        self.train()
        self.predict_oof()
        tuned = self.tune()
        if not self.competition.test.empty:
            self.submit()
        self.report()
        return tuned

    def predict(self, images: Iterable[str | Path | np.ndarray]) -> Iterator[ImageMasks]:
        """What the trained and tuned run sees in images, in their order; memory does not grow with their number.

        images: paths, or arrays (H, W, channels) uint8, RGB where the network takes colours; of a network that sees
        neighbours the channels of all images, one after the other. Raises StaleError without
        trained models and tuned rules, DataError for an image that cannot be read.
        """
        # torch takes seconds to import, and the other stages may have nothing to do.
        from maskfold.media.neighbours import PhotoReader
        from maskfold.media.photos import array_picture
        from maskfold.media.pipeline import predicted
        from maskfold.media.predictor import Predictor
        from maskfold.media.request import Request

        predictor = Predictor(self.config, checked_artefact(self.config), Request(()))

        channels, reader = predictor.channels, PhotoReader(self.config, predictor.channels)
        stacked = channels * (1 if predictor.neighbours is None else predictor.neighbours.images)
        pictures = (
            array_picture(str(number), image, stacked) if isinstance(image, np.ndarray) else reader(Path(image))
            for number, image in enumerate(images)
        )
        for one, prediction in predicted(pictures, predictor):
            yield ImageMasks(one.name, prediction.prob, predictor.masks(prediction), prediction.class_prob)
