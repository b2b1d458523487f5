"""The report stage: one static HTML folder a run, made from artefacts alone."""

from __future__ import annotations

import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from maskfold import __version__
from maskfold.artefacts.code_version import code_version
from maskfold.artefacts.files import file_hash, whole_folder
from maskfold.artefacts.paths import RunPaths, display
from maskfold.artefacts.provenance import Provenance
from maskfold.config import Config
from maskfold.config.experiment import experiments
from maskfold.data.competition import Competition
from maskfold.data.groups import image_groups
from maskfold.drawing.html import page_environment, page_inputs
from maskfold.drawing.pictures import FAINTEST
from maskfold.errors import StaleError
from maskfold.report.calibration import image_reliability, pixel_reliability
from maskfold.report.examples import draw_galleries
from maskfold.report.figures import area_charts, curve_charts, reliability_chart
from maskfold.report.oof_gallery import OofPass, draw_oof
from maskfold.report.oof_scores import OofScores, fold_rows, found_rows
from maskfold.report.steps import ensemble_steps
from maskfold.report.surface_data import write_surface
from maskfold.report.test_gallery import answer_inputs, draw_answer
from maskfold.rules.text import plateau_text, rule_text
from maskfold.rules.tuned import TunedArtefact
from maskfold.training.curves import best_row, read_history

_HERE = Path(__file__).parents[1] / "report"
TEMPLATE, GALLERY = _HERE / "page.html.j2", _HERE / "gallery.html.j2"
_SCRIPTS = (_HERE / "gallery.js", _HERE / "surface.js")
_PACKAGES = ("torch", "lightning", "segmentation-models-pytorch", "timm", "albumentations", "optuna", "numpy", "pandas")

_WHERE: dict[str, Any] = {"output_root": True, "blend": {"members": {"__all__": {"output_root"}}}}  # not what it shows


def make_report(config: Config, competition: Competition, accept_code_changes: bool = False) -> None:
    """Write reports/<name>/ unless it is fresh: the page, the galleries and their pictures, whole or not at all.

    Raises StaleError when the run is not tuned yet, or its OOF is not what it was tuned on.
    """
    paths = RunPaths.of(config)
    tuned = TunedArtefact.read(paths.postprocess_json)
    made_from = Provenance(
        "make_report",
        {"config": config.model_dump(mode="json", exclude=_WHERE)},
        _inputs(config, paths) | competition.train_inputs() | answer_inputs(config, competition),
        code_version("maskfold.stages.make_report"),
    )
    page = paths.report / "index.html"
    if not made_from.announced(page, accept_code_changes):
        return
    _check_oof(config, paths, tuned)
    with whole_folder(paths.report) as part:
        _write_pages(config, competition, tuned, part)
        made_from.write(part / page.name)
    print(f"make_report: wrote {display(page)}; open it in a browser")


def _inputs(config: Config, paths: RunPaths) -> dict[str, str]:
    files = [paths.postprocess_json, paths.image_scores_csv]
    files += [RunPaths.of(run).history_csv(fold) for run, fold in _trained(config)]
    files += [paths.bad_images_csv] if paths.bad_images_csv.is_file() else []
    missing = [display(file) for file in files if not file.is_file()]
    if missing:
        raise StaleError(f"no report without {', '.join(missing)}; run `bash run_all.sh configs/{config.name}.yaml`")
    names = {f"{file.parent.parent.name}/{file.parent.name}/{file.name}": file_hash(file) for file in files}
    # The page of an audit says all that its pictures and tables do, so it stands for its folder.
    beside = {f"{kind} page": file_hash(folder / "index.html") for kind, folder in _pages_beside(paths).items()}
    return names | page_inputs(TEMPLATE, GALLERY, *_SCRIPTS) | beside


def _check_oof(config: Config, paths: RunPaths, tuned: TunedArtefact) -> None:
    """Pictures of other predictions than the scores beside them would mislead."""
    changed = [fold for fold, digest in tuned.oof.items() if file_hash(paths.oof / f"{fold}.parquet") != digest]
    if changed:
        raise StaleError(
            f"{display(paths.postprocess_json)} was tuned on other OOF predictions of {', '.join(changed)}; "
            f"run `python src/tune_thresholds.py --config configs/{config.name}.yaml`"
        )


