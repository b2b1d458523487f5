"""One fold's training with lightning's Trainer; resumed at any epoch, it gives the same weights bit for bit."""

from __future__ import annotations

import logging
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, TQDMProgressBar, WeightAveraging
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins import MixedPrecision
from torch import Tensor

from maskfold.artefacts.files import whole_file
from maskfold.artefacts.paths import MODEL, RunPaths, display
from maskfold.artefacts.provenance import Provenance, forget
from maskfold.artefacts.step import Step
from maskfold.config import Experiment
from maskfold.data.competition import Competition
from maskfold.errors import TrainingError
from maskfold.execution.processes import is_first_process
from maskfold.execution.signals import Stopped
from maskfold.execution.text import class_words
from maskfold.inference.runtime import Runtime, out_of_memory
from maskfold.network.model import SegmentationModel, check_finite
from maskfold.network.normalisation import IMAGENET, image_normalisation
from maskfold.pixels.intensity import Intensity
from maskfold.tracking.loggers import loggers_of
from maskfold.tracking.record import Record
from maskfold.training.checkpoint_files import LAST, Finished, WholeCheckpoints, finished_in, remove_unneeded
from maskfold.training.checkpoints import chosen_weights
from maskfold.training.clock import TrainingClock
from maskfold.training.continuing import goes_on, longer_phase_hint
from maskfold.training.datamodule import FoldData
from maskfold.training.deep_supervision import DeepSupervision, deep_supervision_of
from maskfold.training.history_callback import HistoryCallback
from maskfold.training.input_sizes import check_network_sizes
from maskfold.training.module import MONITOR, FoldModule, epoch_seed
from maskfold.training.pseudo_labels import PseudoLabels
from maskfold.training.sample_grid import MOST_SAMPLES, draw_samples
from maskfold.training.soups import State, best_soup, validation_score
from maskfold.training.tracking_callback import TrackingCallback
from maskfold.training.warm_start import Start, new_model

_SAMPLES = "samples.png"
_STEP = Step("train")
_CHECKPOINT_SECONDS = 20  # between the checkpoints of a training without validation, whose epochs may take a second


def train_fold(
    config: Experiment,
    competition: Competition,
    folds: pd.DataFrame,
    fold: int,
    made_from: Provenance,
    step: Step = _STEP,
    pseudo: PseudoLabels | None = None,
    intensity: Intensity | None = None,
    start: Start | None = None,
) -> None:
    """Train one fold and write the selected weights to model.pt.

    pseudo: test images added to its training images; intensity: the range of stored values, None: 8 bits as they are;
    start: the weights of a whole network to start from, None: those of the encoder.

    Raises TrainingError when the loss becomes NaN or infinite or the GPU is out of memory, and KeyboardInterrupt after
    Ctrl-C or the SIGTERM that ends a cluster's job; the same call continues after the last finished epoch.
    """
    _quiet_lightning()
    torch.manual_seed(epoch_seed(config.seed, fold, 0))
    # Before the folder is cleared: a network that cannot be built must not delete a finished training.
    model = new_model(config, competition.class_names, fold, intensity, start)
    supervision = _prepare_model(model, config)
    paths, name = RunPaths.of(config), config.model_title(fold)
    folder = paths.training(fold)
    finished = _prepare_folder(folder, made_from, step)
    first_epoch, resume_from = (0, None) if finished is None else (finished.epochs, finished.checkpoint)
    if config.train.compile:
        model.network.compile()  # in place, so that the weights keep their names
    data = FoldData(config, competition, folds, fold, first_epoch, folder, pseudo, intensity)
    if is_first_process():
        _show_data(data, config, pseudo, fold, folder)
    clock = None if config.train.minutes is None else TrainingClock(config.train.minutes)
    module = FoldModule(model, config, fold, competition, data.dataset.image_ids, clock, supervision)
    history = HistoryCallback(paths.history_csv(fold), name, clock)
    own = [history, *([] if clock is None else [clock]), TrackingCallback(config, competition, fold, folder / _SAMPLES)]
    trainer = _trainer(config, folder, own, loggers_of(config.track, Record.of_training(config, fold)))
    _fit(trainer, module, data, resume_from)
    if trainer.is_global_zero:
        score = validation_score(config, competition, data.valid_images, model)
        _write_weights(paths.model(fold), config, name, score)
        made_from.write(paths.model(fold))
        print(f"train: {name} done: {display(paths.model(fold))} ({config.train.select} weights)", flush=True)


