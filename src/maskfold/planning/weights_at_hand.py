"""Which pretrained encoders can be used now: files at hand, downloads of earlier runs, or new downloads."""

from __future__ import annotations

import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import segmentation_models_pytorch as smp
import timm
from huggingface_hub import constants, scan_cache_dir
from huggingface_hub.errors import CacheNotFound

from maskfold.errors import UsageError
from maskfold.planning.constants import DOWNLOAD_SECONDS

_ENDINGS = (".pth", ".pt", ".safetensors", ".bin")
_TAG = "-imagenet"
FOLDER = "weights"


@dataclass(frozen=True)
class Weights:
    """Pretrained weights of an encoder. value: for model.encoder_weights; origin: where they come from, in words."""

    encoder: str
    value: str
    origin: str


def weights_at_hand(given: Path | None, data: Path, repository: Path, encoders: Sequence[str]) -> dict[str, Weights]:
    """Encoder -> its weights: files first, then downloads of earlier runs, then what can be downloaded.

    given: a file or folder the user named; data: the folder of the data, in which, as in two folders above it and in
    the repository, a folder `weights/` is looked for; encoders: those whose downloads are of interest. A file is
    called <encoder>-imagenet.pth. Raises UsageError where `given` holds no such file.
    """
    found: dict[str, Weights] = {}
    if given is not None:
        for weights in _of_files([given] if given.is_file() else sorted(given.glob("*"))):
            found.setdefault(weights.encoder, weights)
        if not found:
            raise UsageError(
                f"--weights {given}: {'is' if given.is_file() else 'holds'} no file that is called "
                f"<encoder>{_TAG}.pth, such as mobilenet_v2{_TAG}.pth, with an encoder of smp or tu-<name> of timm"
            )
        return found
    for folder in (repository / FOLDER, *(place / FOLDER for place in (data, *list(data.parents)[:2]))):
        for weights in _of_files(sorted(folder.glob("*"))):
            found.setdefault(weights.encoder, weights)
    cached = _cached(encoders)
    for name in encoders:
        if name in cached:
            found.setdefault(name, Weights(name, "imagenet", "downloaded earlier"))
    if not found and _hub_answers():
        return {name: Weights(name, "imagenet", "will be downloaded") for name in encoders if _repositories(name)}
    return found


def _of_files(paths: Sequence[Path]) -> list[Weights]:
    names = ((path, path.stem.removesuffix(_TAG)) for path in paths if path.suffix in _ENDINGS)
    return [Weights(name, str(path.resolve()), "a file at hand") for path, name in names if _is_encoder(name)]


def _is_encoder(name: str) -> bool:
    return name in smp.encoders.encoders or (name.startswith("tu-") and timm.is_model(name.removeprefix("tu-")))


def _repositories(encoder: str) -> list[str]:
    """The repositories of the model hub that hold an encoder's weights."""
    if encoder.startswith("tu-"):
        settings = timm.models.get_pretrained_cfg(encoder.removeprefix("tu-"))
        return [settings.hf_hub_id] if settings is not None and settings.hf_hub_id else []
    settings = smp.encoders.encoders[encoder]["pretrained_settings"].get("imagenet")
    return [str(settings["repo_id"])] if settings else []


def _cached(encoders: Sequence[str]) -> set[str]:
    """The encoders whose weights an earlier run has downloaded."""
    try:
        repositories = {each.repo_id for each in scan_cache_dir().repos if each.size_on_disk > 0}
    except (CacheNotFound, OSError, ValueError):
        return set()
    return {name for name in encoders if any(one in repositories for one in _repositories(name))}


def _hub_answers() -> bool:
    """Whether the model hub can be reached, asked for a few seconds at most."""
    if constants.HF_HUB_OFFLINE:
        return False
    try:
        with urllib.request.urlopen(constants.ENDPOINT, timeout=DOWNLOAD_SECONDS):
            return True
    except (OSError, ValueError):
        return False
