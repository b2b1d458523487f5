"""Whether tuned rules fit the models that are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from maskfold.artefacts.paths import RunPaths, display
from maskfold.artefacts.provenance import unvouched
from maskfold.config import Blend, Config, Experiment
from maskfold.errors import StaleError, UsageError
from maskfold.network.trained import (
    model_hashes,
    model_names,
    network_settings,
    tta_of,
)
from maskfold.rules.tuned import TunedArtefact

EDITED_RULES = "edited by hand"  # what a submission's record calls such rules among its inputs


def checked_artefact(config: Config, edited: Path | None = None) -> TunedArtefact:
    """postprocess.json, if it was tuned on the OOF of these models with this TTA and not changed since.

    edited: a file like it that was edited by hand, in its place. Raises StaleError that says what to run, UsageError
    for an edited file that cannot be used.
    """
    path, option = RunPaths.of(config).postprocess_json, f"--config configs/{config.name}.yaml"
    if edited is not None:
        tuned = TunedArtefact.read_edited(edited)
        if problems := [*_problems(config, tuned), *_weight_problems(config, tuned)]:
            raise UsageError(f"{display(edited)} does not fit: {'; '.join(problems)}")
        return tuned
    if not path.is_file():
        raise StaleError(f"{display(path)}: not there yet; run `python src/tune_thresholds.py {option}`")
    if reasons := unvouched(path):
        raise StaleError(
            f"{display(path)}: {'; '.join(reasons)}; run `python src/tune_thresholds.py {option}`. To use rules edited "
            "by hand, keep them in another file and give it as --rules FILE to make_submission.py"
        )
    tuned = TunedArtefact.read(path)
    if problems := [*_problems(config, tuned), *_weight_problems(config, tuned)]:
        runs = [*_stale_members(config, _changed_models(config, tuned)), config]
        stages = [f"predict_oof.py --config configs/{run.name}.yaml" for run in runs] + [f"tune_thresholds.py {option}"]
        commands = [f"`python src/{stage}`" for stage in stages]
        raise StaleError(f"{display(path)} does not fit: {'; '.join(problems)}; run {', then '.join(commands)}")
    return tuned


def _changed_models(config: Config, tuned: TunedArtefact) -> list[str]:
    """The models (fold0, of a blend <member>/fold0) that are not those the rules were tuned on."""
    hashes, tuned_on = model_hashes(config), tuned.checkpoints
    return sorted(name for name in {*hashes, *tuned_on} if hashes.get(name) != tuned_on.get(name))


def _weight_problems(config: Config, tuned: TunedArtefact) -> list[str]:
    """What is wrong with the weights of the models, or of a blend's members."""
    weights = tuned.ensemble_weights
    names = [run.name for run in config.experiments] if isinstance(config, Blend) else model_names(config)
    if set(weights) != set(names):
        return [f"ensemble_weights: of {', '.join(sorted(weights)) or 'nothing'}, expected {', '.join(names)}"]
    if min(weights.values()) < 0 or abs(sum(weights.values()) - 1) > 1e-6:
        return [f"ensemble_weights: none may be negative and the sum must be 1, found {weights}"]
    return []


def _problems(config: Config, tuned: TunedArtefact) -> list[str]:
    """Why rules do not fit the trained models and the config."""
    problems, views = [], tta_of(config)
    if changed := _changed_models(config, tuned):
        problems.append(f"it was tuned on other models than the trained ones ({', '.join(changed)})")
    if tuned.tta != views:
        problems.append(f"it was tuned with TTA {list(tuned.tta)}, the config says {list(views)}")
    recorded, settings = tuned.predicted_with or {}, network_settings(config)
    problems += [
        f"it was tuned with {key}: {recorded.get(key)}, the config says {settings.get(key)}"
        for key in dict.fromkeys((*settings, *recorded))
        if recorded.get(key) != settings.get(key) and _comparable(key, recorded, settings)
    ]
    if tuned.combine != config.combine:
        problems.append(f"its members were combined by {tuned.combine}, the config says {config.combine}")
    if config.data.exclusive and any(rule.fill_holes for rule in tuned.rules):
        problems.append("it fills holes, which may hold another class, but the classes exclude each other")
    names = [entry.class_name for entry in tuned.classes]
    if names != list(config.data.class_names):
        problems.append(f"it is for the classes {names}, the config names {list(config.data.class_names)}")
    return problems


def _comparable(key: str, recorded: Mapping[str, object], settings: Mapping[str, object]) -> bool:
    """Whether a setting is recorded on both sides; weights of views are, unless all views count the same."""
    return (key in recorded and key in settings) or (bool(recorded) and key.endswith("inference.view_weights"))


def _stale_members(config: Config, changed: Sequence[str]) -> list[Experiment]:
    """The members of a blend with a model among `changed` (<member>/fold0, …)."""
    names = {name.partition("/")[0] for name in changed}
    return [run for run in config.experiments if isinstance(config, Blend) and run.name in names]
