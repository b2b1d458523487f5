"""A folder that travels with a list of its files, each with its SHA-256, and a checksum of the list itself."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict

from maskfold.artefacts.files import file_hash

MANIFEST, CONFIG = "MANIFEST.json", "config.json"


class StrictRecord(BaseModel):
    """A part of a manifest: no other keys, and nothing changes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ListOfFiles(StrictRecord):
    """files: path -> SHA-256 of every other file; checksum: of all the rest."""

    files: dict[str, str]
    checksum: str = ""

    def text(self) -> str:
        """The file's text, with its checksum."""
        rest = self.model_dump(mode="json", exclude={"checksum"})
        return json.dumps(rest | {"checksum": _checksum(rest)}, indent=1) + "\n"

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The manifest in a folder. Raises ValueError for one that is damaged or of another kind, OSError for none."""
        found = cls.model_validate_json((folder / MANIFEST).read_text(encoding="utf-8"))
        if found.checksum != _checksum(found.model_dump(mode="json", exclude={"checksum"})):
            raise ValueError("its checksum is another")
        return found

    def damage(self, folder: Path) -> list[str]:
        """What is missing or damaged of the listed files, in words; files that are not listed do not count."""
        found = {name: folder / name for name in self.files}
        missing = [f"{name} is missing" for name, path in found.items() if not path.is_file()]
        others = {name: path for name, path in found.items() if path.is_file()}
        return missing + [f"{name} is damaged" for name, path in others.items() if file_hash(path) != self.files[name]]


def _checksum(rest: object) -> str:
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
