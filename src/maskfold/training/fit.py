"""One fold's training with lightning's Trainer, resumable at any epoch with the same result to the last bit."""

from __future__ import annotations

import logging
import shutil
import sys
import warnings
from pathlib import Path

import lightning as L
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, TQDMProgressBar, WeightAveraging
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from maskfold.config import Config
from maskfold.data.competition import Competition
from maskfold.inference import Runtime
from maskfold.models import build_model
from maskfold.paths import RunPaths, display
from maskfold.provenance import Provenance, whole_file
from maskfold.training.data import FoldData
from maskfold.training.history import HistoryCallback
from maskfold.training.module import MONITOR, FoldModule, epoch_seed


def train_fold(
    config: Config,
    competition: Competition,
    folds: pd.DataFrame,
    fold: int,
    made_from: Provenance,
    accept_code_changes: bool = False,
) -> None:
    """Train one fold and write its chosen weights to model.pt."""
    paths = RunPaths.of(config)
    folder = paths.fold(fold)
    resume_from = _prepare_folder(folder, made_from, accept_code_changes)
    _quiet_lightning()
    torch.manual_seed(epoch_seed(config.seed, fold, 0))
    model = build_model(config.model, len(competition.class_names))
    module = FoldModule(model, config, fold, competition)
    data = FoldData(config, competition, folds, fold, _first_epoch(resume_from))
    best = ModelCheckpoint(folder, "best", monitor=MONITOR, mode="max", enable_version_counter=False)
    last = ModelCheckpoint(folder, "last", enable_version_counter=False)
    history = HistoryCallback(paths.history_csv(fold), folder / "curves.png", f"fold {fold}")
    trainer = _trainer(config, [history, *_averaging(config), *_early_stopping(config), best, last], folder)
    trainer.fit(module, data, ckpt_path=resume_from)
    chosen = best.best_model_path if config.train.select == "best" else str(folder / "last.ckpt")
    if trainer.is_global_zero:
        _write_model(Path(chosen), paths.model(fold))
        made_from.write(paths.model(fold))
        print(f"train: fold {fold} done: {display(paths.model(fold))} ({config.train.select} epoch)", flush=True)


def _prepare_folder(folder: Path, made_from: Provenance, accept_code_changes: bool) -> Path | None:
    """Keep a cut-off training of the same provenance and return its last checkpoint; clear anything else."""
    marker, last = folder / "training_started", folder / "last.ckpt"
    if last.is_file() and not made_from.staleness(marker, accept_code_changes):
        print(f"train: continuing {display(folder)} after its last finished epoch", flush=True)
        return last
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    marker.touch()
    made_from.write(marker)
    return None


def _first_epoch(resume_from: Path | None) -> int:
    """The epoch that comes after the one a checkpoint closed; 0 without a checkpoint."""
    if resume_from is None:
        return 0
    return int(torch.load(resume_from, map_location="cpu", weights_only=True)["epoch"]) + 1


def _trainer(config: Config, callbacks: list[Callback], folder: Path) -> L.Trainer:
    train = config.train
    on_terminal = sys.stdout.isatty()
    if on_terminal:
        callbacks = [*callbacks, TQDMProgressBar(leave=False)]
    return L.Trainer(
        max_epochs=train.epochs,
        accelerator=train.accelerator,
        devices=train.devices,
        num_nodes=train.num_nodes,
        precision="bf16-mixed" if Runtime.of(config).bf16 else "32-true",
        gradient_clip_val=train.gradient_clip,
        callbacks=callbacks,
        logger=TensorBoardLogger(folder, name="tensorboard", version=""),
        log_every_n_steps=1,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # EpochSampler takes its own share
        enable_progress_bar=on_terminal,
        enable_model_summary=False,
    )


def _averaging(config: Config) -> list[Callback]:
    decay = config.train.ema_decay
    if decay is None:
        return []

    def average(averaged: Tensor, current: Tensor, updates: Tensor | int) -> Tensor:
        # The ramp lets the average forget the first, bad weights of a short training.
        now = min(decay, (1 + float(updates)) / (10 + float(updates)))
        if not averaged.is_floating_point():
            return current
        return torch.lerp(current, averaged, now)

    return [WeightAveraging(avg_fn=average)]


def _early_stopping(config: Config) -> list[Callback]:
    patience = config.train.early_stopping_patience
    return [] if patience is None else [EarlyStopping(MONITOR, patience=patience, mode="max")]


def _write_model(checkpoint: Path, path: Path) -> None:
    """Keep only the network's weights of a lightning checkpoint (the averaged ones where EMA is on)."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    prefix = "model."
    weights = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    with whole_file(path) as temporary:
        torch.save(weights, temporary)


def _quiet_lightning() -> None:
    """Silence lightning's advice that does not fit: each pattern names one message."""
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    for message in (
        r".*does not have many workers.*",  # chosen in loader_workers
        r".*Checkpoint directory .* exists and is not empty.*",  # last.ckpt is there on purpose when resuming
        r".*you defined a `validation_step`.*",
        r".*GPU available but not used.*",
        r".*isinstance\(treespec, LeafSpec\).*",  # torch's pytree, called by lightning
    ):
        warnings.filterwarnings("ignore", message=message)
