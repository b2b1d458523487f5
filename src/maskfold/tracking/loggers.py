"""Lightning's logger of each tracker, for one record."""

from __future__ import annotations

import importlib
import logging
import os
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from time import time

from filelock import FileLock
from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from maskfold.artefacts.paths import display
from maskfold.tracking.checks import wandb_is_offline
from maskfold.tracking.guarded import Guarded
from maskfold.tracking.record import Record

_PROJECT = "maskfold"
# Of MLflow's own 7 tries and 2 minutes each a training would wait for a quarter of an hour.
_MLFLOW = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
_WANDB_INIT_SECONDS, _WANDB_FINISH_SECONDS = 30, 60


def loggers_of(trackers: Sequence[str], record: Record) -> list[Logger]:
    """The loggers of a record, in the order of `track`; but for TensorBoard, failures of one do not end the work."""
    return [
        TensorBoardLogger(record.folder, name="tensorboard", version="")
        if tracker == "tensorboard"
        else guarded_logger(tracker, record)
        for tracker in trackers
    ]


def guarded_logger(tracker: str, record: Record) -> Guarded:
    """The logger of csv, mlflow or wandb, whose failures do not end the work."""
    return Guarded(tracker, record, _OPEN[tracker])


def _csv(record: Record) -> Logger:
    """runs/<name>/fold<k>/csv/version_<n>, with n counting the starts of a training."""
    return CSVLogger(record.folder, name="csv", flush_logs_every_n_steps=1)


def _mlflow(record: Record) -> Logger:
    """A record in MLflow: on the server of MLFLOW_TRACKING_URI, else in a SQLite file."""
    for variable, value in _MLFLOW.items():
        os.environ.setdefault(variable, value)
    importlib.import_module("mlflow")  # which sets how much it says
    for noisy in ("mlflow", "alembic", "lightning.pytorch.loggers.mlflow"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    address, artefacts = os.environ.get("MLFLOW_TRACKING_URI"), None
    if address is None:
        record.store.mkdir(parents=True, exist_ok=True)
        address = f"sqlite:///{record.store / 'mlflow.db'}"
        artefacts = (record.store / "mlflow").as_uri()
    with FileLock(record.store / "mlflow.lock", fallback_to_soft=False) if artefacts else nullcontext():
        logger = _opened_mlflow(record, address, artefacts)  # two trainings side by side must not make one database
    if artefacts:
        os.environ.pop("MLFLOW_TRACKING_URI", None)  # where lightning keeps the address
    return logger


def _opened_mlflow(record: Record, address: str, artefacts: str | None) -> Logger:
    known = record.id_of("mlflow")
    logger = _MlflowLogger(
        experiment_name=os.environ.get("MLFLOW_EXPERIMENT_NAME", _PROJECT),
        run_name=record.title,
        tracking_uri=address,
        tags={"run": record.group},
        artifact_location=artefacts,
        run_id=known,
    )
    made = logger.run_id
    where = display(record.store / "mlflow.db") if artefacts else re.sub(r"//[^/@]*@", "//", address)
    if known is None and made is not None:
        record.remember("mlflow", made)
        print(f"track: mlflow: {record.title} in {where}", flush=True)
    return logger


class _MlflowLogger(MLFlowLogger):
    """Lightning's logger removes all letters but those of ASCII from names of metrics, so that two may become one."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Send figures; letters that MLflow refuses are written as their code."""
        from mlflow.entities import Metric

        now = int(time() * 1000)
        named = {re.sub(r"[^\w/.\- :]", lambda found: f"_{ord(found[0]):x}_", key): metrics[key] for key in metrics}
        entries = [Metric(key, float(value), now, step or 0) for key, value in named.items()]
        self.experiment.log_batch(run_id=self.run_id, metrics=entries)


def _wandb(record: Record) -> Logger:
    """A record in wandb; offline ones lie in trackers/wandb."""
    import wandb

    record.store.mkdir(parents=True, exist_ok=True)
    known = record.id_of("wandb")
    record_id = known or uuid.uuid4().hex[:8]
    os.environ.setdefault("WANDB_SILENT", "true")
    settings = wandb.Settings(
        silent=True,
        console="off",
        init_timeout=_WANDB_INIT_SECONDS,
        finish_timeout=_WANDB_FINISH_SECONDS,
        finish_timeout_raises=True,
    )
    logger = WandbLogger(
        name=record.title,
        save_dir=record.store,
        id=record_id,
        project=os.environ.get("WANDB_PROJECT", _PROJECT),
        group=record.group,
        settings=settings,
    )
    run = logger.experiment  # starts wandb, or fails
    if known is None:
        record.remember("wandb", record_id)
    folder, more = display(Path(run.dir).parent), "--append " if known else ""
    where = f"offline; send it with: wandb sync {more}{folder}" if wandb_is_offline() else str(run.url)
    print(f"track: wandb: {record.title}, {where}", flush=True)
    return logger


_OPEN: dict[str, Callable[[Record], Logger]] = {"csv": _csv, "mlflow": _mlflow, "wandb": _wandb}
