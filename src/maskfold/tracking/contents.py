"""Pictures, tables and files in each tracker, as far as it has room for them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from PIL import Image

from maskfold.tracking.guarded import Call, Guarded


def give(loggers: Sequence[Logger], call: Call) -> None:
    """Give each logger to a function; a guarded one when its tracker is there."""
    for logger in loggers:
        if isinstance(logger, Guarded):
            logger.do(call)
        else:
            call(logger)


def give_picture(loggers: Sequence[Logger], key: str, picture: np.ndarray, step: int) -> None:
    """Send a picture, (H, W, 3) uint8 RGB, to each tracker."""
    give(loggers, partial(_picture, key=key, picture=picture, step=step))


def _picture(logger: Logger, key: str, picture: np.ndarray, step: int) -> None:
    if isinstance(logger, TensorBoardLogger):
        logger.experiment.add_image(key, picture, step, dataformats="HWC")
    elif isinstance(logger, WandbLogger):
        logger.log_image(key, [picture], step)
    elif isinstance(logger, MLFlowLogger):
        logger.experiment.log_image(logger.run_id, picture, artifact_file=f"{key}/{step:07d}.png")
    elif isinstance(logger, CSVLogger):
        folder = Path(logger.log_dir)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / f"{key}.png")  # the latest alone


def give_table(loggers: Sequence[Logger], key: str, table: pd.DataFrame) -> None:
    """Send a table to each tracker but TensorBoard, which has none."""
    give(loggers, partial(_table, key=key, table=table))


def _table(logger: Logger, key: str, table: pd.DataFrame) -> None:
    if isinstance(logger, WandbLogger):
        logger.log_table(key, dataframe=table)
    elif isinstance(logger, MLFlowLogger):
        logger.experiment.log_text(logger.run_id, table.to_csv(index=False), f"{key}.csv")
    elif isinstance(logger, CSVLogger):
        folder = Path(logger.log_dir)
        folder.mkdir(parents=True, exist_ok=True)
        table.to_csv(folder / f"{key}.csv", index=False)


def give_files(loggers: Sequence[Logger], key: str, folder: Path, files: Sequence[Path]) -> None:
    """Send files as an artefact to the trackers that keep them, MLflow and wandb; files: below `folder`."""
    give(loggers, partial(_files, key=key, folder=folder, files=files))


def _files(logger: Logger, key: str, folder: Path, files: Sequence[Path]) -> None:
    if isinstance(logger, WandbLogger):
        import wandb

        artefact = wandb.Artifact(f"{logger.experiment.group}-{key}", type=key)
        for file in files:
            artefact.add_file(str(file), name=file.relative_to(folder).as_posix())
        logger.experiment.log_artifact(artefact)
    elif isinstance(logger, MLFlowLogger):
        for file in files:
            place = (Path(key) / file.relative_to(folder)).parent.as_posix()
            logger.experiment.log_artifact(logger.run_id, str(file), place)
