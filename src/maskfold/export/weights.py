"""The weights that travel with a bundle, whole or in half precision."""

from __future__ import annotations

import shutil
from pathlib import Path

from maskfold.artefacts.paths import RunPaths, display
from maskfold.config import Config
from maskfold.errors import UsageError
from maskfold.export.manifest import BundledWeights
from maskfold.network.trained import model_hashes


def write_weights(part: Path, config: Config, half: bool) -> dict[str, BundledWeights]:
    """The weights of every model, each tried in its network first."""
    # torch takes seconds to import, and a refused export does not need it.
    from maskfold.network.model import load_model

    hashes, weights = model_hashes(config, refit=True), {}
    class_count = len(config.data.class_names)
    places = [(run, number) for run in config.experiments for number in range(run.models)]
    for (run, number), (name, trained) in zip(places, hashes.items(), strict=True):
        source, copy = RunPaths.of(run).model(number), RunPaths.of(run, part).model(number)
        load_model(source, run.model, class_count)
        copy.parent.mkdir(parents=True)
        if half:
            write_halved(source, copy)
        else:
            shutil.copyfile(source, copy)
        weights[name] = BundledWeights(file=copy.relative_to(part).as_posix(), trained=trained)
    return weights


def write_halved(source: Path, copy: Path) -> None:
    """Write a state dict with its large tensors in half precision; loading gives them back as float32.

    Vectors (biases, the statistics of normalisations) stay as they are: they are small, and variances need the range.
    Raises UsageError for a weight beyond the range of half precision.
    """
    import torch

    stored = torch.load(source, map_location="cpu", weights_only=True)
    for state in stored if isinstance(stored, list) else [stored]:  # of several checkpoints a list
        for name, value in state.items():
            if value.is_floating_point() and value.ndim > 1:
                state[name] = value.half()
                if not torch.isfinite(state[name]).all():
                    raise UsageError(
                        f"{display(source)}: {name} reaches {value.abs().max():.3g}, beyond half precision; export "
                        "without --half"
                    )
    with copy.open("wb") as file:  # of ours: torch's own would not say that the disk is full
        torch.save(stored, file)
