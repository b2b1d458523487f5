"""The submission stage: test images through TTA and all folds, post-processed, encoded, and written whole.

The images go through in shards; a finished shard holds only run lengths, so memory and disk stay small and a killed run
continues at the first shard that is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from maskfold.artefacts.code_version import code_version
from maskfold.artefacts.files import file_hash, whole_file
from maskfold.artefacts.lock import one_writer
from maskfold.artefacts.paths import RunPaths, display
from maskfold.artefacts.provenance import Provenance
from maskfold.artefacts.step import Step
from maskfold.config import Config, RleCsvData
from maskfold.config.submission import ROWS_OF_OBJECTS
from maskfold.data.competition import Competition
from maskfold.data.volumes.missing import missing_neighbours
from maskfold.execution.job import Job
from maskfold.execution.text import spreadsheet
from maskfold.network.trained import (
    inference_settings,
    model_hashes,
)
from maskfold.rules.tuned import TunedArtefact
from maskfold.stages.side_by_side import do_jobs, prediction_workers
from maskfold.submission.form import submission_form
from maskfold.submission.predicting import predict_rows
from maskfold.submission.shards import read_shard, write_shard
from maskfold.submission.usable_rules import EDITED_RULES, checked_artefact
from maskfold.submission.writing import SubmissionRow, write_submission


@one_writer("make_submission")
def make_submission(
    config: Config, competition: Competition, accept_code_changes: bool = False, rules: Path | None = None
) -> None:
    """Predict the test images shard by shard with all folds, post-process, and write the submission whole.

    rules: a file like postprocess.json that was edited by hand, to be used instead of it.
    """
    step = Step("make_submission", accept_code_changes)
    if competition.test.empty:
        step.say("nothing to do: the config names no test images (data.test_images), skipped")
        return
    paths = RunPaths.of(config)
    submission = paths.submission(config.submission.layout)
    submission_form(competition, config.submission)  # what does not fit is better known before hours of prediction
    if _may_want_objects(config):
        step.say(
            "the labels have a row for each object; if the competition wants that too, set submission.rows: object"
        )
    tuned = checked_artefact(config, rules)
    rules_json, label = (paths.postprocess_json, "postprocess.json") if rules is None else (rules, EDITED_RULES)
    if rules is not None:
        step.say(f"warning: the rules of {display(rules)}, {EDITED_RULES}, are used; no score was measured for them")
    models = model_hashes(config, refit=True)
    made_from = Provenance(
        "make_submission",
        {**inference_settings(config), "submission": config.submission.settings()},
        {**competition.test_inputs(), **models, label: file_hash(rules_json)},
        code_version("submission"),
    )
    if not step.due(submission, made_from):
        return
    for neighbours in dict.fromkeys(run.model.neighbours for run in config.experiments):
        if neighbours and (missing := missing_neighbours(competition.readable_test, neighbours, "test images")):
            step.say(missing)
    step.begin(submission)
    shards = _finished_shards(config, competition, tuned, _shards_made_from(config, made_from), step)
    rows = chain.from_iterable(map(read_shard, shards))
    write_submission(chain(rows, _blank_rows(competition)), competition, config.submission, submission)
    _write_bad_images(competition, paths.bad_images_csv, step)
    also = [paths.bad_images_csv] if competition.unreadable else []
    step.done(submission, made_from, f", {len(competition.test)} images, decoded and checked", also)


def _may_want_objects(config: Config) -> bool:
    """Whether the labels have a row for each object, and the config does not say what the submission has."""
    submission, of_objects = (
        config.submission,
        isinstance(config.data, RleCsvData) and config.data.several_rows == "union",
    )
    return of_objects and submission.layout in ROWS_OF_OBJECTS and "rows" not in submission.model_fields_set


def _shards_made_from(config: Config, submission: Provenance) -> Provenance:
    """What the shards depend on: less of the submission's form, so that another form needs no new prediction."""
    settings = {name: value for name, value in submission.settings.items() if name != "submission"}
    parts: dict[str, object] = {
        "submission.order": config.submission.pixel_order,
        "submission.size": config.submission.size,
        "inference.shard_images": config.inference.shard_images,
    }
    if config.submission.rows == "object":
        parts["submission.rows"] = "object"  # they have scores of objects
    inputs = {name: digest for name, digest in submission.inputs.items() if name != "sample submission"}
    return replace(submission, settings=settings | parts, inputs=inputs)


def _blank_rows(competition: Competition) -> Iterator[SubmissionRow]:
    """An empty mask of every class for each test image that cannot be read."""
    classes = range(len(competition.class_names))
    return (SubmissionRow(image_id, index, "") for image_id in competition.unreadable for index in classes)


def _write_bad_images(competition: Competition, path: Path, step: Step) -> None:
    """Name the test images that could not be read, on the screen and in a csv; without any there is no csv."""
    if not competition.unreadable:
        path.unlink(missing_ok=True)
        return
    for image_id, reason in competition.unreadable.items():
        step.say(f"warning: test image {image_id} gets empty masks: {reason}")
    with whole_file(path) as temporary:
        table = pd.DataFrame(competition.unreadable.items(), columns=["image_id", "reason"])
        spreadsheet(table).to_csv(temporary, index=False)
    step.wrote(path, ", which names them")


def _finished_shards(
    config: Config,
    competition: Competition,
    tuned: TunedArtefact,
    made_from: Provenance,
    step: Step,
) -> list[Path]:
    """The paths of all shards, in order, after making those that are missing or stale."""
    folder = RunPaths.of(config).submission_shards
    size = config.inference.shard_images
    images = competition.readable_test
    tables = [images.iloc[start : start + size] for start in range(0, len(images), size)]
    shards = [folder / f"shard{number:05d}.parquet" for number in range(len(tables))]
    jobs = [
        ShardJob(config, tuned, table, path, f"test images, shard {number} of {len(shards)}", made)
        for number, (path, table) in enumerate(zip(shards, tables, strict=True), 1)
        if step.reasons(path, made := replace(made_from, part=f"shard{number - 1}", run=config.name))
    ]
    if jobs and (workers := prediction_workers(config, len(jobs))) != 1:
        do_jobs(step.name, [_in_worker(job) for job in jobs], config, workers)
    else:
        for place, job in enumerate(jobs):
            predict_shard(job._replace(after=sum(len(later.images) for later in jobs[place + 1 :])))
    return shards


class ShardJob(NamedTuple):
    """Some test images (image_id, path, height, width) to predict, and where the rows go.

    after: how many images follow them in this process.
    """

    config: Config
    tuned: TunedArtefact
    images: pd.DataFrame
    path: Path
    title: str
    made_from: Provenance
    after: int = 0


def _in_worker(job: ShardJob) -> Job:
    """One shard for a worker."""
    log = RunPaths.of(job.config).job_log("make_submission", job.path.stem)
    return Job(job.title, predict_shard, (job,), job.path, log)


def predict_shard(job: ShardJob) -> None:
    """Make one shard of rows, unless another attempt has."""
    if not job.made_from.staleness(job.path):
        return
    rows = predict_rows(job.config, job.tuned, job.images, job.title, job.made_from.inputs, job.after)
    write_shard(job.path, rows)
    job.made_from.write(job.path)
