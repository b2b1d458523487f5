"""How far a run is, from its files alone: for another terminal, or another machine that sees the same folder."""

from __future__ import annotations

import sys
import time
from dataclasses import astuple, dataclass

from rich.console import Console
from rich.live import Live
from rich.table import Table

from maskfold.artefacts.lock import at_work
from maskfold.artefacts.paths import RunPaths, display
from maskfold.config import Config, Experiment
from maskfold.execution.console import print_table, table_of
from maskfold.training.history import usable_history

STAGES = ("make_folds", "train", "predict_oof", "tune_thresholds", "make_submission", "make_report")
_LATEST_EPOCHS = 3  # whose speed tells the time left


@dataclass(frozen=True)
class ModelState:
    """How far one model is, as text: what it is called; trained, training, interrupted or waiting; epochs done of all;
    the last training loss and validation metric; seconds of an epoch; minutes left."""

    title: str
    state: str
    epochs: str
    loss: str
    metric: str
    epoch_seconds: str
    left: str


def model_states(config: Experiment) -> list[ModelState]:
    """How far each model of an experiment is."""
    paths = RunPaths.of(config)
    training = at_work(paths, "train") is not None
    return [_model_state(config, paths, number, training) for number in range(config.models)]


def _model_state(config: Experiment, paths: RunPaths, number: int, training: bool) -> ModelState:
    history = usable_history(paths.history_csv(number))
    refit = config.refit if number in config.refit_numbers else None
    epochs = config.train.total_epochs if refit is None or refit.epochs is None else refit.epochs
    begun = (paths.training(number) / "training_started").is_file()
    trained = paths.model(number).is_file()
    state = "trained" if trained else ("training" if training else "interrupted") if begun else "waiting"
    if history is None:
        return ModelState(config.model_title(number), state, f"0/{epochs}", "", "", "", "")
    last, done = history.iloc[-1], len(history)
    metric = history["valid_metric"].dropna()
    seconds = float(history["seconds"].tail(_LATEST_EPOCHS).mean())
    left = f"{seconds * (epochs - done) / 60:.0f}" if state == "training" else ""
    return ModelState(
        config.model_title(number),
        state,
        f"{done}/{epochs}",
        f"{last['train_loss']:.3f}",
        f"{metric.iloc[-1]:.4f}" if len(metric) else "",
        f"{seconds:.0f}",
        left,
    )


def state_table(config: Config) -> Table:
    """How far all models of a run, or of a blend's members, are."""
    several = len(config.experiments) > 1
    table = table_of(["model", "state"], ["epochs", "loss", config.tuning.metric, "seconds an epoch", "minutes left"])
    for run in config.experiments:
        for state in model_states(run):
            cells = astuple(state)
            table.add_row(f"{run.name}, {cells[0]}" if several else cells[0], *cells[1:])
    return table


def stage_line(config: Config) -> str:
    """What is at work, and what is there after the training."""
    paths = RunPaths.of(config)
    workers = [f"{stage} ({who})" for stage in STAGES if (who := at_work(paths, stage)) is not None]
    oof = sum(paths.oof_parquet(fold).is_file() for fold in range(config.folds.count))
    made = [f"OOF {oof} of {config.folds.count} {config.folds.part_word}s"]
    for path in (paths.postprocess_json, paths.submission(config.submission.layout), paths.report / "index.html"):
        made += [display(path)] if path.exists() else []
    return f"at work: {', '.join(workers) or 'nothing'}; there: {', '.join(made)}"


def watch(config: Config, every: float, once: bool) -> None:
    """Show how far a run is until nothing is at work on it; into a log, print it whenever it changes.

    every: seconds between two looks; once: look only once.
    """
    if once or not sys.stdout.isatty():
        _print_changes(config, every, once)
        return
    console = Console(markup=False, emoji=False)
    with Live(state_table(config), console=console, auto_refresh=False) as live:
        while True:
            table = state_table(config)
            table.caption = f"{config.name}, {time.strftime('%H:%M:%S')}; {stage_line(config)}"
            live.update(table, refresh=True)
            if not _any_at_work(config):
                return
            time.sleep(every)


def _print_changes(config: Config, every: float, once: bool) -> None:
    before = ""
    while True:
        table, line = state_table(config), stage_line(config)
        now = f"{line} {[list(column.cells) for column in table.columns]}"
        if now != before:
            print(f"{config.name}, {time.strftime('%H:%M:%S')}; {line}", flush=True)
            print_table(table)
            before = now
        if once or not _any_at_work(config):
            return
        time.sleep(every)


def _any_at_work(config: Config) -> bool:
    runs = {run.name: run for run in (config, *config.experiments)}.values()
    return any(at_work(RunPaths.of(run), stage) is not None for run in runs for stage in STAGES)
