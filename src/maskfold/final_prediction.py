"""The submission stage: test images through TTA and all folds, post-processed, encoded, and written whole.

The images go through in shards; a finished shard holds only run lengths, so memory and disk stay small and a killed run
continues at the first shard that is missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from maskfold.config import Config, ModelConfig
from maskfold.data.competition import Competition
from maskfold.ensemble import fold_names, model_hashes
from maskfold.executor import run_jobs
from maskfold.oof_prediction import inference_settings
from maskfold.paths import RunPaths, display
from maskfold.postprocess import TunedArtefact, apply_rule
from maskfold.progress import tracked
from maskfold.provenance import Provenance, StaleError, code_version, file_hash, whole_file
from maskfold.rle import Order
from maskfold.submission import encode_image, write_submission

if TYPE_CHECKING:
    from maskfold.inference import Prediction
    from maskfold.models import SegmentationModel


def make_submission(config: Config, competition: Competition, accept_code_changes: bool = False) -> None:
    """Predict the test images shard by shard with all folds, post-process, and write the submission whole."""
    if competition.test.empty:
        print("make_submission: nothing to do: the config names no test images (data.test_images), skipped")
        return
    paths = RunPaths.of(config)
    tuned = checked_artefact(config)
    made_from = Provenance(
        "make_submission",
        {**inference_settings(config), "submission": config.submission.model_dump()},
        {**competition.test_inputs(), **model_hashes(config), "postprocess.json": file_hash(paths.postprocess_json)},
        code_version("maskfold.final_prediction"),
    )
    reasons = made_from.staleness(paths.submission_csv, accept_code_changes)
    if not reasons:
        print(f"make_submission: {display(paths.submission_csv)} is fresh, skipped")
        return
    print(f"make_submission: {'; '.join(reasons)}", flush=True)
    shards = _finished_shards(config, competition, tuned, made_from, accept_code_changes)
    rows = (row for shard in shards for row in pd.read_parquet(shard).itertuples(index=False, name=None))
    write_submission(rows, competition, config.submission, paths.submission_csv)
    made_from.write(paths.submission_csv)
    print(
        f"make_submission: wrote {display(paths.submission_csv)}, {len(competition.test)} images, decoded and checked"
    )


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
    if tuned.checkpoints != model_hashes(config):
        problems.append("it was tuned on other models than the trained ones")
    if tuple(tuned.tta) != config.inference.tta:
        problems.append(f"it was tuned with TTA {list(tuned.tta)}, the config says {list(config.inference.tta)}")
    names = [entry.class_name for entry in tuned.classes]
    if names != list(config.data.class_names):
        problems.append(f"it is for the classes {names}, the config names {list(config.data.class_names)}")
    if problems:
        raise StaleError(
            f"{display(paths.postprocess_json)} does not fit: {'; '.join(problems)}; run "
            f"`python src/predict_oof.py {option}`, then `python src/tune_thresholds.py {option}`"
        )
    return tuned


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
    tables = [competition.test.iloc[start : start + size] for start in range(0, len(competition.test), size)]
    shards = [folder / f"shard{number:05d}.parquet" for number in range(len(tables))]
    jobs = [
        ShardJob(config, tuned, images, path, f"test images, shard {number} of {len(shards)}", made_from)
        for number, (path, images) in enumerate(zip(shards, tables, strict=True), 1)
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
    rows = answer_images(job.config, job.tuned, job.images, job.title)
    with whole_file(job.path) as temporary:
        rows.to_parquet(temporary, index=False)
    job.made_from.write(job.path)


def answer_images(config: Config, tuned: TunedArtefact, images: pd.DataFrame, title: str) -> pd.DataFrame:
    """From image files to run lengths with all folds: image_id, class_index, rle, in the order of the batches.

    images: image_id, path, height, width. The models stay loaded for the next call of this process.
    """
    # torch takes seconds to import, and a fresh stage does not need it.
    from maskfold.inference import predict_images

    paths = RunPaths.of(config)
    weights = [tuned.ensemble_weights[name] for name in fold_names(config)]
    files = tuple(paths.model(fold) for fold in range(config.folds.count))
    models = _loaded_models(files, config.model, len(config.data.class_names))
    predictions = predict_images(models, weights, images, config)
    return _answer_rows(tracked(predictions, len(images), title), tuned, config.submission.order)


@cache
def _loaded_models(files: tuple[Path, ...], model: ModelConfig, class_count: int) -> list[SegmentationModel]:
    """The trained models of all folds, loaded once a process; a whole config may hold a dict and has no hash."""
    from maskfold.models import load_model

    return [load_model(file, model, class_count) for file in files]


def _answer_rows(predictions: Iterable[Prediction], tuned: TunedArtefact, order: Order) -> pd.DataFrame:
    """Post-processed and encoded predictions: image_id, class_index, rle."""
    rows = []
    for image_id, prob_maps, class_prob in predictions:
        present = [None] * len(prob_maps) if class_prob is None else class_prob.tolist()
        masks = [
            apply_rule(prob, entry.rule, gate)
            for prob, entry, gate in zip(prob_maps, tuned.classes, present, strict=True)
        ]
        rows += [(image_id, index, text) for index, text in enumerate(encode_image(np.stack(masks), order))]
    return pd.DataFrame(rows, columns=["image_id", "class_index", "rle"])
