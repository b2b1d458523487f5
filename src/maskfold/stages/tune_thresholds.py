"""The tuning stage: exact tables, the rules chosen on them, what they are worth, and the artefact test images use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from optuna import Study

from maskfold.artefacts.code_version import code_version
from maskfold.artefacts.files import whole_file
from maskfold.artefacts.lock import one_writer
from maskfold.artefacts.own_code import metric_code
from maskfold.artefacts.paths import RunPaths
from maskfold.artefacts.provenance import Provenance
from maskfold.artefacts.step import Step
from maskfold.config import Config
from maskfold.data.competition import Competition
from maskfold.data.groups import image_groups
from maskfold.errors import StaleError
from maskfold.execution.jobs import available_cores
from maskfold.execution.progress import tracked
from maskfold.folds.visibility import scored_competition
from maskfold.mask_metrics.metric import mask_metric
from maskfold.oof.origin import label_hashes, oof_hashes, oof_origin
from maskfold.oof.store import read_image_ids
from maskfold.oof.with_truth import check_complete, iter_with_truth, largest_map_px
from maskfold.report.few_images import few_images
from maskfold.report.oof_scores import OofScores, read_image_scores
from maskfold.rules.in_use import honest_in_use, score_in_use
from maskfold.rules.tuned import RuleScores, TunedArtefact, TunedClass
from maskfold.stages.tune_sampled import choose_sampled
from maskfold.tuning.choice import ClassChoice, choose_rule
from maskfold.tuning.derived_gate import gated_defaults
from maskfold.tuning.evaluation import EvaluatedImages, evaluate_rules, image_table, tuned_class
from maskfold.tuning.finishes import choose_finishes
from maskfold.tuning.kinds import NOISE_ERRORS, choose_kinds
from maskfold.tuning.printing import print_scores
from maskfold.tuning.study import open_study, record_finishes, remove_storage, usable_storage
from maskfold.tuning.surface_picture import plot_surface
from maskfold.tuning.tables.score_tables import (
    LAYOUT,
    FoldTables,
    area_grid,
    total,
)
from maskfold.tuning.tables.table_filling import fold_tables

_TABLE_SETTINGS = {"metric", "connectivity", "dense_areas", "area_growth"}


@one_writer("tune_thresholds")
def tune(config: Config, competition: Competition, accept_code_changes: bool = False) -> TunedArtefact:
    """Choose each class's rule on the OOF predictions; write postprocess.json, image_scores.csv and the tables.

    Raises StaleError when a fold's OOF is missing and DataError when the OOF does not fit the competition.
    """
    step, paths = Step("tune_thresholds", accept_code_changes), RunPaths.of(config)
    inputs = {**oof_hashes(config), **label_hashes(competition)}
    competition = scored_competition(config, competition)
    of_masks = mask_metric(config.tuning)
    made_from = Provenance(
        "tune_thresholds",
        {"tuning": config.tuning.settings(), "seed": config.seed, "classes": list(competition.class_names)},
        inputs | metric_code(config.tuning.metric),
        code_version("rules" if of_masks is None else "sampled rules"),
    )
    scores = paths.image_scores_csv
    missing = [] if scores.exists() else [f"{scores.name} does not exist"]
    if not step.due(paths.postprocess_json, made_from, more=missing or _unreadable(paths.postprocess_json)):
        artefact = TunedArtefact.read(paths.postprocess_json)
        _show(config, competition, artefact)
        return artefact
    step.begin(paths.postprocess_json)
    oof_files = [paths.oof_parquet(fold) for fold in range(config.folds.count)]
    check_complete({fold: read_image_ids(path) for fold, path in enumerate(oof_files)}, competition)
    exact = config.model_copy(update={"tuning": config.tuning.with_exact_metric()})
    for fold in range(config.folds.count):
        _make_tables(exact, competition, fold, inputs, step)
    chosen, images = _chosen(config, exact, competition, oof_files, inputs, step)
    classes = [
        tuned_class(config.tuning, config.seed, name, index, choice, images)
        for index, (name, choice) in enumerate(zip(competition.class_names, chosen, strict=True))
    ]
    with whole_file(scores) as temporary:
        image_table(config.tuning.metric, classes, images).to_csv(temporary, index=False, float_format="%.9g")
    surfaces = _draw_surfaces(config, classes)
    artefact = _artefact(config, classes)
    if any(inputs[fold] != digest for fold, digest in artefact.oof.items()):
        raise StaleError(f"{config.name}: its OOF was replaced during the tuning; start the same command again")
    artefact.write(paths.postprocess_json)
    _show(config, competition, artefact)
    step.done(paths.postprocess_json, made_from, also=[scores, *surfaces])
    return artefact


def _chosen(
    config: Config,
    exact: Config,
    competition: Competition,
    oof_files: Sequence[Path],
    inputs: Mapping[str, str],
    step: Step,
) -> tuple[list[ClassChoice], EvaluatedImages]:
    """The rule of each class, and the images under it; exact: the config with the metric of the exact tables."""
    of_masks = mask_metric(config.tuning)
    alternatives = _choose(exact, competition, oof_files, inputs, step)
    errors = [NOISE_ERRORS] * (len(alternatives) - 1)
    if of_masks is not None:
        alternatives = [choose_sampled(config, competition, of_masks, alternatives[0], inputs, step)]
    elif gated := gated_defaults(partial(_class_tables, exact), alternatives[0], config.tuning):
        alternatives, errors = [gated, *alternatives], [0.0, *errors]
    evaluated = evaluate_rules(oof_files, competition, alternatives, config.folds.part_word, of_masks)
    return choose_kinds(config.tuning.metric, alternatives, evaluated, errors)


def _show(config: Config, competition: Competition, artefact: TunedArtefact) -> None:
    """Print the scores, and a warning where too few images are behind them."""
    print_scores(artefact)
    if not config.tuning.is_exact:
        print(f"{artefact.metric}: rules were searched on sampled settings, not exactly (docs/how-to/other-metrics.md)")
    table = read_image_scores(RunPaths.of(config).image_scores_csv)
    oof = OofScores.of(table, artefact.metric, competition.class_names)
    rng = np.random.default_rng([config.seed, len(oof.image_ids)])
    groups = image_groups(competition, oof.image_ids)
    warning = few_images(config.folds, len(oof.image_ids), oof.intervals(groups, config.tuning.bootstrap_samples, rng))
    if warning:
        print(f"tune_thresholds: warning: {warning}")


def _unreadable(postprocess_json: Path) -> list[str]:
    try:
        if postprocess_json.exists():
            TunedArtefact.read(postprocess_json)
    except StaleError:
        return [f"{postprocess_json.name} cannot be read"]
    return []


def _choose(
    config: Config, competition: Competition, oof_files: Sequence[Path], inputs: Mapping[str, str], step: Step
) -> list[list[ClassChoice]]:
    """For each class the rule, and those chosen without each fold; the studies remember what was tried.

    Two alternatives with `tuning.rule: all`: fixed rules, then a cut for each image.
    """
    path = RunPaths.of(config).study_sqlite
    if reasons := usable_storage(path):
        step.announce(path, reasons)
        remove_storage(path)
    step.begin(path)  # trials are added one by one; it is recorded when all are there
    made = Provenance("study", _choice_settings(config), inputs, code_version("study"))
    studies = [open_study(path, f"class {name}", made) for name in competition.class_names]
    # The fixed rules last, so that a study ends with the space of its sampled trials.
    kinds = ("expected", "auto") if config.tuning.rule == "all" else (config.tuning.rule,)
    alternatives = [_choose_among(config, kind, studies) for kind in kinds][::-1]
    if _class_tables(config, 0)[0].images.shape[1] == 1:
        print("tune_thresholds: no classification probabilities, so no gates to sample; every plain rule is exact")
    if config.tuning.finishing:
        for number, chosen in enumerate(alternatives):
            alternatives[number], finishes = choose_finishes(oof_files, competition, config.tuning.metric, chosen)
            for study, tried in zip(studies, finishes, strict=True):
                record_finishes(study, [(each.rule, each.score) for each in tried])
    made.write(path)
    return alternatives


def _choose_among(config: Config, rule: str, studies: Sequence[Study]) -> list[ClassChoice]:
    """The rule of each class among those that `tuning.rule` allows with this value."""
    tuning = config.tuning.model_copy(update={"rule": rule})
    return [
        choose_rule(_class_tables(config, index), tuning, config.seed, study)
        for index, study in enumerate(tracked(studies, len(studies), f"choosing rules, {rule}"))
    ]


def _choice_settings(config: Config) -> dict[str, object]:
    """What decides which trials a study holds; more trials continue it."""
    return {
        "tuning": config.tuning.settings(exclude={"trials", "bootstrap_samples", "finishing"}),
        "seed": config.seed,
    }


def _draw_surfaces(config: Config, classes: Sequence[TunedClass]) -> list[Path]:
    """A picture of each class's component table, next to postprocess.json, with the default and the optimum marked."""
    paths, pictures = RunPaths.of(config), []
    for index, entry in enumerate(classes):
        table = total([fold.table(0) for fold in _class_tables(config, index)])
        with whole_file(paths.surface_png(entry.class_name)) as temporary:
            picture = temporary.with_suffix(".png")  # matplotlib goes by the ending
            plot_surface(table, entry.default_rule, entry.tuned_rule, picture)
            picture.replace(temporary)
        pictures.append(paths.surface_png(entry.class_name))
    return pictures


