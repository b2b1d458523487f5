"""Runs side by side: how large each network is, how well it scores, how long it trained and how fast it predicts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from maskfold.artefacts.files import file_hash
from maskfold.artefacts.paths import RunPaths, display
from maskfold.config import Config, Experiment
from maskfold.errors import StaleError
from maskfold.network.architectures import build_network
from maskfold.network.trained import model_hashes
from maskfold.rules.tuned import TunedArtefact
from maskfold.training.summary import fold_summary

# Column of runs.csv -> its header and number format; blank where a stage has not run. Times and sizes are of one fold's
# network, training_min of all folds.
FIGURES = {
    "parameters_m": ("M params", ".2f"),
    "folds": ("models", ""),
    "epochs": ("epochs", ".0f"),
    "validation_loss": ("loss", ".3f"),
    "default": ("default", ".4f"),
    "tuned": ("in use", ".4f"),
    "honest": ("honest", ".4f"),
    "training_min": ("train min", ".0f"),
    "torch_ms": ("torch ms", ".1f"),
    "fastest_ms": ("fastest ms", ".1f"),
    "fastest": ("fastest in", ""),
    "measured_px": ("at px", ""),
    "size_mb": ("disk MB", ".1f"),
}
NAMES = ("data", "run", "architecture", "encoder", "metric")


@dataclass
class RunRow:
    """One run: its figures by the names of `FIGURES` and `NAMES`, and what to run for those that are missing."""

    figures: dict[str, object]
    missing: list[str] = field(default_factory=list)


def trained_folds(config: Config) -> list[int]:
    """The models of an experiment that have weights."""
    paths = RunPaths.of(config)
    return [fold for fold in range(config.folds.models) if paths.model(fold).is_file()]


def run_row(config: Config, file: Path) -> RunRow:
    """All that a run's artefacts say; of a blend the sums over its members.

    file: of the config, for the commands to run.
    """
    members = config.experiments
    model = config.model if isinstance(config, Experiment) else None
    row = RunRow(
        {
            "data": Path(config.data.root).name,
            "run": config.name,
            "architecture": "blend" if model is None else model.architecture,
            "encoder": " + ".join(each.name for each in members) if model is None else model.encoder,
            "metric": config.tuning.metric,
            "parameters_m": sum(_parameters(member) for member in members) / 1e6,
        }
    )
    _add_training(row, config)
    _add_scores(row, config, display(file.resolve()))
    _add_speed(row, config)
    return row


def _parameters(config: Experiment) -> int:
    network = build_network(config.model, len(config.data.class_names), None)
    return sum(each.numel() for each in network.parameters())


def _add_training(row: RunRow, config: Config) -> None:
    """Models, epochs, loss, minutes and the size of the weights."""
    members = config.experiments
    trained = {member.name: trained_folds(member) for member in members}
    wanted = sum(member.folds.models for member in members)
    row.figures["folds"] = f"{sum(map(len, trained.values()))}/{wanted}"
    summaries = [table for table in map(fold_summary, members) if len(table)]
    if len(summaries) == len(members):
        means = [table.iloc[-1] for table in summaries]
        own = [table.iloc[: len(table) - (len(table) > 1)] for table in summaries]  # without the mean
        row.figures["training_min"] = float(sum(table["minutes"].sum() for table in own))
        if isinstance(config, Experiment):
            row.figures |= {"epochs": float(means[0]["epochs"]), "validation_loss": float(means[0]["validation loss"])}
    for member in members:
        if len(trained[member.name]) < member.folds.models:
            row.missing.append(f"{member.name}: not all models are trained: {_command('train', member)}")
    if all(trained.values()):
        files = [RunPaths.of(member).model(trained[member.name][0]) for member in members]
        row.figures["size_mb"] = sum(path.stat().st_size for path in files) / 2**20


def _add_scores(row: RunRow, config: Config, file: str) -> None:
    """The scores of the tuning stage, if they are of the weights that are there now."""
    try:
        hashes = model_hashes(config)
    except StaleError:
        return  # said already
    paths = RunPaths.of(config)
    if not paths.postprocess_json.is_file():
        stages = ["tune_thresholds"]
        if not all(paths.oof_parquet(fold).is_file() for fold in range(config.folds.count)):
            stages.insert(0, "predict_oof")
        commands = " && ".join(f"python src/{stage}.py --config {file}" for stage in stages)
        row.missing.append(f"{config.name}: not tuned: {commands}")
        return
    tuned = TunedArtefact.read(paths.postprocess_json)
    if tuned.checkpoints and set(tuned.checkpoints.values()) != set(hashes.values()):
        commands = " && ".join(f"python src/{stage}.py --config {file}" for stage in ("predict_oof", "tune_thresholds"))
        row.missing.append(f"{config.name}: tuned on other weights than these: {commands}")
        return
    scores = tuned.scores
    row.figures |= {"default": scores.default, "tuned": scores.tuned, "honest": scores.honest}


def _add_speed(row: RunRow, config: Config) -> None:
    """Milliseconds of batch 1 on the CPU; of a blend the sum over its members, which predict one after the other."""
    measured = []
    for member in config.experiments:
        if not trained_folds(member):
            continue
        found = _measured_speed(member)
        if isinstance(found, str):
            row.missing.append(f"{member.name}: {found}: {_command('benchmark_inference', member)}")
        else:
            measured.append(found)
    if len(measured) < len(config.experiments):
        return
    tables = [table.set_index("backend") for table in measured]
    row.figures["torch_ms"] = sum(float(table["mean_ms"].get("torch", float("nan"))) for table in tables)
    shared = sorted(set.intersection(*(set(table.index) for table in tables)))
    sums = {name: sum(float(table.loc[name, "mean_ms"]) for table in tables) for name in shared}
    if sums:
        fastest = min(sums, key=lambda name: sums[name])
        row.figures |= {"fastest_ms": sums[fastest], "fastest": fastest}
    sizes = {f"{table['height'].iloc[0]}x{table['width'].iloc[0]}" for table in tables}
    row.figures["measured_px"] = ", ".join(sorted(sizes))


def _measured_speed(config: Config) -> pd.DataFrame | str:
    """The rows of batch 1 on the CPU of a run's speed table, or why there are none."""
    path = RunPaths.of(config).speed / "speed.csv"
    if not path.is_file():
        return "speed not measured"
    table = pd.read_csv(path, dtype={"weights": str, "note": str}, keep_default_na=True)
    fold = int(table["fold"].iloc[0])
    model = RunPaths.of(config).model(fold)
    if not model.is_file() or not file_hash(model).startswith(str(table["weights"].iloc[0])):
        return "speed measured with other weights than these"
    rows = table[(table["device"] == "cpu") & (table["batch"] == 1) & table["mean_ms"].notna()]
    return rows if len(rows) else "speed not measured on the CPU"


def _command(stage: str, config: Config) -> str:
    return f"python src/{stage}.py --config configs/{config.name}.yaml"


def cells(figures: dict[str, object]) -> list[str]:
    """A row as text, NAMES before FIGURES; "" for what is missing."""
    texts = [str(figures[name]) for name in NAMES]
    for name, (_, form) in FIGURES.items():
        value = figures.get(name)
        texts.append("" if value is None or value != value else format(value, form))
    return texts
