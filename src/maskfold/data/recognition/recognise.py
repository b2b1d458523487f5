"""Recognises which of the formats a folder has, and says what it took each file, column and value for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError

from maskfold.config import AutoData, CocoData, DataConfig, MaskFoldersData, PathsCsvData, RleCsvData
from maskfold.config.data.every_format import AnyData
from maskfold.data.csv_files import header_of
from maskfold.data.problems import data_root
from maskfold.data.recognition.coco import coco_proposals
from maskfold.data.recognition.csv import csvs_of_runs
from maskfold.data.recognition.csv_paths import csvs_of_paths
from maskfold.data.recognition.folders import Folder, folders_below
from maskfold.data.recognition.mask_folders import mask_folder_proposals
from maskfold.data.recognition.proposal import Proposal, counted, listed
from maskfold.errors import DataError

Found = RleCsvData | MaskFoldersData | PathsCsvData | CocoData

_GROUPS = "groups.csv"
_RENAMED = ("class_values", "class_colours")  # keys by class, which a config may name as it likes


def explicit_data(data: DataConfig) -> Found:
    """The section that describes the data: for `format: auto` what the folder is taken for, which is printed."""
    return recognised(data) if isinstance(data, AutoData) else data


def recognised(data: AutoData) -> Found:
    """The section that describes the folder, printed as YAML with what each folder, column and value was taken for.

    Raises DataError as `recognise` does.
    """
    section, told = recognise(data)
    print(told, flush=True)
    return section


def recognise(data: AutoData) -> tuple[Found, str]:
    """The section that describes the folder, and in words what each folder, column and value was taken for.

    Raises DataError with what was looked for where nothing fits, with all candidates where several do, and with what
    was found where it may mean several things.
    """
    root = data_root(data.root)
    folders = folders_below(root)
    misses: list[str] = []
    proposals = [
        *coco_proposals(root, folders, misses),
        *csvs_of_runs(root, folders, misses),
        *csvs_of_paths(root, folders),
        *mask_folder_proposals(root, folders),
    ]
    if not proposals:
        raise DataError(
            [
                f"{root}: data.format: auto found no labels; it looks for COCO json, csv files of run lengths or of "
                "paths, and folders of masks next to folders of photos, at most two folders deep. "
                f"The folder holds {_content(root, folders)}",
                *misses,
            ]
        )
    found = [(proposal, _section(data, proposal)) for proposal in proposals]
    if len(found) > 1:
        texts = [f"{proposal.words}:\n{_as_yaml(data, proposal)}" for proposal, _ in found]
        raise DataError([f"{root}: may be {len(found)} things; write down which in the config:", *texts])
    [(proposal, section)] = found
    told = [f"{root.name}: taken for {proposal.words}", *(f"  {note}" for note in proposal.notes)]
    return section, "\n".join([*told, "  the same in the config:", _as_yaml(data, proposal)])


def _section(data: AutoData, proposal: Proposal) -> Found:
    values = _values(data, proposal.section)
    kinds: dict[object, Callable[..., Found]] = {
        "rle_csv": RleCsvData,
        "mask_folders": MaskFoldersData,
        "paths_csv": PathsCsvData,
        "coco": CocoData,
    }
    try:
        return kinds[values.pop("format")](**values)
    except ValidationError as error:
        reasons = "; ".join(problem["msg"].removeprefix("Value error, ") for problem in error.errors())
        raise DataError(
            [f"{data.root}: {reasons}; this is what auto made of it:\n{_as_yaml(data, proposal)}"]
        ) from None


def _values(data: AutoData, section: dict[str, object]) -> dict[str, object]:
    named = _renamed(section, data.class_names) if data.class_names else {}
    groups_csv = data_root(data.root) / _GROUPS
    groups = {"groups_csv": _GROUPS} if {"ImageId", "GroupId"} <= set(header_of(groups_csv)) else {}
    kept = data.model_dump(include=set(AnyData.model_fields), exclude_defaults=True)
    return {"format": section["format"], "root": data.root, **section, **named, **groups, **kept}


def _renamed(section: dict[str, object], class_names: tuple[str, ...]) -> dict[str, object]:
    """The classes under the names the config gives, and the values of each under its new name, in order."""
    changed: dict[str, object] = {"class_names": class_names}
    for key in _RENAMED:
        own = section.get(key)
        if isinstance(own, dict) and len(own) == len(class_names):
            changed[key] = dict(zip(class_names, own.values(), strict=True))
    return changed


def _as_yaml(data: AutoData, proposal: Proposal) -> str:
    plain = {key: _plain(value) for key, value in _values(data, proposal.section).items()}
    text = yaml.safe_dump({"data": plain}, sort_keys=False, default_flow_style=None, allow_unicode=True, width=110)
    return "\n".join(f"    {line}" for line in text.rstrip().splitlines())


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _content(root: Path, folders: Sequence[Folder]) -> str:
    """The first files of a folder, and the folders in it with their images."""
    files = sorted(path.name for path in root.iterdir() if not path.is_dir())
    inside = [f"{folder.name}/ ({counted(len(folder.images), 'image')})" for folder in folders]
    return listed([*inside, *files], 20) or "nothing"
