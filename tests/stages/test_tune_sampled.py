"""Tuning by metrics of whole masks, from OOF files to the report."""

import importlib
import json
import sys

import numpy as np
import optuna
import pandas as pd
import pytest

import maskfold.stages.tune_sampled as stage
from maskfold.artefacts.own_code import source_hash
from maskfold.artefacts.paths import RunPaths
from maskfold.config import TuningConfig
from maskfold.mask_metrics.metric import mask_metric
from maskfold.oof.with_truth import iter_with_truth
from maskfold.report.oof_scores import OofScores, read_image_scores
from maskfold.rules.applying import apply_rule
from maskfold.rules.rules import DEFAULT_RULE, EMPTY_RULE
from maskfold.rules.tuned import TunedArtefact
from maskfold.stages.make_report import make_report
from maskfold.stages.tune_thresholds import tune
from maskfold.tuning.study import sqlite_url
from support.synthetic_run import write_run


def tuning(metric, **more):
    """Few kinds of settings, because each trial is written to the study."""
    few = {"rule": "component", "gates": False, "finishing": False, "trials": 2, "bootstrap_samples": 100}
    return TuningConfig(**few | {"metric": metric, **more})


def by_hand(config, competition, rule_of):
    """(classes,) the class score of the rules of a fold, rule_of(class, fold), from the OOF files."""
    metric, pairs = mask_metric(config.tuning), []
    for fold in range(config.folds.count):
        for image in iter_with_truth(RunPaths.of(config).oof_parquet(fold), fold, competition):
            present = image.oof.class_prob
            rules = [rule_of(index, fold) for index in range(2)]
            masks = [apply_rule(image.oof.prob[k], rule, float(present[k])) for k, rule in enumerate(rules)]
            pairs.append([metric.row(mask, truth)[3:] for mask, truth in zip(masks, image.truth, strict=True)])
    sums = np.array(pairs).sum(axis=0)
    return sums[:, 0] / sums[:, 1]


@pytest.fixture(scope="module", params=["negative_hausdorff95", "panoptic_quality"])
def run(request, tmp_path_factory):
    root = tmp_path_factory.mktemp(request.param)
    return write_run(root, images=16, evil=(), tuning=tuning(request.param))


def test_scores_are_those_of_the_rules(run):
    config, competition = run
    artefact = TunedArtefact.read(RunPaths.of(config).postprocess_json)
    for kind, rule_of in {
        "default": lambda index, _: DEFAULT_RULE,
        "all_empty": lambda index, _: EMPTY_RULE,
        "tuned": lambda index, _: artefact.classes[index].tuned_rule,
    }.items():
        found = [getattr(entry.scores, kind) for entry in artefact.classes]
        assert found == pytest.approx(by_hand(config, competition, rule_of))
    for entry in artefact.classes:
        assert entry.scores.tuned >= max(entry.scores.default, entry.scores.all_empty)
        assert entry.scores.tuned > entry.scores.all_empty


def test_the_csv_holds_what_the_class_scores_follow_from(run):
    config, competition = run
    paths = RunPaths.of(config)
    artefact = TunedArtefact.read(paths.postprocess_json)
    oof = OofScores.of(read_image_scores(paths.image_scores_csv), artefact.metric, competition.class_names)
    for kind, scores in (("all_empty", "all_empty"), ("default", "default")):
        assert oof.class_scores(kind) == pytest.approx([getattr(e.scores, scores) for e in artefact.classes])
    assert oof.class_scores("honest") == pytest.approx([entry.honest_used for entry in artefact.classes])
    ranges = oof.intervals(np.arange(16), 100, np.random.default_rng(0))
    means = {kind: oof.class_scores(kind).mean() for kind in oof.kinds}
    assert all(interval.low <= means[kind] <= interval.high for kind, interval in ranges.items())


def test_it_says_that_it_samples_and_skips_when_fresh(run, capsys):
    config, competition = run
    before = RunPaths.of(config).postprocess_json.read_bytes()
    tune(config, competition)
    told = capsys.readouterr().out
    assert "up to date, skipped" in told and "rules were searched on sampled settings, not exactly" in told
    assert RunPaths.of(config).postprocess_json.read_bytes() == before


def test_the_report_shows_the_metric(run):
    config, competition = run
    make_report(config, competition)
    page = (RunPaths.of(config).report / "index.html").read_text(encoding="utf-8")
    assert f"The score is {config.tuning.metric} on out-of-fold predictions" in page


def test_a_killed_search_continues_and_ends_the_same(tmp_path, monkeypatch, capsys):
    config, competition = write_run(tmp_path, images=8, evil=(), tuning=tuning("boundary_iou"))
    paths = RunPaths.of(config)
    told = capsys.readouterr().out
    assert (
        "21 coarse settings, then 2 (tuning.trials) on all folds and 2 without each fold, in 2 passes over the OOF"
        in told
    )
    whole, first = paths.postprocess_json.read_bytes(), paths.sampled_pass(0).read_bytes()
    for path in (paths.postprocess_json, paths.sampled_pass(1)):
        path.unlink()
    read = stage._applied
    passes = []
    monkeypatch.setattr(stage, "_applied", lambda *given: passes.append(given[-1]) or read(*given))
    tune(config, competition)
    assert passes == [(1, 2)] and paths.sampled_pass(0).read_bytes() == first
    assert paths.postprocess_json.read_bytes() == whole
    study = optuna.load_study(study_name="class dark, boundary_iou", storage=sqlite_url(paths.study_sqlite))
    assert len(study.trials) == 21 + 2
    assert all(json.loads(trial.user_attrs["rule"])["rule"] for trial in study.trials)


def test_own_metrics_are_searched_and_hashed(tmp_path, monkeypatch):
    (tmp_path / "ownscore.py").write_text(
        "def error(predicted, truth):\n    return float((predicted != truth).sum())\nerror.greater_is_better = False\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    config, _ = write_run(tmp_path / "run", images=6, evil=(), tuning=tuning("ownscore:error", trials=0))
    paths = RunPaths.of(config)
    record = json.loads(paths.postprocess_json.with_name("postprocess.json.made.json").read_text())
    assert "code of ownscore:error" in record["inputs"]
    table = pd.read_csv(paths.image_scores_csv)
    assert (table["adopted_score"] <= 0).all() and (table["adopted_weight"] == 1).all()
    # Of an empty prediction all true pixels are wrong.
    assert (table["empty_score"] == -table["true_area"]).all()
    source_hash.cache_clear()
    sys.modules.pop("ownscore", None)
