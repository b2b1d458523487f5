"""Tuning and report, and what of them is sent to the trackers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from maskfold.artefacts.files import file_hash
from maskfold.artefacts.paths import RunPaths, display
from maskfold.config import Config
from maskfold.data.competition import Competition
from maskfold.rules.in_use import honest_in_use, score_in_use
from maskfold.rules.text import rule_text
from maskfold.rules.tuned import TunedArtefact
from maskfold.stages.make_report import make_report
from maskfold.stages.tune_thresholds import tune
from maskfold.tracking.checks import check_trackers
from maskfold.tracking.record import Record

if TYPE_CHECKING:
    from maskfold.tracking.guarded import Guarded

_GALLERIES = ("oof", "test")  # folders of the report, with a picture of every image
_MOST_BYTES = 100 * 2**20  # of a report that is sent whole


def tune_and_track(config: Config, competition: Competition, accept_code_changes: bool = False) -> TunedArtefact:
    """The tuning stage; the scores and rules go to the trackers, unless they have them."""
    check_trackers(config.track)
    tuned = tune(config, competition, accept_code_changes)

    def send(logger: Guarded) -> None:
        """The means as figures, the table, and the file."""
        from maskfold.tracking.contents import give_files, give_table
        from maskfold.tracking.parameters import parameters

        logger.log_hyperparams(parameters(config))
        logger.log_metrics({f"{tuned.metric}_{name}": value for name, value in tuned.scores.model_dump().items()}, 0)
        give_table([logger], "scores", score_table(tuned))
        path = RunPaths.of(config).postprocess_json
        give_files([logger], "rules", path.parent, [path])

    _track(config, "scores", send)
    return tuned


def report_and_track(config: Config, competition: Competition, accept_code_changes: bool = False) -> None:
    """The report stage; the report goes to the trackers that keep files, unless they have it."""
    check_trackers(config.track)
    make_report(config, competition, accept_code_changes)
    folder = RunPaths.of(config).report

    def send(logger: Guarded) -> None:
        """All files of the report, or those of its first page where the galleries are large."""
        from maskfold.tracking.contents import give_files

        give_files([logger], "report", folder, _report_files(folder))

    _track(config, f"report {file_hash(folder / 'index.html')}", send)


def score_table(tuned: TunedArtefact) -> pd.DataFrame:
    """One row a class: the rule in use, and its scores."""
    return pd.DataFrame(
        {
            "class": entry.class_name,
            "in use": entry.used,
            "rule": rule_text(entry.rule),
            "all empty": entry.scores.all_empty,
            "default": entry.scores.default,
            "score": score_in_use(entry),
            "honest": honest_in_use(entry),
        }
        for entry in tuned.classes
    )


def _report_files(folder: Path) -> list[Path]:
    """The files of a report that are sent."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    size = sum(path.stat().st_size for path in files)
    if size <= _MOST_BYTES:
        return files
    print(
        f"track: {display(folder)} has {size / 2**20:.0f} MB: its first page is sent, the galleries are not", flush=True
    )
    return [path for path in files if path.relative_to(folder).parts[0] not in _GALLERIES]


def _track(config: Config, what: str, send: Callable[[Guarded], None]) -> None:
    """Send something of the tuned run to each tracker that has not got it; TensorBoard is for trainings alone."""
    trackers = [tracker for tracker in config.track if tracker != "tensorboard"]
    if not trackers:
        return
    record = Record.of_scores(config, file_hash(RunPaths.of(config).postprocess_json))
    due = [tracker for tracker in trackers if not record.has(tracker, what)]
    if not due:
        return
    from maskfold.tracking.loggers import guarded_logger  # torch and lightning take seconds to import

    for tracker in due:
        logger = guarded_logger(tracker, record)
        send(logger)
        logger.finalize("success")
        if logger.complete:
            record.remember(logger.tracker, sent=what)
