"""The OOF stage: every image that is held out of a model predicted by the models that have not seen it."""

from __future__ import annotations

from typing import NamedTuple

from maskfold.artefacts.lock import one_writer
from maskfold.artefacts.paths import RunPaths
from maskfold.artefacts.step import Step
from maskfold.config import Blend, Config, Experiment
from maskfold.data.competition import Competition
from maskfold.execution.job import Job
from maskfold.execution.progress import tracked
from maskfold.network.trained import model_names
from maskfold.oof.origin import oof_metadata
from maskfold.oof.parts import OofPart, oof_parts
from maskfold.oof.store import OofWriter
from maskfold.stages.side_by_side import do_jobs, prediction_workers


@one_writer("predict_oof")
def predict_oof(config: Config, competition: Competition, accept_code_changes: bool = False) -> None:
    """Predict the images of each part with the models that have not seen them, into the OOF store.

    Where several have not (repeats), with their mean. Of a blend, the OOF of its members is combined.
    """
    if isinstance(config, Blend):
        # numba takes a second to import, and an experiment does not need it here.
        from maskfold.stages.blend_oof import blend_oof

        blend_oof(config, competition, accept_code_changes)
        return
    step, paths = Step("predict_oof", accept_code_changes), RunPaths.of(config)
    parts = oof_parts(config, competition)
    jobs = [
        PartJob(config, part)
        for part in parts
        if step.due(paths.oof_parquet(part.part), part.made_from, f"{config.folds.part_word} {part.part}")
    ]
    if jobs and (workers := prediction_workers(config, len(jobs))) != 1:
        do_jobs(step.name, [_in_worker(job) for job in jobs], config, workers)
    else:
        for place, job in enumerate(jobs):
            predict_part(job._replace(after=sum(len(later.part.images) for later in jobs[place + 1 :])))
    for job in jobs:
        step.wrote(paths.oof_parquet(job.part.part))


def _in_worker(job: PartJob) -> Job:
    """One part's OOF for a worker."""
    paths, name = RunPaths.of(job.config), f"fold{job.part.part}"
    log = paths.job_log("predict_oof", name)
    title = f"{job.config.folds.part_word} {job.part.part}"
    return Job(title, predict_part, (job,), paths.oof_parquet(job.part.part), log)


class PartJob(NamedTuple):
    """One part's OOF to make; after: how many images follow it in this process."""

    config: Experiment
    part: OofPart
    after: int = 0


def predict_part(job: PartJob) -> None:
    """Make one OOF file, unless another attempt has."""
    # torch takes seconds to import, and a fresh stage does not need it.
    from maskfold.inference.predict import Ensemble
    from maskfold.network.model import SegmentationModel, load_model

    config, part, paths = job.config, job.part, RunPaths.of(job.config)
    path, class_count = paths.oof_parquet(part.part), len(config.data.class_names)
    if not part.made_from.staleness(path):
        return
    loaded: dict[int, SegmentationModel] = {}
    digests, names = part.checkpoints, model_names(config)
    title, after = f"{config.folds.part_word} {part.part}", job.after + len(part.images)
    with OofWriter(path, class_count, oof_metadata(config, part.checkpoints)) as writer:
        for models, images in part.images.groupby("models", sort=True):
            for model in models:
                if model not in loaded:
                    loaded[model] = load_model(paths.model(model), config.model, class_count, digests[names[model]])
            predictions = Ensemble.of(config, [loaded[model] for model in models]).predict_images(images)
            after -= len(images)
            for prediction in tracked(predictions, len(images), title, after):
                writer.write(prediction.image_id, part.part, prediction.prob, prediction.class_prob)
    part.made_from.write(path)
