"""The trained models of an experiment or a blend: names, hashes, weights, and the settings that decide predictions."""

from __future__ import annotations

from maskfold.artefacts.own_code import is_own, source_hash
from maskfold.artefacts.paths import RunPaths, display
from maskfold.artefacts.provenance import contents_hash
from maskfold.config import Blend, Config
from maskfold.errors import StaleError

# Keys of the model section that a network is trained with, and that its weights hold.
_STARTS = {"encoder_weights", "init_from", "freeze", "normalisation"}
_OF_TRAINING = {*_STARTS, "classification_dropout"}


def model_names(config: Config) -> list[str]:
    """`fold0`, `fold1`, … in order: the models of an experiment that predict OOF."""
    return [f"fold{model}" for model in range(config.folds.models)]


def equal_weights(config: Config) -> dict[str, float]:
    """The same weight for every model, summing to 1."""
    names = model_names(config)
    return dict.fromkeys(names, 1 / len(names))


def model_hashes(config: Config, refit: bool = False) -> dict[str, str]:
    """`fold0` (`<member>/fold0` for a blend) -> SHA-256 of its weights; with `refit` those of the refit as well.

    Raises StaleError when any is missing, or is not what was trained: damaged, or of another model.
    """
    found, problems = {}, []
    for run in config.experiments:
        paths, command = RunPaths.of(run), f"python src/train.py --config configs/{run.name}.yaml"
        numbers = range(run.models if refit else run.folds.models)
        missing = [run.model_name(number) for number in numbers if not paths.model(number).is_file()]
        if missing:
            problems.append(f"{display(paths.run)}: not trained yet: {', '.join(missing)}; run `{command}`")
            continue
        for number in numbers:
            name = run.model_name(number)
            try:
                found[_of_run(config, run, name)] = contents_hash(paths.model(number), command, name)
            except StaleError as error:
                problems.append(str(error))
    if problems:
        raise StaleError("\n".join(problems))
    return found


def tta_of(config: Config) -> tuple[str, ...]:
    """The TTA views in addition to the unchanged image; `<member>/<view>` for a blend."""
    return tuple(_of_run(config, run, view) for run in config.experiments for view in run.inference.tta)


def _of_run(config: Config, run: Config, name: str) -> str:
    return f"{run.name}/{name}" if isinstance(config, Blend) else name


def inference_settings(config: Config) -> dict[str, object]:
    """The config values that, with the weights, decide the predictions of the trained models."""
    if isinstance(config, Blend):
        return {run.name: inference_settings(run) for run in config.experiments} | {"combine": config.combine}
    architecture = config.model.architecture
    inference = config.inference.model_dump(exclude={"shard_images"})
    own = {"code of the network": source_hash(architecture, "model.architecture")} if is_own(architecture) else {}
    found = {
        "model": config.model.settings(_STARTS),
        "inference": {key: value for key, value in inference.items() if key != "view_weights" or value is not None},
        "precision": config.train.precision,
    }
    return own | found | ({"data.exclusive": True} if config.data.exclusive else {})


def network_settings(config: Config) -> dict[str, object]:
    """The settings that the same weights need to predict the same: `model.resize` -> value; in a blend `<member>/…`."""
    found: dict[str, object] = {}
    for run in config.experiments:
        model = run.model.model_dump(mode="json", include={*run.model.settings(_OF_TRAINING)})
        keys = {"tile_size", "tile_overlap", "pad_multiple"}
        if run.inference.view_weights is not None:
            keys |= {"view_weights"}
        inference = run.inference.model_dump(mode="json", include=keys)
        found |= {_of_run(config, run, f"model.{key}"): value for key, value in model.items()}
        found |= {_of_run(config, run, f"inference.{key}"): value for key, value in inference.items()}
    return found
