"""What a bundle for offline machines holds, and where: written by the export, read where the bundle runs."""

from __future__ import annotations

from typing import Literal

from maskfold.artefacts.manifest import ListOfFiles, StrictRecord


class BundledWeights(StrictRecord):
    """One fold's weights: where they lie in the bundle, and the SHA-256 of the model.pt they were made from."""

    file: str
    trained: str


class BundledPackage(StrictRecord):
    """One distribution that the bundle was made with: its version, and a package of it to import."""

    version: str
    package: str


class Manifest(ListOfFiles):
    """MANIFEST.json, which predict.py compares with the files.

    image_ids: whether the competition writes an image's id with its suffix (name) or without (stem). weights: fold0, of
    a blend <member>/fold0. packages: distribution -> what it was.
    """

    format_version: Literal[1] = 1
    name: str
    maskfold: str
    python: str
    precision: Literal["float32", "float16"]
    image_ids: Literal["name", "stem"]
    weights: dict[str, BundledWeights]
    packages: dict[str, BundledPackage]