def _write_pages(config: Config, competition: Competition, tuned: TunedArtefact, folder: Path) -> None:
    paths = RunPaths.of(config)
    text = {"image_id": str, "class_name": str}
    scores = pd.read_csv(paths.image_scores_csv, dtype=text, keep_default_na=False)  # an image may be called NA
    oof = OofScores.of(scores, tuned.metric, competition.class_names)
    passed = draw_oof(config, competition, tuned, oof, folder)
    without_test = draw_answer(config, competition, folder)
    for script in _SCRIPTS:
        shutil.copyfile(script, folder / script.name)
    beside = _pages_beside(paths)
    for kind, source in beside.items():  # copied, so that the report travels as one folder
        shutil.copytree(source, folder / kind)
    rng = np.random.default_rng([config.seed, len(oof.image_ids)])
    environment = page_environment(_HERE)
    page = environment.get_template(TEMPLATE.name).render(
        name=config.name,
        tuned=tuned,
        rules=[rule_text(entry.rule) for entry in tuned.classes],
        plateaus=[plateau_text(entry) for entry in tuned.classes],
        images=len(competition.train),
        folds_title=config.folds.title,
        grouped="group" in competition.train,
        intervals=oof.intervals(image_groups(competition, oof.image_ids), config.tuning.bootstrap_samples, rng),
        found=found_rows(oof),
        folds=fold_rows(oof),
        trainings=_trainings(config),
        curves=curve_charts(_histories(config)),
        surfaces=[write_surface(config, index, entry, folder) for index, entry in enumerate(tuned.classes)],
        **_calibration(competition, oof, passed),
        areas=area_charts(oof),
        steps=ensemble_steps(config, tuned),
        bad_images=_bad_images(paths),
        galleries=draw_galleries(config, competition, tuned, scores, folder),
        oof_gallery=config.report.oof_gallery,
        without_test=without_test,
        beside=list(beside),
        config=yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False),
        versions={"maskfold": __version__} | {package: metadata.version(package) for package in _PACKAGES},
    )
    (folder / "index.html").write_text(page, encoding="utf-8")
    galleries = {"oof": config.report.oof_gallery, "test": not without_test}
    for kind in [kind for kind, drawn in galleries.items() if drawn]:
        shown = environment.get_template(GALLERY.name).render(
            name=config.name, kind=kind, galleries=galleries, classes=competition.class_names, folds=config.folds.count
        )
        (folder / f"{kind}.html").write_text(shown, encoding="utf-8")


def _calibration(competition: Competition, oof: OofScores, passed: OofPass) -> dict[str, object]:
    """The reliability of pixel and classification probabilities: charts, and one row a class."""
    names = competition.class_names
    pixels = [pixel_reliability(counts) for counts in passed.counts]
    rows = []
    for name, counts, every in zip(names, passed.counts, pixels, strict=True):
        likely = counts.copy()
        likely[:, :FAINTEST] = 0
        rows.append({"class_name": name, "error": every.error, "likely_error": pixel_reliability(likely).error})
    charts = [("Pixels", reliability_chart("Reliability of pixel probabilities", names, pixels))]
    if passed.class_prob is not None:
        shown = oof.true > 0
        images = [image_reliability(passed.class_prob[:, k].astype(np.float64), shown[:, k]) for k in range(len(names))]
        charts.append(
            ("Images (classification head)", reliability_chart("Reliability of class_prob", names, images, line=False))
        )
        rows = [row | {"image_error": each.error} for row, each in zip(rows, images, strict=True)]
    return {"calibration": rows, "reliability": charts}


def _pages_beside(paths: RunPaths) -> dict[str, Path]:
    """Kind -> folder of the other pages of this run, such as audits: reports/<name>.<kind>/ with an index.html."""
    pages = sorted(paths.report.parent.glob(f"{paths.name}.*/index.html"))
    return {page.parent.name.removeprefix(f"{paths.name}."): page.parent for page in pages}


def _bad_images(paths: RunPaths) -> list[dict[str, str]]:
    """image_id and reason of the test images that the submission answers with empty masks, unread."""
    if not paths.bad_images_csv.is_file():
        return []
    table = pd.read_csv(paths.bad_images_csv, dtype=str, keep_default_na=False)
    return [dict(zip(table.columns, row, strict=True)) for row in table.to_numpy().tolist()]


def _trained(config: Config) -> list[tuple[Config, int]]:
    """Every trained fold: of the run itself, or of all members of a blend."""
    return [(run, fold) for run in experiments(config) for fold in range(run.folds.models)]


def _histories(config: Config) -> dict[str, pd.DataFrame]:
    """The history of every trained fold by its name: fold 0, of a blend <member> 0."""
    histories = {}
    for run, fold in _trained(config):
        name = f"fold {fold}" if config.blend is None else f"{run.name} {fold}"
        histories[name] = read_history(RunPaths.of(run).history_csv(fold))
    return histories


def _trainings(config: Config) -> list[dict[str, object]]:
    """What each trained fold's history says."""
    rows: list[dict[str, object]] = []
    for (name, history), (run, _) in zip(_histories(config).items(), _trained(config), strict=True):
        used = history.iloc[-1] if run.train.select == "last" else best_row(history)
        assert used is not None, "a history without a metric"
        dice = {each: used.get(f"dice_{each}", float("nan")) for each in config.data.class_names}
        rows.append(
            {
                "name": name,
                "epoch": int(used["epoch"]) + 1,
                "epochs": len(history),
                "metric": used["valid_metric"],
                "loss": used["valid_loss"],
                "minutes": history["seconds"].sum() / 60,
                "dice": dice,
            }
        )
    return rows
