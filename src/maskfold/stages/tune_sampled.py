"""Tuning by a metric of whole masks: settings are sampled and applied to all OOF images, a set of them in each pass."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

import numpy as np

from maskfold.artefacts.code_version import code_version
from maskfold.artefacts.files import whole_file
from maskfold.artefacts.own_code import metric_code
from maskfold.artefacts.paths import RunPaths
from maskfold.artefacts.provenance import Provenance
from maskfold.artefacts.step import Step
from maskfold.config import Config
from maskfold.data.competition import Competition
from maskfold.errors import DataError
from maskfold.execution.jobs import available_cores
from maskfold.execution.progress import tracked
from maskfold.mask_metrics.metric import MaskMetric
from maskfold.mask_metrics.rows import PAIR
from maskfold.oof.store import iter_oof, read_image_ids
from maskfold.oof.with_truth import iter_with_truth, largest_map_px
from maskfold.rules.rules import AnyRule
from maskfold.tuning.choice import ClassChoice
from maskfold.tuning.sampled.measuring import measured_rows
from maskfold.tuning.sampled.sampling import A_PASS, ClassSampling
from maskfold.tuning.sampled.space import Space, kinds_of
from maskfold.tuning.study import open_study

# What the scores of a rule do not depend on: they only decide which rules are asked for, which is recorded by itself.
_NOT_SCORING = {
    "trials",
    "bootstrap_samples",
    "rule",
    "gates",
    "finishing",
    "calibration",
    "dense_areas",
    "area_growth",
}


def choose_sampled(
    config: Config,
    competition: Competition,
    metric: MaskMetric,
    start: Sequence[ClassChoice],
    inputs: Mapping[str, str],
    step: Step,
) -> list[ClassChoice]:
    """For each class the best rule of those that were tried, on all folds and without each; the study keeps the trials.

    start: the rules that the exact search finds by Dice, which are tried first; inputs: the hashes of OOF and labels.
    """
    searches = _searches(config, competition, start)
    passes = 1 + math.ceil(config.tuning.trials / A_PASS)
    _explain(config, searches, passes, step)
    for number in range(passes):
        count = min(A_PASS, config.tuning.trials - A_PASS * (number - 1))
        rules = [search.wanted(number, count) for search in searches]
        sums = _pass(config, competition, metric, rules, inputs, step, (number, passes))
        for search, of_class, found in zip(searches, rules, sums, strict=True):
            search.learn(dict(zip(of_class, found, strict=True)))
    _record(config, competition, searches, inputs, step)
    tried = ", ".join(str(search.tried) for search in searches)
    step.say(f"{config.tuning.metric}: different rules applied, by class: {tried}")
    return [search.choice() for search in searches]


def _searches(config: Config, competition: Competition, start: Sequence[ClassChoice]) -> list[ClassSampling]:
    tuning, first = config.tuning, next(iter_oof(RunPaths.of(config).oof_parquet(0)))
    space = Space(
        kinds=kinds_of(tuning.rule),
        connectivity=tuning.connectivity,
        largest_px=largest_map_px(competition),
        gated=tuning.gates and first.class_prob is not None,
        finishes=tuning.finishing,
        holes=not competition.exclusive,
    )
    folds = config.folds.count
    return [ClassSampling(space, folds, (config.seed, index), each) for index, each in enumerate(start)]


def _explain(config: Config, searches: Sequence[ClassSampling], passes: int, step: Step) -> None:
    tuning, part = config.tuning, config.folds.part_word
    step.say(
        f"{tuning.metric} does not follow from areas, so settings are sampled, not searched exactly: for each class "
        f"the exact optimum for Dice, {searches[0].coarse} coarse settings, then {tuning.trials} (tuning.trials) on "
        f"all {part}s and {tuning.trials} without each {part}, in {passes} passes over the OOF"
    )


def _pass(
    config: Config,
    competition: Competition,
    metric: MaskMetric,
    rules: Sequence[Sequence[AnyRule]],
    inputs: Mapping[str, str],
    step: Step,
    number: tuple[int, int],
) -> list[np.ndarray]:
    """For each class (rules, folds, 2) float64, the sums of its rules' pairs; read where a killed search left them.

    number: of this pass, and how many there are.
    """
    path = RunPaths.of(config).sampled_pass(number[0])
    asked = [[rule.model_dump(mode="json") for rule in of_class] for of_class in rules]
    settings = {"tuning": config.tuning.settings(exclude=_NOT_SCORING), "rules": asked}
    made_from = Provenance(
        "tune_thresholds",
        settings,
        {**inputs, **metric_code(config.tuning.metric)},
        code_version("sampled rules"),
        f"pass{number[0]}",
        config.name,
    )
    if step.reasons(path, made_from):
        sums = _applied(config, competition, metric, rules, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps([each.tolist() for each in sums]) + "\n", encoding="utf-8")
        made_from.write(path)
    shapes = [(len(of_class), config.folds.count, 2) for of_class in rules]
    stored = json.loads(path.read_text(encoding="utf-8"))
    return [np.array(each, dtype=np.float64).reshape(shape) for each, shape in zip(stored, shapes, strict=True)]


def _applied(
    config: Config,
    competition: Competition,
    metric: MaskMetric,
    rules: Sequence[Sequence[AnyRule]],
    number: tuple[int, int],
) -> list[np.ndarray]:
    """The sums of one pass over the OOF, as `_pass` returns them."""
    files = [RunPaths.of(config).oof_parquet(fold) for fold in range(config.folds.count)]
    counts = [len(read_image_ids(path)) for path in files]
    sums = [np.zeros((len(of_class), len(files), 2)) for of_class in rules]
    for fold, path in enumerate(files):
        title = f"sampled rules, pass {number[0] + 1} of {number[1]}, {config.folds.part_word} {fold}"
        later = sum(counts[fold + 1 :]) + (number[1] - number[0] - 1) * sum(counts)
        images = tracked(iter_with_truth(path, fold, competition), counts[fold], title, later)
        for image_id, rows in measured_rows(images, rules, metric, available_cores()):
            for of_class, found in zip(sums, rows, strict=True):
                if not np.isfinite(found).all():
                    raise DataError([f"{path}: image {image_id}: {config.tuning.metric} is not finite"])
                of_class[:, fold] += found[:, PAIR]
    return sums


def _record(
    config: Config,
    competition: Competition,
    searches: Sequence[ClassSampling],
    inputs: Mapping[str, str],
    step: Step,
) -> None:
    """Add the trials on all folds to the file of the studies, and the record of the file."""
    path = RunPaths.of(config).study_sqlite
    settings = {"tuning": config.tuning.settings(), "seed": config.seed}
    inputs = {**inputs, **metric_code(config.tuning.metric)}
    made_from = Provenance("study", settings, inputs, code_version("sampled rules"))
    step.begin(path)
    for name, search in zip(competition.class_names, searches, strict=True):
        study = open_study(path, f"class {name}, {config.tuning.metric}", made_from)
        if not study.get_trials(deepcopy=False):
            study.add_trials(search.trials)
    made_from.write(path)
