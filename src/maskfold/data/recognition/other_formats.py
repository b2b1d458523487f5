"""Names labels that no reader here reads, so that the error says what they are and how to convert them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from maskfold.data.recognition.folders import Folder
from maskfold.data.recognition.proposal import counted

_ENDINGS = {".mat": "MATLAB files", ".npz": "numpy archives", ".nii": "NIfTI volumes", ".h5": "HDF5 files"}
_YOLO = re.compile(r"\d+(\s+-?\d*\.?\d+(e-?\d+)?){6,}", re.IGNORECASE)  # a class and three points or more
_LOOKED_AT = 20  # files of an ending: images without objects have empty ones
_HOW = "not read; docs/how-to/bring-your-data.md, «Convert other masks», shows how to make mask images of them"


def other_formats(root: Path, folders: Sequence[Folder]) -> list[str]:
    """One line for each kind of label files that is known but not read, with the first folder that holds some."""
    found: dict[str, str] = {}
    for folder in (Folder(root, root), *folders):
        files = sorted(path for path in folder.path.iterdir() if path.is_file() and not path.name.startswith("."))
        for ending in {path.suffix.lower() for path in files}:
            own = [path for path in files if path.suffix.lower() == ending]
            kind = next(filter(None, (_kind(ending, path) for path in own[:_LOOKED_AT])), "")
            if kind and kind not in found:
                found[kind] = f"{folder.path}: {counted(len(own), f'{ending} file')}: {kind}, {_HOW}"
    return list(found.values())


def _kind(ending: str, path: Path) -> str:
    """What a file of this ending is; "" if it is nothing that is known."""
    if ending in _ENDINGS:
        return _ENDINGS[ending]
    if ending not in (".txt", ".json", ".xml"):
        return ""
    try:
        start = path.read_text(encoding="utf-8")[: 1 << 20]
    except (OSError, UnicodeDecodeError):
        return ""
    if ending == ".txt":
        return "polygons of YOLO" if _YOLO.match(start.strip()) else ""
    if ending == ".xml":
        return "annotations of CVAT" if "<polygon" in start or "<mask" in start else ""
    try:
        content = json.loads(start)
    except ValueError:
        return ""
    shapes = isinstance(content, dict) and content.get("shapes")
    return "shapes of LabelMe" if isinstance(shapes, list) and "imagePath" in content else ""
