"""How well the label audit finds errors that were planted, and what leaving them out does to the honest score.

A tenth of the labels get errors of five kinds: swollen, shifted, with a blob, with a missing part, emptied. Without
--config: drawn figures, and predictions as a good network makes them from the true masks. With --config, a competition
of mask folders with one class: a copy of its labels gets the errors, the networks are trained on the copy, and their
out-of-fold predictions are audited. With --retrain they are trained again without the suspects, and the honest scores
of both are compared on the untouched labels.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from benchmarks.drawn.label_errors import ERRORS, plant_errors
from benchmarks.drawn.portraits import draw_portraits, write_predictions
from benchmarks.measuring.benchmark import Bench, Settings, say
from benchmarks.measuring.stages import Run, run_stage
from maskfold.artefacts.paths import RunPaths
from maskfold.audit.labels.ranking import FINE, PILES
from maskfold.config import Config, Experiment, FoldsConfig, MaskFoldersData
from maskfold.data.opening import open_competition
from maskfold.stages.audit_labels import audit_labels
from maskfold.stages.make_folds import make_folds
from maskfold.stages.tune_thresholds import tune

_REASONS = {
    "swollen": ("swollen edge",),
    "shifted": ("shifted edge",),
    "stray_blob": ("stray blob",),
    "missing_part": ("missing part", "missing object"),
    "emptied": ("empty by mistake",),
}


class Options(Settings):
    """Which labels, and how many errors."""

    minutes: ClassVar[tuple[float, float]] = (0.2, 1)
    quick: ClassVar[dict[str, object]] = {"images": 250}
    images: int = 1000
    """Drawn images, without --config."""
    share: float = 0.1
    """Share of the labels that get an error."""
    seed: int = 0
    """Of the errors."""
    config: str | None = None
    """Config of a competition of mask folders with one class; its networks are trained, which takes hours."""
    set: tuple[str, ...] = ()
    """Overrides of that config, KEY=VALUE."""
    retrain: bool = False
    """Train again without the suspects and compare the honest scores."""


def plant(data: MaskFoldersData, folder: Path, options: Options) -> pd.DataFrame:
    """A copy of the labels with errors in the same folders, the photos linked; returns what was planted."""
    if len(data.class_names) > 1 or data.valid_images is not None or data.several_masks != "refuse":
        raise ValueError("label_audit needs mask_folders with one class, one mask a photo and no validation folders")
    if len(data.train_folders) > 1:
        raise ValueError("label_audit needs mask_folders with one folder of training photos")
    competition = open_competition(data)
    [(train_images, train_masks)] = data.train_folders
    for name, table in ((train_images, competition.train), (data.test_images, competition.test)):
        if name is not None:
            (folder / name).mkdir(parents=True, exist_ok=True)
            for path in map(Path, table["path"]):
                (folder / name / path.name).symlink_to(path.resolve())
    return plant_errors(competition, folder / train_masks, options.share, options.seed)


def drawn_run(bench: Bench, options: Options) -> tuple[Config, pd.DataFrame]:
    """A run on drawn figures with planted errors and simulated predictions, and what was planted."""
    draw_portraits(bench.folder / "true", options.images)
    true = MaskFoldersData(root=str(bench.folder / "true"), test_images=None)
    done = plant(true, bench.folder / "planted", options)
    data = true.model_copy(update={"root": str(bench.folder / "planted")})
    config = Experiment(name="drawn", output_root=str(bench.folder / "run"), data=data, folds=FoldsConfig(count=3))
    make_folds(config, open_competition(data))
    folds = pd.read_csv(RunPaths.of(config).folds_csv, dtype={"image_id": str})
    write_predictions(config, open_competition(true).masks, folds)
    return config, done


def trained_run(bench: Bench, options: Options) -> tuple[Run, pd.DataFrame]:
    """A run that is trained on a copy of a competition's labels with planted errors, and what was planted."""
    assert options.config is not None
    data = Run(options.config, options.set).load().data
    if not isinstance(data, MaskFoldersData):
        raise ValueError(f"label_audit needs data.format: mask_folders, found {data.format}")
    done = plant(data, bench.folder / "planted", options)
    run = Run(options.config, (*options.set, f"data.root={bench.folder}/planted", f"output_root={bench.folder}/run"))
    train_and_predict(run, bench)
    return run, done


def train_and_predict(run: Run, bench: Bench) -> None:
    """The stages up to the out-of-fold predictions."""
    for stage in ("make_folds", "train", "predict_oof"):
        say(f"{stage}: {run_stage(stage, run, bench.folder / f'{stage}.log').seconds:.0f} s")


