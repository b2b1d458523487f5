"""A shared model as a folder: written from a run, and made into a run again that predicts the same bytes."""

from __future__ import annotations

import json
import shutil
from importlib import metadata
from pathlib import Path

from filelock import FileLock

from maskfold import __version__
from maskfold.artefacts.files import file_hash, whole_folder
from maskfold.artefacts.manifest import CONFIG, MANIFEST
from maskfold.artefacts.own_code import is_own
from maskfold.artefacts.paths import RunPaths, display, shared_model
from maskfold.artefacts.provenance import Provenance, unvouched
from maskfold.config import Config, parse_config
from maskfold.errors import UsageError
from maskfold.hub.manifest import CARD, RULES, ModelManifest, SharedWeights, checked_manifest
from maskfold.network.trained import model_hashes
from maskfold.rules.tuned import TunedArtefact

_PACKAGES = ("torch", "segmentation-models-pytorch", "timm")
_CONFIG_OF_RUN = "config.yaml"  # of a shared model that was made into a run


def refuse_own_code(config: Config, name: str) -> None:
    """Raise UsageError for a network of the user's own: whoever loads a shared model must not run code of others."""
    for run in config.experiments:
        if is_own(run.model.architecture):
            raise UsageError(
                f"{name}: model.architecture is own code ({run.model.architecture}); a shared model holds weights and "
                "no code. Export a bundle instead (src/export_bundle.py), which brings the code along"
            )


def write_model_folder(part: Path, config: Config, text: str, card: str) -> None:
    """Write the weights of all models, each tried in its network first, the rules and the manifest into a folder.

    text: of config.json; card: of README.md. Raises StaleError for weights that are missing or not those of the run.
    """
    # torch takes seconds to import, and a refused model does not need it.
    from maskfold.hub.weights import write_safetensors
    from maskfold.network.model import load_model

    hashes, weights = model_hashes(config, refit=True), {}
    places = [(run, number) for run in config.experiments for number in range(run.models)]
    for (run, number), (name, trained) in zip(places, hashes.items(), strict=True):
        source = RunPaths.of(run).model(number)
        load_model(source, run.model, len(config.data.class_names))
        file = f"{name}.safetensors"
        networks = write_safetensors(source, part / file)
        weights[name] = SharedWeights(file=file, trained=trained, networks=networks)
    shutil.copyfile(RunPaths.of(config).postprocess_json, part / RULES)
    (part / CONFIG).write_text(text, encoding="utf-8")
    files = sorted(path for path in part.rglob("*") if path.is_file())
    manifest = ModelManifest(
        name=config.name,
        maskfold=__version__,
        weights=weights,
        packages={name: metadata.version(name) for name in _PACKAGES},
        files={path.relative_to(part).as_posix(): file_hash(path) for path in files},
    )
    (part / MANIFEST).write_text(manifest.text(), encoding="utf-8")
    (part / CARD).write_text(card, encoding="utf-8")


def as_run(folder: Path) -> Path:
    """The config of a run with the weights and rules of a shared model; the run is made below runs/.shared/ once.

    Raises UsageError for a folder whose files are not those that its manifest lists.
    """
    manifest = checked_manifest(folder)
    try:
        config = parse_config((folder / CONFIG).read_text(encoding="utf-8"))
    except ValueError as error:  # of pydantic, too
        raise UsageError(f"{folder / CONFIG}: no config of this version of maskfold: {error}") from None
    refuse_own_code(config, str(folder))
    place = shared_model(manifest.name, manifest.checksum)
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(place.with_name(f".{place.name}.lock")):
        if not _is_whole(place, config):
            with whole_folder(place) as part:
                _restore(folder, manifest, config, part, place)
    return place / _CONFIG_OF_RUN


def _is_whole(place: Path, config: Config) -> bool:
    """Whether a shared model was made into a run before, and nothing of it changed."""
    models = [RunPaths.of(run, place).model(number) for run in config.experiments for number in range(run.models)]
    artefacts = [*models, RunPaths.of(config, place).postprocess_json]
    return (place / _CONFIG_OF_RUN).is_file() and not any(map(unvouched, artefacts))


def _restore(folder: Path, manifest: ModelManifest, config: Config, part: Path, place: Path) -> None:
    """Write all files of the run into `part`, which will be called `place`.

    The rules name the weights by the hashes of their files, which are written anew.
    """
    from maskfold.hub.weights import restore

    hashes = {}
    places = [(run, number) for run in config.experiments for number in range(run.models)]
    if len(places) != len(manifest.weights):
        raise UsageError(f"{folder}: has {len(manifest.weights)} models, its config {len(places)}; fetch it again")
    for (run, number), (name, weights) in zip(places, manifest.weights.items(), strict=True):
        model = RunPaths.of(run, part).model(number)
        restore(folder / weights.file, model, weights.networks)
        Provenance("shared model", {}, part=run.model_name(number), run=run.name).write(model)
        hashes[name] = file_hash(model)
    tuned = TunedArtefact.read(folder / RULES)
    strange = [name for name, digest in tuned.checkpoints.items() if _trained(manifest, name) != digest]
    if strange:
        raise UsageError(f"{folder / RULES}: was tuned on other models than those beside it ({', '.join(strange)})")
    rules = RunPaths.of(config, part).postprocess_json
    tuned.model_copy(update={"checkpoints": {name: hashes[name] for name in tuned.checkpoints}}).write(rules)
    Provenance("shared model", {}).write(rules)
    placed = config.with_changes(lambda _: {"output_root": str(place)})
    text = json.dumps(placed.model_dump(mode="json"), indent=1, ensure_ascii=False)
    (part / _CONFIG_OF_RUN).write_text(f"# {display(folder)}\n{text}\n", encoding="utf-8")


def _trained(manifest: ModelManifest, name: str) -> str | None:
    found = manifest.weights.get(name)
    return None if found is None else found.trained
