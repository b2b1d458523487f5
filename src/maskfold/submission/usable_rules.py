"""Whether tuned rules fit the models that are there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from maskfold.artefacts.paths import RunPaths, display
from maskfold.config import Blend, Config, Experiment
from maskfold.errors import StaleError
from maskfold.network.trained import (
    model_hashes,
    network_settings,
    tta_of,
)
from maskfold.rules.tuned import TunedArtefact

if TYPE_CHECKING:
    pass


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
    recorded = tuned.predicted_with or {}
    problems += [
        f"it was tuned with {key}: {recorded[key]}, the config says {value}"
        for key, value in network_settings(config).items()
        if key in recorded and recorded[key] != value
    ]
    if tuned.combine != config.combine:
        problems.append(f"its members were combined by {tuned.combine}, the config says {config.combine}")
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


def _stale_members(config: Config, changed: Sequence[str]) -> list[Experiment]:
    """The members of a blend with a model among `changed` (<member>/fold0, …)."""
    names = {name.partition("/")[0] for name in changed}
    return [run for run in config.experiments if isinstance(config, Blend) and run.name in names]
