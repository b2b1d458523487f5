"""A shared model, wherever it is, opened as a run or as the start of a training."""

from __future__ import annotations

from pathlib import Path

from maskfold.artefacts.manifest import CONFIG
from maskfold.artefacts.paths import resolve
from maskfold.config import Blend, parse_config
from maskfold.errors import UsageError
from maskfold.hub.address import HubAddress, address_of
from maskfold.hub.folder import as_run
from maskfold.hub.manifest import checked_manifest


def model_config(model: str) -> Path:
    """The config of the run that a shared model becomes here; model: a folder, or `hf://user/repo[@revision]`.

    Raises UsageError for a model that is not there, cannot be fetched, or is not as it was shared.
    """
    return as_run(_folder(model, address_of(model)))


def start_weights(model: str, number: int) -> tuple[Path, str, tuple[str, ...]]:
    """The weights that model `number` of a training starts from, their SHA-256, and the names of their classes.

    Those of the shared model of the same number, where there is none of its first. Raises UsageError as `model_config`,
    and for a blend or several networks a fold, of which none is the start.
    """
    address = address_of(model)
    folder = _folder(model, resolve(address) if isinstance(address, Path) else address)
    manifest = checked_manifest(folder)
    config = parse_config((folder / CONFIG).read_text(encoding="utf-8"))
    if isinstance(config, Blend) or config.train.select == "ensemble":
        raise UsageError(f"{model}: holds several networks a fold (a blend or train.select: ensemble); one starts")
    name = config.model_name(number if number < config.folds.models else 0)
    file = manifest.weights[name].file
    return folder / file, manifest.files[file], tuple(config.data.class_names or ())


def _folder(model: str, address: HubAddress | Path) -> Path:
    """The folder of a shared model, fetched if it is in a repository."""
    if isinstance(address, HubAddress):
        from maskfold.hub.remote import fetched  # its package takes a while to import

        return fetched(address)
    if not address.is_dir():
        raise UsageError(f"{model}: no such folder; a repository is written hf://user/repo")
    return address.resolve()