def _prepare_model(model: SegmentationModel, config: Experiment) -> DeepSupervision | None:
    """Make a network fit to be trained as the config says, and return the heads that are trained beside it."""
    if config.train.gradient_checkpointing:
        model.checkpoint_gradients()
    check_network_sizes(model, config, [phase.crop_size for phase in config.train.phases() if phase.crop_size])
    return deep_supervision_of(model, config)


def _write_weights(model: Path, config: Experiment, name: str, score: Callable[[State], float]) -> None:
    """Write the selected weights of a finished training, and remove the checkpoints that nothing needs any more."""
    weights = _usable_weights(model.parent, config, name, score)
    remove_unneeded(model.parent)
    with whole_file(model) as temporary, temporary.open("wb") as file:
        torch.save(weights, file)  # not a path: torch would not report a full disk


def _usable_weights(
    folder: Path, config: Experiment, name: str, score: Callable[[State], float]
) -> State | list[State]:
    """The selected weights; `score` of weights chooses a soup. Raises TrainingError when they are NaN or infinite."""
    if config.train.select == "soup":
        weights: State | list[State] = best_soup(folder, name, score)
    else:
        weights = chosen_weights(folder, config.train.select)
    try:
        for state in weights if isinstance(weights, list) else [weights]:
            check_finite(state)
    except ValueError as error:
        raise TrainingError(
            f"{name}: the trained weights cannot be used: {error}; lower train.learning_rate or train.gradient_clip"
        ) from None
    return weights


def _fit(trainer: L.Trainer, module: FoldModule, data: FoldData, resume_from: Path | None) -> None:
    """Run lightning, with the exceptions that train_fold documents."""
    try:
        trainer.fit(module, data, ckpt_path=resume_from)
    except ValueError as error:
        if "Expected more than 1 value per channel" not in str(error):  # torch's batch norm
            raise
        raise TrainingError(
            f"{module.name}: this network's batch norm cannot learn from a batch of one value per channel; raise "
            f"train.batch_size (now {module.config.train.batch_size}), give more training images, or larger ones"
        ) from None
    except (SystemExit, RuntimeError) as error:
        # Lightning exits after either signal; torch may first report loader processes that the signal ended too.
        if trainer.received_sigterm:
            raise Stopped(signal.SIGTERM) from None
        if isinstance(error.__context__, KeyboardInterrupt):
            raise error.__context__ from None
        if isinstance(error, SystemExit) or not out_of_memory(error):
            raise
        train = module.config.train
        raise TrainingError(
            f"{module.name}: GPU out of memory ({str(error).splitlines()[0]}). Lower train.batch_size (now "
            f"{train.batch_size}; train.accumulate_batches keeps the effective batch size) or train.crop_size."
        ) from None


def _show_data(data: FoldData, config: Experiment, pseudo: PseudoLabels | None, fold: int, folder: Path) -> None:
    """Print and draw what the network is trained on."""
    normalisation = image_normalisation(config.model)
    if normalisation != IMAGENET.for_channels(config.model.in_channels):
        print(f"train: pixels are normalised for the weights of {config.model.encoder}: {normalisation}", flush=True)
    if pseudo is not None:
        _show_pseudo_labels(data, pseudo, config.model_title(fold))
    for name in data.absent_classes():
        missing = f"no training image has {class_words(name)}; it cannot be learned"
        print(f"train: warning: {config.model_title(fold)}: {missing}")
    title = f"{config.name}, {config.model_title(fold)}: the first samples, as the network gets them"
    draw_samples(data.first_samples(MOST_SAMPLES), data.class_names, folder / _SAMPLES, title)


def _show_pseudo_labels(data: FoldData, pseudo: PseudoLabels, title: str) -> None:
    """Print how many test images are added to the training images of a model, and how many have each class."""
    assert data.pseudo is not None
    added, presence = len(data.pseudo.images), data.pseudo.presence
    print(
        f"train: {title}: {added} of {len(pseudo.images)} test images, labelled by {pseudo.config.run.name}, are "
        f"added to {len(data.train_images) - added} training images",
        flush=True,
    )
    if added:
        counts = [f"{name} {count}" for name, count in zip(data.class_names, presence.sum(axis=0), strict=True)]
        lowest = data.pseudo.images["confidence"].min()
        empty = int((~presence.any(axis=1)).sum())
        print(f"train: {title}: confidence at least {lowest:.3f}; {empty} empty; classes: {', '.join(counts)}")
    else:
        print(f"train: warning: no test image reaches pseudo_labels.min_confidence, {pseudo.config.min_confidence:g}")


