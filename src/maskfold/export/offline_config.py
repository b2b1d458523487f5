"""The config that travels with weights: nothing to extend, nothing to download, no folders of this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from maskfold.config import Config, DataConfig, Experiment, Orientation, VolumesConfig, parse_config
from maskfold.errors import UsageError


def offline_config(config: Config, orientation: Orientation) -> Config:
    """A run's config as another machine can read it; orientation: in which test images are read.

    Raises UsageError for one whose networks need images that no other machine finds.
    """

    def offline(run: Config) -> dict[str, Any]:
        """What a run's config changes elsewhere."""
        changes: dict[str, Any] = {
            "output_root": ".",
            "data": _without_folders(run.data).model_copy(
                update={"root": ".", "exclude": None, "orientation": orientation, "volumes": _volumes(config)}
            ),
            "folds": run.folds.model_copy(update={"csv": run.folds.csv and Path(run.folds.csv).name}),
        }
        if isinstance(run, Experiment):
            changes["pseudo_labels"] = None  # only training needs them
            starts = {"encoder_weights": None, "init_from": None, "freeze": None}  # as well
            changes["model"] = run.model.model_copy(update=starts)
        return changes

    return config.with_changes(offline)


def _volumes(config: Config) -> VolumesConfig | None:
    """How neighbours are found elsewhere, where a network sees some. Raises UsageError for a csv of known images."""
    volumes = config.data.volumes
    if all(run.model.neighbours is None for run in config.experiments):
        return None
    if volumes is not None and volumes.csv is not None:
        raise UsageError(
            f"{config.name}: data.volumes.csv names the neighbours of known images alone; elsewhere the network needs "
            "those of others: set data.volumes.name, a pattern of the names of files"
        )
    return volumes


def config_text(config: Config) -> str:
    """A config as JSON, which reads back as the same."""
    text = json.dumps(config.model_dump(mode="json"), indent=1, ensure_ascii=False)
    assert parse_config(text) == config, "the config does not survive being written"
    return text + "\n"


def _without_folders(data: DataConfig) -> DataConfig:
    """The data section with the last part of every absolute path; names and values of classes are no paths."""
    found = {key: value for key, value in dict(data).items() if not key.startswith("class_")}
    return data.model_copy(update={key: _last_part(value) for key, value in found.items()})


def _last_part(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_last_part(each) for each in value)
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value
