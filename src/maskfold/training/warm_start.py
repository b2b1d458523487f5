"""Which whole network a training starts from, and that it has not seen the images a model is validated on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from maskfold.artefacts.files import file_hash
from maskfold.artefacts.paths import RunPaths, display, resolve
from maskfold.artefacts.provenance import contents_hash
from maskfold.config import Experiment, load_experiment
from maskfold.errors import ConfigError, StaleError
from maskfold.execution.processes import is_first_process
from maskfold.folds.table import read_table
from maskfold.folds.visibility import held_out
from maskfold.hub.address import is_hub
from maskfold.pixels.intensity import Intensity

if TYPE_CHECKING:
    from maskfold.network.model import SegmentationModel

_CONFIGS = (".yaml", ".yml")


@dataclass(frozen=True)
class Start:
    """Weights that a training starts from.

    class_names: of the network there, in order; None where nothing says. run: their config, None for a plain file;
    model: their number in it; label: what a record calls them.
    """

    path: Path
    sha256: str
    class_names: tuple[str, ...] | None = None
    run: Experiment | None = None
    model: int = 0
    label: str = "weights to start from"


def start_of(config: Experiment, number: int) -> Start | None:
    """The weights that a model starts from, by `refit.start` or `model.init_from`; None without either.

    Of a run, model k starts from its model k, where there is none from its first; those of a refit from its first.
    Raises ConfigError for a file that is missing, StaleError for weights that are not trained or damaged.
    """
    if config.refit is not None and config.refit.start == "fold0" and number in config.refit_numbers:
        weights, digest = _trained(config, 0, f"configs/{config.name}.yaml", "the refit")
        return Start(weights, digest, label="weights of fold 0")
    given = config.model.init_from
    if given is None:
        return None
    path = resolve(given)
    if is_hub(given) or path.is_dir():
        # Its package takes a while to import, and most trainings start from none.
        from maskfold.hub.opening import start_weights

        weights, digest, class_names = start_weights(given, number if number < config.folds.models else 0)
        return Start(weights, digest, class_names or None)
    if not path.is_file():
        raise ConfigError(f"model.init_from: no such file: {path}")
    if path.suffix not in _CONFIGS:
        return Start(path, file_hash(path))
    run = load_experiment(path)
    if run.output_root == type(run).model_fields["output_root"].default:
        run = run.model_copy(update={"output_root": config.output_root})
    if run.name == config.name:
        raise ConfigError(f"model.init_from: {given} has the name of this run; its weights would be overwritten")
    if run.train.select == "ensemble":
        raise ConfigError(
            f"model.init_from: {given} keeps several networks a fold (train.select: ensemble); one starts"
        )
    model = number if number < min(config.folds.models, run.folds.models) else 0
    weights, digest = _trained(run, model, given, "model.init_from")
    return Start(weights, digest, tuple(run.data.class_names) or None, run, model)


def _trained(run: Experiment, model: int, config: str, who: str) -> tuple[Path, str]:
    """The weights of a run's model and their hash."""
    weights, command = RunPaths.of(run).model(model), f"python src/train.py --config {config}"
    if not weights.is_file():
        raise StaleError(f"{display(weights)}: {who} starts from it; run `{command}`")
    return weights, contents_hash(weights, command, run.model_name(model))


def new_model(
    config: Experiment, class_names: Sequence[str], number: int, intensity: Intensity | None, start: Start | None
) -> SegmentationModel:
    """The network as a training starts, with the weights that the config asks for; says what was left out.

    intensity: the range of stored values, None: 8 bits as they are.
    """
    # torch takes seconds to import, and a stage that is up to date does not need it.
    from maskfold.network.model import build_model
    from maskfold.network.warm_start import start_from

    model = build_model(config.model, len(class_names), with_encoder_weights=start is None)
    if start is not None:
        left_out = start_from(model, start.path, config.model, class_names, start.class_names)
        if is_first_process():
            print(f"train: {config.model_title(number)} starts from {display(start.path)}", flush=True)
            print("".join(f"train:   left out: {line}\n" for line in left_out), end="", flush=True)
    model.scale_as(intensity)
    if config.data.exclusive:
        model.exclude()
    return model


def check_unseen(start: Start, folds: pd.DataFrame, number: int, name: str) -> str | None:
    """Raise ConfigError if weights were trained on images, by their ids, that a model is validated on.

    folds: image_id and fold, which is `number` for the images the model is validated on. Returns a warning where the
    weights do not say what they were trained on.
    """
    validated, seen_here = folds["image_id"][folds["fold"] == number], {start.path}
    while not validated.empty:
        if start.run is None:
            return (
                f"{display(start.path)} does not say which images it was trained on: if images that {name} is "
                "validated on are among them, its scores are too good"
            )
        _refuse_seen(start, start.run, validated, name)
        earlier = start_of(start.run, start.model)  # that run may have started from another one
        if earlier is None or earlier.path in seen_here:
            return None
        start = earlier
        seen_here.add(start.path)
    return None


def _refuse_seen(start: Start, run: Experiment, validated: pd.Series, name: str) -> None:
    """Raise ConfigError if a run's model was trained on any of the validated images."""
    table = RunPaths.of(run).folds_csv
    if not table.is_file():
        raise StaleError(f"{display(table)}: missing; it says which images {display(start.path)} was trained on")
    theirs = read_table(table, run.folds)
    seen = set(theirs["image_id"][~held_out(theirs, run.folds, start.model)])
    both = [image_id for image_id in validated if image_id in seen]
    if both:
        raise ConfigError(
            f"model.init_from: {display(start.path)} was trained on {len(both)} of the {len(validated)} images that "
            f"{name} is validated on ({', '.join(both[:3])}{' …' if len(both) > 3 else ''}), so scores would be too "
            f"good. Use the same folds: copy {display(table)}; or, if these are other images with the same ids, give "
            "the weights as a file"
        )