def _prepare_folder(folder: Path, made_from: Provenance, step: Step) -> Finished | None:
    """Keep an interrupted training of the same provenance, or one that is the beginning of what is asked for.

    Returns what it has finished; else clears the folder and returns None.

    A training whose checkpoints are damaged starts again. A finished one is not deleted but kept in <folder>.previous.
    """
    marker = folder / "training_started"
    same = not step.reasons(marker, made_from)
    if same or goes_on(marker, made_from, step):
        try:
            if (finished := finished_in(folder, made_from.part)) is not None:
                if is_first_process():
                    _keep_on(folder, marker, made_from, finished, same)
                return finished
        except ValueError as error:
            if is_first_process():
                print(f"train: {display(folder)} starts again: {error}", flush=True)
    if not is_first_process():
        return None  # the first process clears the folder for all
    if (folder / MODEL).is_file():
        hint = longer_phase_hint(marker, made_from)
        if hint is not None:
            print(f"train: hint: {hint}", flush=True)
        previous = _previous(folder)
        folder.rename(previous)
        print(f"train: the previous training is kept in {display(previous)}", flush=True)
    elif folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    marker.touch()
    made_from.write(marker)
    return None


def _keep_on(folder: Path, marker: Path, made_from: Provenance, finished: Finished, same: bool) -> None:
    """Prepare a training to go on; same: as it began, not as the beginning of a longer one."""
    after = "its last finished epoch" if same else f"its {finished.epochs} epochs, which are the same"
    if finished.lost:  # a damaged checkpoint must not take the place of the one before it
        (folder / LAST).unlink(missing_ok=True)
        after = f"epoch {finished.epochs}: {finished.lost}"
    kept = ""
    model = folder / MODEL
    if not same and model.is_file():  # of the shorter training: it must not pass for the model of the longer one
        previous = _previous(folder)
        shutil.copytree(folder, previous)
        forget(model)
        model.unlink()
        kept = f"; the shorter training is kept in {display(previous)}"
    if not same:
        made_from.write(marker)
    print(f"train: continuing {display(folder)} after {after}{kept}", flush=True)


def _previous(folder: Path) -> Path:
    """Where a finished training is kept when another takes its place; what is there is removed."""
    previous = folder.with_name(f"{folder.name}.previous")
    shutil.rmtree(previous, ignore_errors=True)
    return previous


def _trainer(config: Experiment, folder: Path, own: list[Callback], loggers: list[Logger]) -> L.Trainer:
    train, runtime = config.train, Runtime.of(config)
    on_terminal = sys.stdout.isatty()
    progress: list[Callback] = [TQDMProgressBar(leave=False)] if on_terminal else []
    # Some parameters have no gradient in some epochs: of frozen parts, or of heads that a phase does without.
    idle_heads = len({len(phase.loss.level_weights) for phase in train.phases()}) > 1
    idle = train.frozen_encoder_epochs > 0 or config.model.freeze is not None or idle_heads
    frozen_in_part = idle and train.devices * train.num_nodes > 1
    return L.Trainer(
        max_epochs=train.total_epochs,
        accelerator=train.accelerator,
        devices=train.devices,
        num_nodes=train.num_nodes,
        strategy="ddp_find_unused_parameters_true" if frozen_in_part else "auto",
        precision=None if runtime.fp16 else "bf16-mixed" if runtime.bf16 else "32-true",
        gradient_clip_val=train.gradient_clip,
        accumulate_grad_batches=train.accumulate_batches,
        check_val_every_n_epoch=train.validate_every or 1,
        limit_val_batches=None if train.validate_every else 0,
        reload_dataloaders_every_n_epochs=1 if train.then else 0,  # a phase may change the batch size
        callbacks=[*own, *_averaging(config), *_early_stopping(config), *_checkpoints(config, folder), *progress],
        plugins=[WholeCheckpoints(folder.name), *([_scaled_fp16(runtime.device)] if runtime.fp16 else [])],
        logger=loggers,
        log_every_n_steps=1,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # EpochSampler takes its own share
        enable_progress_bar=on_terminal,
        enable_model_summary=False,
    )