def state_claims(config: Config, done: pd.DataFrame, bench: Bench) -> None:
    """Audit a run, and compare the ranking with what was planted."""
    audit_labels(config, open_competition(config.data))
    table = read_table(RunPaths.of(config).label_audit / "labels.csv")
    images = table.sort_values("score", ascending=False, kind="stable").drop_duplicates("image_id", ignore_index=True)
    images["kind"] = images["image_id"].map(dict(zip(done["image_id"], done["kind"], strict=True))).fillna("")
    for line in kind_table(images).to_string(index=False, na_rep="-").splitlines():
        say(line)
    wrong = images["kind"] != ""
    top = round(0.05 * len(images))
    ours, cleanlab = (auroc(images, column) for column in ("score", "distrust"))
    name = f"{config.name}, {int(wrong.sum())} of {len(images)} labels planted"
    bench.claim(f"{name}: AUROC of the ranking", ours, "≥", 0.95)
    bench.claim(f"{name}: precision among the {top} most suspicious (5 %)", float(wrong[:top].mean()), "≥", 0.9)
    bench.claim(f"{name}: AUROC minus that of cleanlab's score on the same maps", ours - cleanlab, ">", 0)
    for kind in ERRORS:
        found = auroc(images[(images["kind"] == kind) | ~wrong], "score")
        bench.claim(f"{name}: AUROC of {kind} labels", found, "≥", 0.9)


def read_table(path: Path) -> pd.DataFrame:
    """A csv with image ids as text; `distrust` is 1 - label_quality where there is that."""
    table = pd.read_csv(path, dtype={"image_id": str}, keep_default_na=False)
    return table.assign(distrust=1 - table["label_quality"]) if "label_quality" in table else table


def auroc(images: pd.DataFrame, column: str) -> float:
    """How often a planted label ranks above another one."""
    return float(roc_auc_score(images["kind"] != "", images[column]))


def kind_table(images: pd.DataFrame) -> pd.DataFrame:
    """One row a kind of error, and one of the labels left alone: the piles they are on, and the reasons given."""
    rows = []
    for kind in [*ERRORS, ""]:
        own = images[images["kind"] == kind]
        piles = {pile: int((own["pile"] == pile).sum()) for pile in PILES}
        rest = images[(images["kind"] == kind) | (images["kind"] == "")]
        row: dict[str, object] = {"kind": kind or "(not planted)", "labels": len(own), **piles}
        if kind:
            row |= {
                "AUROC": round(auroc(rest, "score"), 4),
                "AUROC cleanlab": round(auroc(rest, "distrust"), 4),
                "recall": round(float((own["pile"] != FINE).mean()), 3),
                "right reason": round(float(own["reason"].isin(_REASONS[kind]).mean()), 3),
            }
        rows.append(row)
    suspects = images[images["pile"] != FINE]
    say(f"precision of the {len(suspects)} that are not fine: {(suspects['kind'] != '').mean():.3f}")
    return pd.DataFrame(rows)


def compare_without_suspects(run: Run, options: Options, bench: Bench) -> None:
    """Train again without the suspects; the honest scores of both on the untouched labels."""
    suspects = RunPaths.of(run.load()).label_audit / "suspects.csv"
    root = bench.folder / "without"
    without = Run(run.config, (*run.overrides, f"output_root={root}", f"data.exclude={suspects}"))
    train_and_predict(without, bench)
    tables = []
    for number, trained in enumerate((run, without)):
        # The same predictions, tuned and scored on the labels that the config names.
        own = Run(run.config, (*options.set, f"output_root={bench.folder}/scored{number}")).load()
        for source, target in zip(files_of(trained.load()), files_of(own), strict=True):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source)
        tune(own, open_competition(own.data))
        tables.append(read_table(RunPaths.of(own).image_scores_csv))
    before, after = (table.set_index(["image_id", "class_name"])["honest_score"] for table in tables)
    gain = (after - before.reindex(after.index)).dropna()
    error = float(gain.std() / np.sqrt(len(gain)))
    say(f"honest before {before[gain.index].mean():.5f}, after {after[gain.index].mean():.5f}")
    say(f"gain {gain.mean():+.5f}, 95 % of {gain.mean() - 1.96 * error:+.5f} to {gain.mean() + 1.96 * error:+.5f}")
    text = f"honest gain on {len(gain)} untouched labels by training without the suspects"
    bench.claim(text, float(gain.mean()), ">", 0)


def files_of(config: Config) -> list[Path]:
    """What tuning reads of a run: its folds and its out-of-fold predictions."""
    paths = RunPaths.of(config)
    return [paths.folds_csv] + [paths.oof_parquet(fold) for fold in range(config.folds.count)]


def run(options: Options, bench: Bench) -> None:
    """Plant, audit, compare."""
    if options.config is None:
        state_claims(*drawn_run(bench, options), bench)
        return
    trained, done = trained_run(bench, options)
    state_claims(trained.load(), done, bench)
    if options.retrain:
        compare_without_suspects(trained, options, bench)
