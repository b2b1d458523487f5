"""The stage that finds out how much each view of test-time augmentation should count, on out-of-fold predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from maskfold.artefacts.code_version import code_version
from maskfold.artefacts.lock import one_writer
from maskfold.artefacts.paths import RunPaths
from maskfold.artefacts.provenance import Provenance
from maskfold.artefacts.step import Step
from maskfold.blending.choice import BlendChoice, WeightSearch, choose_blend, other_metric, print_choice
from maskfold.blending.oof_subset import SampledImage, drawn_images
from maskfold.blending.scores import SCORED_BY, BlendScores
from maskfold.config import Blend, Config, Experiment
from maskfold.config.inference import view_names
from maskfold.data.competition import Competition
from maskfold.errors import UsageError
from maskfold.execution.progress import tracked
from maskfold.folds.visibility import scored_competition
from maskfold.network.trained import inference_settings, model_hashes, model_names
from maskfold.oof.origin import label_hashes
from maskfold.oof.parts import OofPart, oof_parts
from maskfold.oof.with_truth import largest_map_px
from maskfold.pixels.geometry import network_size, padded_size


@one_writer("choose_views")
def choose_views(
    config: Config,
    competition: Competition,
    accept_code_changes: bool = False,
    trials: int = 20,
    sample_px: int = 2**27,
) -> BlendChoice:
    """Predict a part of the OOF images view by view, search weights of the views, print them and write views.json.

    trials: views picked by the search, with replacement; sample_px: pixels of the OOF maps, over all classes and views.
    Raises UsageError for a blend and without views, StaleError when folds or models are missing.
    """
    config, names = _checked(config, competition)
    step, path = Step("choose_views", accept_code_changes), RunPaths.of(config).views_json
    tuning = config.tuning.with_exact_metric()
    settings = {
        **inference_settings(config),
        "tuning": tuning.model_dump(include=SCORED_BY),
        "search": [names, trials, sample_px, config.seed],
    }
    inputs = model_hashes(config) | label_hashes(competition)
    made_from = Provenance("choose_views", settings, inputs, code_version("view weights"))
    choice = None if step.due(path, made_from) else BlendChoice.read(path)
    if choice is None:
        scored = scored_competition(config, competition)
        sample = _sampled(config, scored, names, sample_px // len(names))
        scores = BlendScores(sample, "mean", tuning, largest_map_px(scored), scored.exclusive)
        search = WeightSearch("mean", "greedy", trials, tuning.metric)
        choice = choose_blend(names, search, config.seed, scores, len(sample), len(scored.train))
        choice.write(path)
        made_from.write(path)
    print_choice(config.name, choice, "choose_views", "other views")
    if note := other_metric(config.tuning):
        step.say(note)
    print(_advice(config, choice))
    return choice


def _checked(config: Config, competition: Competition) -> tuple[Experiment, list[str]]:
    """The experiment with all views equal, and the names of the views that every image has."""
    if isinstance(config, Blend):
        members = ", ".join(run.name for run in config.experiments)
        raise UsageError(f"{config.name} is a blend; each member has views of its own: name one of {members}")
    sizes = {
        padded_size(*network_size(height, width, config.model.resize), config.inference.pad_multiple)
        for height, width in zip(competition.train["height"], competition.train["width"], strict=True)
    }
    names = view_names(config.inference.tta, square=all(height == width for height, width in sizes))
    if len(names) < 2:
        raise UsageError(
            f"inference.tta is {list(config.inference.tta)}, which leaves one view of these images; "
            "name the views to compare: --set inference.tta=[hflip,scale1.25]"
        )
    plain = config.inference.model_copy(update={"view_weights": None})
    return config.model_copy(update={"inference": plain}), names


def _sampled(config: Experiment, competition: Competition, names: Sequence[str], sample_px: int) -> list[SampledImage]:
    """Images of every part of the OOF with one map a view, by the models that have not seen them."""
    parts, sampled = oof_parts(config, competition), []
    for part in parts:
        ids = drawn_images(
            part.images["image_id"].tolist(), competition, sample_px // len(parts), [config.seed, part.part]
        )
        maps = _maps(config, part, ids, names)
        for image_id in ids:
            truth, ignored = competition.masks(image_id), competition.ignored_in(image_id)
            sampled.append(SampledImage(image_id, part.part, np.stack(maps[image_id]), truth, ignored))
    return sampled


def _maps(config: Experiment, part: OofPart, ids: Sequence[str], names: Sequence[str]) -> dict[str, list[np.ndarray]]:
    """image_id -> its (C, H, W) uint8 maps, one a view."""
    # torch takes seconds to import, and a fresh stage does not need it.
    from maskfold.inference.predict import Ensemble
    from maskfold.network.model import load_model

    paths, numbers = RunPaths.of(config), model_names(config)
    maps: dict[str, list[np.ndarray]] = {image_id: [] for image_id in ids}
    for models, images in part.images[part.images["image_id"].isin(ids)].groupby("models", sort=True):
        digests = [part.checkpoints[numbers[model]] for model in models]
        files = [paths.model(model) for model in models]
        classes = len(config.data.class_names)
        loaded = [load_model(file, config.model, classes, sha) for file, sha in zip(files, digests, strict=True)]
        ensemble = Ensemble.of(config, loaded)
        for name in names:
            one = config.inference.model_copy(update={"view_weights": {name: 1.0}})
            predictions = replace(ensemble, inference=one).predict_images(images)
            title = f"{config.folds.part_word} {part.part}, view {name}"
            for prediction in tracked(predictions, len(images), title):
                maps[prediction.image_id].append(prediction.prob)
    return maps


def _advice(config: Experiment, choice: BlendChoice) -> str:
    if not choice.adopted:
        return "choose_views: let all views count the same, as without inference.view_weights"
    weights = ", ".join(f"{name}: {weight:.4g}" for name, weight in choice.weights.items() if weight > 0)
    lines = ["choose_views: to use these weights, write into the config, and predict the OOF again:"]
    lines += ["  inference:", f"    tta: [{', '.join(config.inference.tta)}]", f"    view_weights: {{{weights}}}"]
    return "\n".join(lines)
