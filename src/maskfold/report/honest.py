"""The honest score of a tuned run as one number with its interval."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from maskfold.artefacts.paths import RunPaths
from maskfold.config import Config
from maskfold.folds.table import read_table
from maskfold.report.oof_scores import OofScores, read_image_scores
from maskfold.rules.tuned import Interval, TunedArtefact


class HonestScore(NamedTuple):
    """The mean over classes, and its 95 % bootstrap interval; None for a pooled metric, or without the files."""

    score: float
    interval: Interval | None

    def __str__(self) -> str:
        if self.interval is None:
            return f"{self.score:.4f}"
        return f"{self.score:.4f} [{self.interval.low:.4f}, {self.interval.high:.4f}]"


def honest_score(config: Config, tuned: TunedArtefact) -> HonestScore:
    """The honest score of a run; its interval, of whole groups of images, is that of the report."""
    paths, score = RunPaths.of(config), tuned.scores.honest
    if not (paths.image_scores_csv.is_file() and paths.folds_csv.is_file()):
        return HonestScore(score, None)
    names = tuple(entry.class_name for entry in tuned.classes)
    oof = OofScores.of(read_image_scores(paths.image_scores_csv), tuned.metric, names)
    folds = read_table(paths.folds_csv, config.folds).set_index("image_id")
    own = np.array(oof.image_ids)
    groups = folds["group"].loc[oof.image_ids].to_numpy(dtype=str) if "group" in folds else own
    rng = np.random.default_rng([config.seed, len(oof.image_ids)])
    intervals = oof.intervals(groups, config.tuning.bootstrap_samples, rng)
    return HonestScore(score, intervals.get("honest"))
