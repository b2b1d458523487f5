"""The submission stage: test images through TTA and all folds, post-processed, encoded, and written whole.

The images go through in shards; a finished shard holds only run lengths, so memory and disk stay small and a killed run
continues at the first shard that is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
import pandas as pd

from maskfold.answer_form import answer_file
from maskfold.answer_shards import read_shard, write_shard
from maskfold.config import Config
from maskfold.data.competition import Competition
from maskfold.ensemble import inference_settings, model_hashes, network_settings, tta_of
from maskfold.executor import run_jobs
from maskfold.paths import RunPaths, display
from maskfold.postprocess import TunedArtefact, apply_rule
from maskfold.progress import tracked
from maskfold.provenance import Provenance, StaleError, code_version, file_hash, whole_file
from maskfold.rle import Order
from maskfold.submission import AnswerRow, encode_image, write_submission

if TYPE_CHECKING:
    from maskfold.inference import Prediction


def make_submission(config: Config, competition: Competition, accept_code_changes: bool = False) -> None:
    """Predict the test images shard by shard with all folds, post-process, and write the submission whole."""
    if competition.test.empty:
        print("make_submission: nothing to do: the config names no test images (data.test_images), skipped")
        return
    paths = RunPaths.of(config)
    submission = paths.submission(config.submission.layout)
    answer_file(competition, config.submission)  # what does not fit is better known before hours of prediction
    tuned = checked_artefact(config)
    made_from = Provenance(
        "make_submission",
        {**inference_settings(config), "submission": config.submission.model_dump()},
        {**competition.test_inputs(), **model_hashes(config), "postprocess.json": file_hash(paths.postprocess_json)},
        code_version("maskfold.final_prediction"),
    )
    if not made_from.announced(submission, accept_code_changes):
        return
    shards = _finished_shards(config, competition, tuned, _shards_made_from(config, made_from), accept_code_changes)
    rows = chain.from_iterable(map(read_shard, shards))
    write_submission(chain(rows, _blank_rows(competition)), competition, config.submission, submission)
    _write_bad_images(competition, paths.bad_images_csv)
    made_from.write(submission)
    print(f"make_submission: wrote {display(submission)}, {len(competition.test)} images, decoded and checked")


def _shards_made_from(config: Config, answer: Provenance) -> Provenance:
    """What the shards depend on: less of the answer's form, so that another form needs no new prediction."""
    settings = {name: value for name, value in answer.settings.items() if name != "submission"}
    parts = {"submission.order": config.submission.order, "inference.shard_images": config.inference.shard_images}
    inputs = {name: digest for name, digest in answer.inputs.items() if name != "sample submission"}
    return replace(answer, settings=settings | parts, inputs=inputs)


def _blank_rows(competition: Competition) -> Iterator[AnswerRow]:
    """An empty mask of every class for each test image that cannot be read."""
    classes = range(len(competition.class_names))
    return (AnswerRow(image_id, index, "") for image_id in competition.unreadable for index in classes)


def _write_bad_images(competition: Competition, path: Path) -> None:
    """Name the test images that could not be read, on the screen and in a csv; without any there is no csv."""
    if not competition.unreadable:
        path.unlink(missing_ok=True)
        return
    for image_id, reason in competition.unreadable.items():
        print(f"make_submission: warning: test image {image_id} is answered with empty masks: {reason}", flush=True)
    with whole_file(path) as temporary:
        table = pd.DataFrame(competition.unreadable.items(), columns=["image_id", "reason"])
        table.to_csv(temporary, index=False)
    print(f"make_submission: wrote {display(path)}, which names them")


