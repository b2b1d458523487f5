"""The report stage: one static HTML folder a run, made from artefacts alone."""

from __future__ import annotations

import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from maskfold import __version__
from maskfold.config import Config
from maskfold.data.competition import Competition
from maskfold.ensemble import experiments
from maskfold.paths import RunPaths, display
from maskfold.postprocess import TunedArtefact
from maskfold.provenance import Provenance, StaleError, code_version, file_hash
from maskfold.report.curves import best_row, read_history
from maskfold.report.galleries import draw_galleries
from maskfold.report.pages import page_environment, page_inputs
from maskfold.score_report import rule_text

TEMPLATE = Path(__file__).with_name("page.html.j2")
_PACKAGES = ("torch", "lightning", "segmentation-models-pytorch", "timm", "albumentations", "optuna", "numpy", "pandas")

_WHERE: dict[str, Any] = {"output_root": True, "blend": {"members": {"__all__": {"output_root"}}}}  # not what it shows


def make_report(config: Config, competition: Competition, accept_code_changes: bool = False) -> None:
    """Write reports/<name>/ unless it is fresh: index.html and its pictures, whole or not at all.

    Raises StaleError when the run is not tuned yet.
    """
    paths = RunPaths.of(config)
    tuned = TunedArtefact.read(paths.postprocess_json)
    made_from = Provenance(
        "make_report",
        {"config": config.model_dump(mode="json", exclude=_WHERE)},
        _inputs(config, paths) | competition.train_inputs(),
        code_version("maskfold.report.stage"),
    )
    page = paths.report / "index.html"
    reasons = made_from.staleness(page, accept_code_changes)
    if not reasons:
        print(f"make_report: {display(page)} is fresh, skipped")
        return
    print(f"make_report: {'; '.join(reasons)}", flush=True)
    part = paths.report.with_name(f".{paths.report.name}.part")
    if part.exists():  # left by a killed run
        shutil.rmtree(part)
    part.mkdir(parents=True)
    _write_page(config, competition, tuned, part)
    made_from.write(part / page.name)
    if paths.report.exists():
        shutil.rmtree(paths.report)
    part.rename(paths.report)
    print(f"make_report: wrote {display(page)}; open it in a browser")


def _inputs(config: Config, paths: RunPaths) -> dict[str, str]:
    files = [paths.postprocess_json, paths.image_scores_csv]
    files += [RunPaths.of(run).history_csv(fold) for run, fold in _trained(config)]
    missing = [display(file) for file in files if not file.is_file()]
    if missing:
        raise StaleError(f"no report without {', '.join(missing)}; run `bash run_all.sh configs/{config.name}.yaml`")
    names = {f"{file.parent.parent.name}/{file.parent.name}/{file.name}": file_hash(file) for file in files}
    return names | page_inputs(TEMPLATE)


def _write_page(config: Config, competition: Competition, tuned: TunedArtefact, folder: Path) -> None:
    paths = RunPaths.of(config)
    scores = pd.read_csv(paths.image_scores_csv, dtype={"image_id": str, "class_name": str})
    template = page_environment().get_template(TEMPLATE.name)
    page = template.render(
        name=config.name,
        tuned=tuned,
        rules=[rule_text(entry.rule) for entry in tuned.classes],
        images=len(competition.train),
        folds=_folds(config, folder),
        fold_count=config.folds.count,
        surfaces=_surfaces(paths, tuned, folder),
        galleries=draw_galleries(config, competition, tuned, scores, folder),
        config=yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False),
        versions={"maskfold": __version__} | {package: metadata.version(package) for package in _PACKAGES},
    )
    (folder / "index.html").write_text(page, encoding="utf-8")


def _trained(config: Config) -> list[tuple[Config, int]]:
    """Every trained fold: of the run itself, or of all members of a blend."""
    return [(run, fold) for run in experiments(config) for fold in range(run.folds.count)]


def _folds(config: Config, folder: Path) -> list[dict[str, object]]:
    """What each trained fold's history says, and its curves copied beside the page."""
    rows: list[dict[str, object]] = []
    for run, fold in _trained(config):
        paths = RunPaths.of(run)
        name = str(fold) if config.blend is None else f"{run.name} {fold}"
        history = read_history(paths.history_csv(fold))
        used = history.iloc[-1] if run.train.select == "last" else best_row(history)
        assert used is not None, "a history without a metric"
        curves = f"curves-fold{fold}.png" if config.blend is None else f"curves-{run.name}-fold{fold}.png"
        shutil.copyfile(paths.fold(fold) / "curves.png", folder / curves)
        dice = {name: used.get(f"dice_{name}", float("nan")) for name in config.data.class_names}
        rows.append(
            {
                "fold": name,
                "epoch": int(used["epoch"]) + 1,
                "epochs": len(history),
                "metric": used["valid_metric"],
                "loss": used["valid_loss"],
                "minutes": history["seconds"].sum() / 60,
                "dice": dice,
                "curves": curves,
            }
        )
    return rows


def _surfaces(paths: RunPaths, tuned: TunedArtefact, folder: Path) -> list[dict[str, str]]:
    """The picture of every class's tuning surface, copied beside the page."""
    pictures = []
    for index, entry in enumerate(tuned.classes):
        file = f"surface-{index}.png"
        shutil.copyfile(paths.surface_png(entry.class_name), folder / file)
        pictures.append({"class_name": entry.class_name, "file": file})
    return pictures
