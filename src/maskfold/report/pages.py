"""The pages of a report: index.html, the galleries, and all they show."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from maskfold import __version__
from maskfold.artefacts.paths import RunPaths
from maskfold.config import Config
from maskfold.data.competition import Competition
from maskfold.data.groups import image_groups
from maskfold.drawing.html import page_environment
from maskfold.execution.text import spreadsheet
from maskfold.report.class_rows import class_row
from maskfold.report.confusion import confusion_rows, confusion_table, image_confusions, images_taken_for
from maskfold.report.error_kinds import error_rows, error_table
from maskfold.report.examples import draw_galleries
from maskfold.report.few_images import few_images
from maskfold.report.figures import area_charts, calibration_rows, curve_charts, reliability_charts
from maskfold.report.leaderboards import boards
from maskfold.report.object_table import object_rows
from maskfold.report.oof_gallery import draw_oof
from maskfold.report.oof_scores import OofScores, fold_class_scores, fold_rows, found_rows, read_image_scores
from maskfold.report.steps import ensemble_steps
from maskfold.report.surface_data import write_surface
from maskfold.report.test_gallery import draw_submission
from maskfold.report.trainings import histories, training_rows
from maskfold.rules.tuned import TunedArtefact
from maskfold.tuning.calibration import level_counts
from maskfold.tuning.tables.score_tables import FoldTables

_HERE = Path(__file__).parent
_PAGE, _GALLERY = _HERE / "page.html.j2", _HERE / "gallery_page" / "gallery.html.j2"
_GALLERY_SCRIPTS = sorted(_GALLERY.parent.glob("*.js"), key=lambda path: (path.stem == "gallery", path.name))
_PACKAGES = ("torch", "lightning", "segmentation-models-pytorch", "timm", "albumentations", "optuna", "numpy", "pandas")


def write_pages(
    config: Config,
    competition: Competition,
    tuned: TunedArtefact,
    other_pages: Mapping[str, Path],
    folder: Path,
    edited_rules: bool = False,
) -> None:
    """Write index.html, the galleries, their pictures and scripts into `folder`, which is there and empty.

    other_pages: kind -> folder of other pages of this run, such as audits; they are copied, so that the report stays
    one folder; edited_rules: whether the submission was made with rules edited by hand. Raises DataError when the OOF
    does not fit the competition.
    """
    without_test = _write_index(config, competition, tuned, list(other_pages), folder, edited_rules)
    for script in (*_GALLERY_SCRIPTS, _HERE / "surface.js"):
        shutil.copyfile(script, folder / script.name)
    for kind, source in other_pages.items():
        shutil.copytree(source, folder / kind)
    galleries = {"oof": config.report.oof_gallery, "test": not without_test}
    template = page_environment(_GALLERY.parent).get_template(_GALLERY.name)
    for kind in [kind for kind, drawn in galleries.items() if drawn]:
        page = template.render(
            name=config.name,
            kind=kind,
            galleries=galleries,
            classes=competition.class_names,
            folds=config.folds.count,
            part=config.folds.part_word,
            exclude=config.data.exclude,
            scripts=[script.name for script in _GALLERY_SCRIPTS],
        )
        (folder / f"{kind}.html").write_text(page, encoding="utf-8")


def _write_index(
    config: Config,
    competition: Competition,
    tuned: TunedArtefact,
    other_pages: list[str],
    folder: Path,
    edited_rules: bool,
) -> str:
    """Write index.html and all that it shows; returns why there is no gallery of test images, "" when there is one."""
    paths = RunPaths.of(config)
    scores = read_image_scores(paths.image_scores_csv)
    oof = OofScores.of(scores, tuned.metric, competition.class_names)
    submission = paths.submission(config.submission.layout)
    without_test = draw_submission(submission, competition, config.submission, config.report, folder)
    rng = np.random.default_rng([config.seed, len(oof.image_ids)])
    intervals = oof.intervals(image_groups(competition, oof.image_ids), config.tuning.bootstrap_samples, rng)
    page = page_environment(_HERE).get_template(_PAGE.name)
    html = page.render(
        name=config.name,
        tuned=tuned,
        exact=config.tuning.is_exact,
        classes=[class_row(entry) for entry in tuned.classes],
        images=len(competition.train),
        scored=len(oof.image_ids),
        part=config.folds.part_word,
        folds_title=config.folds.title,
        grouped="group" in competition.train,
        intervals=intervals,
        few=few_images(config.folds, len(oof.image_ids), intervals),
        steps=ensemble_steps(config, tuned),
        bad_images=_bad_images(paths.bad_images_csv),
        boards=boards(paths.root, config.name),
        oof_gallery=config.report.oof_gallery,
        without_test=without_test,
        other_pages=other_pages,
        edited_rules=edited_rules,
        config=yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False),
        versions={"maskfold": __version__} | {package: metadata.version(package) for package in _PACKAGES},
        **_of_trainings(config),
        **_of_oof(config, competition, tuned, scores, oof, folder),
    )
    (folder / "index.html").write_text(html, encoding="utf-8")
    return without_test


def _of_trainings(config: Config) -> dict[str, object]:
    """What index.html shows of the trainings."""
    found = histories(config)
    trainings = training_rows(config, found)
    scored = [row for row in trainings if row["metric"] == row["metric"]]  # not NaN
    return {
        "trainings": trainings,
        "training_dice": {str(row["name"]): row["dice"] for row in scored},
        "curves": curve_charts(found),
    }


def _of_oof(
    config: Config,
    competition: Competition,
    tuned: TunedArtefact,
    scores: pd.DataFrame,
    oof: OofScores,
    folder: Path,
) -> dict[str, object]:
    """What index.html shows of the OOF predictions and their scores; its pictures are written."""
    paths, folds = RunPaths.of(config), range(config.folds.count)
    oof_files, score_tables = [paths.oof_parquet(k) for k in folds], [paths.score_table(k) for k in folds]
    passed = draw_oof(oof_files, competition, tuned.rules, oof, config.report, folder)
    levels = [
        [level_counts(FoldTables.load(path, [index]), 0) for path in score_tables]
        for index in range(len(tuned.classes))
    ]
    calibration = calibration_rows(oof, passed, levels)
    (folder / "calibration.json").write_text(json.dumps(calibration, indent=1, ensure_ascii=False), encoding="utf-8")
    in_images = image_confusions(oof.true, oof.predicted)
    for name, taken in (("confusion", passed.pixels.taken), ("confusion_images", in_images)):
        confusions = spreadsheet(confusion_table(taken, competition.class_names).reset_index())
        confusions.to_csv(folder / f"{name}.csv", index=False)
    errors = spreadsheet(error_table(passed.errors, competition.class_names).reset_index())
    errors.to_csv(folder / "errors.csv", index=False)
    return {
        "found": found_rows(oof),
        "in_place": images_taken_for(in_images, oof.true, competition.class_names),
        "confusion": confusion_rows(passed.pixels, competition.class_names),
        "errors": error_rows(passed.errors, competition.class_names),
        "edge_px": config.report.edge_px,
        "objects": object_rows(passed.objects, competition.class_names),
        "folds": fold_rows(oof),
        "fold_classes": {f"{config.folds.part_word} {k}": values for k, values in fold_class_scores(oof).items()},
        "surfaces": [write_surface(score_tables, index, entry, folder) for index, entry in enumerate(tuned.classes)],
        "calibration": calibration,
        "reliability": reliability_charts(oof, passed),
        "areas": area_charts(oof),
        "galleries": draw_galleries(oof_files, competition, tuned.rules, scores, config.report.examples, folder),
    }


def _bad_images(bad_images_csv: Path) -> list[dict[str, str]]:
    """image_id and reason of the test images that the submission leaves empty, unread."""
    if not bad_images_csv.is_file():
        return []
    table = pd.read_csv(bad_images_csv, dtype=str, keep_default_na=False)
    return [dict(zip(table.columns, row, strict=True)) for row in table.to_numpy().tolist()]