def checked_artefact(config: Config) -> TunedArtefact:
    """postprocess.json, if it was tuned on the OOF of these models with this TTA; StaleError says what to run."""
    paths = RunPaths.of(config)
    option = f"--config configs/{config.name}.yaml"
    if not paths.postprocess_json.is_file():
        raise StaleError(
            f"{display(paths.postprocess_json)}: not there yet; run `python src/tune_thresholds.py {option}`"
        )
    tuned = TunedArtefact.read(paths.postprocess_json)
    problems = []
    hashes, views = model_hashes(config), tta_of(config)
    changed = sorted(name for name in {*hashes, *tuned.checkpoints} if hashes.get(name) != tuned.checkpoints.get(name))
    if changed:
        problems.append(f"it was tuned on other models than the trained ones ({', '.join(changed)})")
    if tuned.tta != views:
        problems.append(f"it was tuned with TTA {list(tuned.tta)}, the config says {list(views)}")
    told = tuned.predicted_with or {}
    problems += [
        f"it was tuned with {key}: {told[key]}, the config says {value}"
        for key, value in network_settings(config).items()
        if key in told and told[key] != value
    ]
    combine = None if config.blend is None else config.blend.combine
    if tuned.combine != combine:
        problems.append(f"its members were combined by {tuned.combine}, the config says {combine}")
    names = [entry.class_name for entry in tuned.classes]
    if names != list(config.data.class_names):
        problems.append(f"it is for the classes {names}, the config names {list(config.data.class_names)}")
    if problems:
        runs = [*_stale_members(config, changed), config]
        stages = [f"predict_oof.py --config configs/{run.name}.yaml" for run in runs] + [f"tune_thresholds.py {option}"]
        commands = [f"`python src/{stage}`" for stage in stages]
        raise StaleError(
            f"{display(paths.postprocess_json)} does not fit: {'; '.join(problems)}; run {', then '.join(commands)}"
        )
    return tuned


def _stale_members(config: Config, changed: Sequence[str]) -> list[Config]:
    """The members of a blend with a model among `changed` (<member>/fold0, …)."""
    names = {name.partition("/")[0] for name in changed}
    return [] if config.blend is None else [member for member in config.blend.members if member.name in names]


def _finished_shards(
    config: Config,
    competition: Competition,
    tuned: TunedArtefact,
    made_from: Provenance,
    accept_code_changes: bool,
) -> list[Path]:
    """The paths of all shards, in order, after making those that are missing or stale."""
    folder = RunPaths.of(config).submission_shards
    size = config.inference.shard_images
    images = competition.readable_test
    tables = [images.iloc[start : start + size] for start in range(0, len(images), size)]
    shards = [folder / f"shard{number:05d}.parquet" for number in range(len(tables))]
    jobs = [
        ShardJob(config, tuned, table, path, f"test images, shard {number} of {len(shards)}", made_from)
        for number, (path, table) in enumerate(zip(shards, tables, strict=True), 1)
        if made_from.staleness(path, accept_code_changes)
    ]
    for _ in run_jobs(_predict_shard, jobs):
        pass  # each shard is renamed into place when whole; nothing comes back
    return shards


class ShardJob(NamedTuple):
    """Some test images (image_id, path, height, width) to answer, and where the answer rows go."""

    config: Config
    tuned: TunedArtefact
    images: pd.DataFrame
    path: Path
    title: str
    made_from: Provenance


def _predict_shard(job: ShardJob) -> None:
    """Make one shard of answer rows."""
    write_shard(job.path, answer_images(job.config, job.tuned, job.images, job.title))
    job.made_from.write(job.path)


def answer_images(config: Config, tuned: TunedArtefact, images: pd.DataFrame, title: str) -> Iterator[AnswerRow]:
    """From image files to run lengths with all folds, image by image as they are asked for, batch by batch.

    Of a blend with all folds of its members. images: image_id, path, height, width. The models stay loaded for the next
    call of this process.
    """
    # torch takes seconds to import, and a fresh stage does not need it.
    from maskfold.ensemble_prediction import predict_ensemble

    predictions = predict_ensemble(config, tuned.ensemble_weights, images)
    return _answer_rows(tracked(predictions, len(images), title), tuned, config.submission.order)


def _answer_rows(predictions: Iterable[Prediction], tuned: TunedArtefact, order: Order) -> Iterator[AnswerRow]:
    """Post-processed and encoded predictions; the score of a mask is its mean probability."""
    for image_id, prob_maps, class_prob in predictions:
        present = [None] * len(prob_maps) if class_prob is None else class_prob.tolist()
        masks = [
            apply_rule(prob, entry.rule, gate)
            for prob, entry, gate in zip(prob_maps, tuned.classes, present, strict=True)
        ]
        texts = encode_image(np.stack(masks), order)
        for index, (prob, mask, text) in enumerate(zip(prob_maps, masks, texts, strict=True)):
            yield AnswerRow(image_id, index, text, cv2.mean(prob, mask=mask)[0] / 255)
