"""What a shared model holds, and where."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from maskfold.artefacts.manifest import CONFIG, MANIFEST, ListOfFiles, StrictRecord
from maskfold.errors import UsageError

RULES = "postprocess.json"
CARD = "README.md"  # may be edited where it lies, so the manifest does not list it
_FILE = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)?\.(safetensors|json)")


class SharedWeights(StrictRecord):
    """One model's weights: their file, the SHA-256 of the model.pt they were made from, and the networks in it."""

    file: str
    trained: str
    networks: int = Field(1, ge=1)


class ModelManifest(ListOfFiles):
    """MANIFEST.json. weights: fold0, refit0, of a blend <member>/fold0; packages: distribution -> what it was."""

    kind: Literal["maskfold model"] = "maskfold model"
    format_version: Literal[1] = 1
    name: str
    maskfold: str
    weights: dict[str, SharedWeights]
    packages: dict[str, str]


def read_manifest(folder: Path) -> ModelManifest:
    """The manifest of a shared model, of whose files only names are checked. Raises UsageError for any other folder."""
    if not (folder / MANIFEST).is_file():
        raise UsageError(f"{folder} holds no {MANIFEST}, so it is no model that maskfold shared (src/push_model.py)")
    try:
        manifest = ModelManifest.read(folder)
    except ValidationError:
        raise UsageError(
            f"{folder / MANIFEST}: not the manifest of a shared model, or of another version of maskfold; a bundle "
            "(src/export_bundle.py) is run by its own predict.py"
        ) from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder / MANIFEST} is damaged ({error}); fetch the model again") from None
    wanted = {CONFIG, RULES, *(each.file for each in manifest.weights.values())}
    strange = [name for name in manifest.files if not _FILE.fullmatch(name)]
    if strange or wanted != manifest.files.keys():
        raise UsageError(f"{folder / MANIFEST}: lists other files than a shared model has: {sorted(manifest.files)}")
    return manifest


def checked_manifest(folder: Path) -> ModelManifest:
    """The manifest of a shared model whose files are as they were written. Raises UsageError naming all others."""
    manifest = read_manifest(folder)
    if problems := manifest.damage(folder):
        raise UsageError(f"{folder}: the model is not as it was shared: {'; '.join(problems)}; fetch it again")
    return manifest