def _scaled_fp16(device: torch.device) -> MixedPrecision:
    """Autocast to fp16 with scaled gradients: unscaled, small ones would be 0. A step whose gradients overflow is left
    out, and the scale halved; checkpoints keep the scale."""
    return MixedPrecision("16-mixed", device.type, torch.amp.GradScaler(device.type))


def _checkpoints(config: Experiment, folder: Path) -> list[Callback]:
    """The top_k best by the validation metric, and last.ckpt after every epoch, from which a training resumes."""
    best = _FoldCheckpoint(
        folder,
        "best-{epoch:03d}",
        auto_insert_metric_name=False,
        monitor=MONITOR,
        mode="max",
        save_top_k=config.train.top_k,
        save_on_train_epoch_end=False,
        enable_version_counter=False,
    )
    if config.train.validate_every is None:
        return [_LastCheckpoint(folder, "last", save_on_train_epoch_end=True, enable_version_counter=False)]
    # After `best`, whose state it saves, and after every epoch, validated or not.
    last = _FoldCheckpoint(folder, "last", save_on_train_epoch_end=True, enable_version_counter=False)
    return [best, last]


class _FoldCheckpoint(ModelCheckpoint):
    """Checkpoints that are still known after the run's folder was moved or copied between two starts."""

    @property
    def state_key(self) -> str:
        """The key of lightning's own class, under which trainings begun by earlier versions keep this."""
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the list of a checkpoint, with the paths that its files have now: lightning drops it otherwise."""
        folder = Path(self.dirpath or "")

        def here(path: str) -> str:
            """The path now; there may be none."""
            return str(folder / Path(path).name) if path else path

        names = ("best_model_path", "kth_best_model_path", "last_model_path")
        moved = {name: here(state_dict[name]) for name in names if name in state_dict}
        kept = {here(path): score for path, score in state_dict.get("best_k_models", {}).items()}
        super().load_state_dict(state_dict | moved | {"best_k_models": kept, "dirpath": self.dirpath})


class _LastCheckpoint(_FoldCheckpoint):
    """last.ckpt after an epoch, but not before _CHECKPOINT_SECONDS have passed, and when the training ends."""

    saved = 0.0

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save it, if it is time."""
        ends = trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs
        if ends or time.monotonic() - self.saved > _CHECKPOINT_SECONDS:
            super().on_train_epoch_end(trainer, pl_module)
            self.saved = time.monotonic()


def _averaging(config: Experiment) -> list[Callback]:
    decay = config.train.ema_decay
    if decay is None:
        return []

    def average(averaged: list[Tensor], current: list[Tensor], updates: Tensor | int) -> None:
        """Update the moving average of the weights in place."""
        # A lower decay at the start, so that the average of a short training drops the first, bad weights.
        now = min(decay, (1 + float(updates)) / (10 + float(updates)))
        if averaged[0].is_floating_point():
            torch._foreach_lerp_(averaged, current, 1 - now)  # all tensors in one call: a network has hundreds
        else:
            torch._foreach_copy_(averaged, current)

    return [WeightAveraging(multi_avg_fn=average)]


def _early_stopping(config: Experiment) -> list[Callback]:
    patience = config.train.early_stopping_patience
    return [] if patience is None else [EarlyStopping(MONITOR, patience=patience, mode="max")]


def _quiet_lightning() -> None:
    """Silence advice of lightning that does not apply here, one pattern a message."""
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    for message in (
        r".*does not have many workers.*",  # chosen in loader_workers
        r".*Checkpoint directory .* exists and is not empty.*",  # last.ckpt is there on purpose when resuming
        r".*you defined a `validation_step`.*",
        r".*GPU available but not used.*",
        r".*lr_scheduler.step\(\).* before .*optimizer.step\(\).*",  # fp16 leaves out steps while it finds its scale
        r".*isinstance\(treespec, LeafSpec\).*",  # torch's pytree, called by lightning
        r".*It is recommended to use `self.log\(.*sync_dist=True\).*",  # all processes log the same, gathered values
    ):
        warnings.filterwarnings("ignore", message=message)
