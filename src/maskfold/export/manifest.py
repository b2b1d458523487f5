"""What a bundle for offline machines holds, and where: written by the export, read where the bundle runs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

MANIFEST, CONFIG = "MANIFEST.json", "config.json"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BundledWeights(_Strict):
    """One fold's weights: where they lie in the bundle, and the SHA-256 of the model.pt they were made from."""

    file: str
    trained: str


class BundledPackage(_Strict):
    """One distribution that the bundle was made with: its version, and a package of it to import."""

    version: str
    package: str


class Manifest(_Strict):
    """MANIFEST.json.

    image_ids: whether the competition writes an image's id with its suffix (name) or without (stem). weights: fold0, of
    a blend <member>/fold0. packages: distribution -> what it was. files: path -> SHA-256 of every other file.
    checksum: of all the rest, which predict.py compares.
    """

    format_version: Literal[1] = 1
    name: str
    maskfold: str
    python: str
    precision: Literal["float32", "float16"]
    image_ids: Literal["name", "stem"]
    weights: dict[str, BundledWeights]
    packages: dict[str, BundledPackage]
    files: dict[str, str]
    checksum: str = ""

    def text(self) -> str:
        """The file's text, with its checksum."""
        rest = self.model_dump(mode="json", exclude={"checksum"})
        checksum = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
        return json.dumps(rest | {"checksum": checksum}, indent=1) + "\n"

    @classmethod
    def read(cls, bundle: Path) -> Manifest:
        """The manifest of the bundle in a folder, whose files predict.py has checked already."""
        return cls.model_validate_json((bundle / MANIFEST).read_text(encoding="utf-8"))