def _class_tables(config: Config, class_index: int) -> list[FoldTables]:
    """The tables of one class on every fold; all classes at once would need several times the memory."""
    paths = RunPaths.of(config)
    return [FoldTables.load(paths.score_table(fold), [class_index]) for fold in range(config.folds.count)]


def _make_tables(config: Config, competition: Competition, fold: int, inputs: Mapping[str, str], step: Step) -> None:
    """Make the tables of one fold unless they are up to date; a killed stage continues at the next fold."""
    paths = RunPaths.of(config)
    path, tuning = paths.score_table(fold), config.tuning
    largest = largest_map_px(competition)
    made_from = Provenance(
        "tune_thresholds",
        {"tuning": tuning.model_dump(include=_TABLE_SETTINGS), "largest_map_px": largest, "layout": LAYOUT},
        {name: value for name, value in inputs.items() if name == f"fold{fold}" or name.startswith("label")},
        code_version("score tables"),
        f"fold{fold}",
        config.name,
    )
    if not (reasons := step.reasons(path, made_from)):
        return
    if path.exists():
        step.announce(path, reasons)
    grid = area_grid(largest, tuning.dense_areas, tuning.area_growth)
    title = f"exact tables, {config.folds.part_word} {fold}"
    count, *later = (len(read_image_ids(paths.oof_parquet(each))) for each in range(fold, config.folds.count))
    images = tracked(iter_with_truth(paths.oof_parquet(fold), fold, competition), count, title, sum(later))
    classes = len(competition.class_names)
    path.parent.mkdir(parents=True, exist_ok=True)
    cores = available_cores()
    fold_tables(images, tuning.metric, grid, tuning.connectivity, classes, cores, path.parent).save(path)
    made_from.write(path)


def _artefact(config: Config, classes: Sequence[TunedClass]) -> TunedArtefact:
    """The tuned artefact; what the OOF was predicted with comes from the OOF files themselves."""
    origin = oof_origin(config)
    used = [score_in_use(entry) for entry in classes]
    honest = [honest_in_use(entry) for entry in classes]
    return TunedArtefact(
        name=config.name,
        metric=config.tuning.metric,
        classes=tuple(classes),
        scores=RuleScores(
            all_empty=float(np.mean([entry.scores.all_empty for entry in classes])),
            default=float(np.mean([entry.scores.default for entry in classes])),
            tuned=float(np.mean(used)),
            honest=float(np.mean(honest)),
        ),
        tta=origin.tta,
        ensemble_weights=origin.weights,
        combine=origin.combine,
        predicted_with=origin.predicted_with,
        checkpoints=origin.checkpoints,
        oof=oof_hashes(config),
    )
