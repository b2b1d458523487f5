"""The honest score of a run with its interval, from its files."""

from __future__ import annotations

import numpy as np
import pandas as pd

from maskfold.artefacts.paths import RunPaths
from maskfold.report.honest import HonestScore, honest_score
from maskfold.report.oof_scores import OofScores
from maskfold.rules.tuned import Interval, RuleScores, TunedArtefact, TunedClass
from support.finished_run import tiny_config


def tuned_of(metric="dice"):
    scores = RuleScores(all_empty=0, default=0, tuned=0, honest=0.75)
    classes = tuple(TunedClass.model_construct(class_name=name) for name in ("a", "b"))
    return TunedArtefact.model_construct(metric=metric, scores=scores, classes=classes)


def written(folder, grouped):
    """A config with the scores of 40 images, of which four at a time are a group."""
    config = tiny_config(folder)
    paths, rng = RunPaths.of(config), np.random.default_rng(0)
    ids = [f"i{number}" for number in range(40)]
    good = np.repeat(rng.random(10), 4)  # images of a group are alike
    rows = [
        pd.DataFrame(
            {"image_id": ids, "class_name": name, "fold": np.arange(40) % 2, "true_area": 5, "default_area": 5}
            | {"default_score": 0.5, "adopted_area": 5, "adopted_score": good, "honest_score": good}
        )
        for name in ("a", "b")
    ]
    for path in (paths.image_scores_csv, paths.folds_csv):
        path.parent.mkdir(parents=True)
    pd.concat(rows).to_csv(paths.image_scores_csv, index=False)
    folds = pd.DataFrame({"image_id": ids[::-1], "fold": 0})
    if grouped:
        folds["group"] = [f"g{number // 4}" for number in range(39, -1, -1)]
    folds.to_csv(paths.folds_csv, index=False)
    return config, pd.concat(rows, ignore_index=True)


def test_the_interval_is_that_of_whole_groups(tmp_path):
    config, table = written(tmp_path / "grouped", grouped=True)
    oof = OofScores.of(table, "dice", ("a", "b"))
    groups = np.array([f"g{number // 4}" for number in range(40)])
    expected = oof.intervals(groups, config.tuning.bootstrap_samples, np.random.default_rng([config.seed, 40]))
    found = honest_score(config, tuned_of())
    assert found == HonestScore(0.75, expected["honest"])
    alone = honest_score(written(tmp_path / "alone", grouped=False)[0], tuned_of())
    width, narrow = (each.interval.high - each.interval.low for each in (found, alone))
    assert width > 1.5 * narrow, "four alike images are worth about one"


def test_without_files_or_with_a_pooled_metric_there_is_no_interval(tmp_path):
    config, _ = written(tmp_path, grouped=False)
    assert honest_score(config, tuned_of("pooled_dice")).interval is None
    RunPaths.of(config).folds_csv.unlink()
    assert honest_score(config, tuned_of()) == HonestScore(0.75, None)


def test_in_words():
    assert str(HonestScore(0.75, None)) == "0.7500"
    assert str(HonestScore(0.75, Interval(low=0.7, high=0.8))) == "0.7500 [0.7000, 0.8000]"
