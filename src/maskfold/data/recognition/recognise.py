"""Recognises which of the formats a folder has, and says what it took each file, column and value for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import yaml
from pydantic import ValidationError

from maskfold.config import AutoData, CocoData, DataConfig, MaskFoldersData, PathsCsvData, RleCsvData
from maskfold.config.data.every_format import AnyData
from maskfold.config.data.mask_images import MaskImageData
from maskfold.data.csv_files import header_of
from maskfold.data.images.suffixes import is_image
from maskfold.data.problems import data_root
from maskfold.data.recognition.coco import coco_proposals
from maskfold.data.recognition.csv import csvs_of_runs
from maskfold.data.recognition.csv_paths import csvs_of_paths
from maskfold.data.recognition.folders import Folder, folders_below, is_mask_name
from maskfold.data.recognition.ignored import ignore_folders, with_ignored
from maskfold.data.recognition.mask_folders import mask_folder_proposals
from maskfold.data.recognition.other_formats import other_formats
from maskfold.data.recognition.proposal import Proposal, counted, listed
from maskfold.data.recognition.same_labels import say_the_same
from maskfold.data.sample_submission import sample_in
from maskfold.errors import DataError

Found = RleCsvData | MaskFoldersData | PathsCsvData | CocoData

_KINDS: dict[object, type[Found]] = {
    "rle_csv": RleCsvData,
    "mask_folders": MaskFoldersData,
    "paths_csv": PathsCsvData,
    "coco": CocoData,
}
_PLACES = ("train_csv", "train_json", "train_images", "train_masks")  # keys that choose among proposals
_GROUPS = "groups.csv"
_LOOKED_INTO = 20  # folders of a folder
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
    try:
        return _recognise(data)
    except _NothingFoundError as error:
        inner, nothing = _only_folder(data_root(data.root)), error
    if inner is None:
        raise nothing
    try:
        section, told = recognise(data.model_copy(update={"root": str(Path(data.root) / inner.name)}))
    except _NothingFoundError:
        raise nothing from None
    return section, f"{data_root(data.root).name}: everything lies in {inner.name}\n{told}"


class _NothingFoundError(DataError):
    """A folder in which nothing looks like labels."""


def _labels_next_to(root: Path) -> list[str]:
    """A hint where the folder itself holds only images, and one next to it is called like masks."""
    near = [
        path for path in sorted(root.parent.iterdir()) if path.is_dir() and path != root and is_mask_name(path.name)
    ]
    if not near or any(path.is_dir() for path in root.iterdir()):
        return []
    return [f"{near[0]}: may hold the labels; give the folder that holds both, {root.parent}"]


def _images_deeper(folders: Sequence[Folder]) -> list[str]:
    """A hint where images lie deeper than it was looked."""
    inner = (inside for folder in folders for inside in folder.inner[:_LOOKED_INTO] if folder.name.count("/") == 1)
    deeper = next((folder for folder in inner if folder.images), None)
    if deeper is None:
        return []
    return [
        f"{deeper.path}: images lie deeper than `auto` looks; give a folder nearer to them, or set data.format: "
        "mask_folders and name the folders of photos and masks, as two lists in the same order: data.train_images and "
        "data.train_masks"
    ]


def _only_folder(root: Path) -> Path | None:
    """The one folder in a folder that holds no image and no table itself; None where it holds more."""
    inside = [path for path in root.iterdir() if not path.name.startswith((".", "__MACOSX"))]
    folders = [path for path in inside if path.is_dir()]
    tells = any(is_image(path.name) or path.suffix.lower() in (".csv", ".json") for path in inside)
    return folders[0] if len(folders) == 1 and not tells else None


def _recognise(data: AutoData) -> tuple[Found, str]:
    root = data_root(data.root)
    given = {**data.given, **({"class_names": data.class_names} if data.class_names else {})}
    void, folders = ignore_folders(folders_below(root), data.class_names)
    misses: list[str] = []
    proposals = [
        *coco_proposals(root, folders, misses, given),
        *csvs_of_runs(root, folders, misses, given),
        *csvs_of_paths(root, folders, misses, given),
        *mask_folder_proposals(root, folders, misses, given, [folder.path for folder in void]),
    ]
    proposals = _fitting(root, proposals, given)
    if not proposals:
        raise _NothingFoundError(
            [
                f"{root}: data.format: auto found no labels; it looks for COCO json, csv files of run lengths or of "
                "paths, and folders of masks next to folders of photos, at most two folders deep. "
                f"The folder holds {_content(root, folders)}",
                *misses,
                *other_formats(root, folders),
                *_labels_next_to(root),
                *_images_deeper(folders),
            ]
        )
    proposals = [with_ignored(proposal, root, void, given) for proposal in proposals]
    found = _without_doubles([(proposal, _section(data, proposal)) for proposal in proposals])
    if len(found) > 1:
        texts = [f"{proposal.words}:\n{_as_yaml(data, proposal)}" for proposal, _ in found]
        raise DataError([f"{root}: may be {len(found)} things; write down which in the config:", *texts])
    [(proposal, section)] = found
    notes = (*proposal.notes, *_may_be_exclusive(section), _sample(section))
    told = [f"{root.name}: taken for {proposal.words}", *(f"  {note}" for note in notes)]
    return section, "\n".join([*told, "  the same in the config:", _as_yaml(data, proposal)])


def _without_doubles(found: list[tuple[Proposal, Found]]) -> list[tuple[Proposal, Found]]:
    """The ways to read a folder without mask images that say the same as a csv of run lengths, which is noted."""
    if len(found) != 2:
        return found
    (first, runs), (second, folders) = found
    if not (isinstance(runs, RleCsvData) and isinstance(folders, MaskFoldersData) and say_the_same(runs, folders)):
        return found
    note = f"{second.words}: the same masks, in all images that were looked at"
    return [(replace(first, notes=(*first.notes, note)), runs)]


def _may_be_exclusive(section: Found) -> list[str]:
    """What to say of label maps, in which each pixel has one class already."""
    mapped = isinstance(section, MaskImageData) and section.labels != "binary" and len(section.class_names) > 1
    if section.exclusive or not mapped:
        return []
    return [
        "label maps: each pixel is of one class or of none; data.exclusive: true trains and submits them so, with a "
        "softmax (docs/how-to/exclusive-classes.md)"
    ]


def _sample(section: Found) -> str:
    """What to say of the sample submission."""
    name = section.sample_submission
    if name is not None:
        return f"{name}: the sample submission"
    root = data_root(section.root)
    found = sorted(path.name for path in root.glob("*[sS]ample*") if path.suffix.lower() in (".csv", ".json"))
    several = f", as several files may be one ({listed(found)})" if len(found) > 1 else ""
    return f"sample submission: none{several or (f' ({found[0]} without test images)' if found else '')}"


def _fitting(root: Path, proposals: Sequence[Proposal], given: Mapping[str, object]) -> list[Proposal]:
    """The proposals that the keys of the config belong to. Raises DataError where it names keys of another format."""
    foreign = {
        index: sorted(set(given) - set(_KINDS[proposal.section["format"]].model_fields))
        for index, proposal in enumerate(proposals)
    }
    fitting = [proposal for index, proposal in enumerate(proposals) if not foreign[index]]
    if proposals and not fitting:
        shown = [
            f"{proposal.words} (data.format: {proposal.section['format']}), which has no key {listed(foreign[index])}"
            for index, proposal in enumerate(proposals)
        ]
        raise DataError([f"{root}: data.format: auto found {line}; remove it, or set data.format" for line in shown])
    named = [key for key in _PLACES if key in given]
    return [
        proposal
        for proposal in fitting
        if all(_plain(proposal.section.get(key)) == _plain(given[key]) for key in named) or len(fitting) == 1
    ]


def _section(data: AutoData, proposal: Proposal) -> Found:
    values = _values(data, proposal.section)
    try:
        return _KINDS[values.pop("format")].model_validate_json(json.dumps(values))
    except ValidationError as error:
        reasons = "; ".join(
            ": ".join([*(str(part) for part in problem["loc"]), problem["msg"].removeprefix("Value error, ")])
            for problem in error.errors()
        )
        raise DataError(
            [f"{data.root}: {reasons}; this is what auto made of it:\n{_as_yaml(data, proposal)}"]
        ) from None


def _values(data: AutoData, section: dict[str, object]) -> dict[str, object]:
    named = _renamed(section, data.class_names) if data.class_names else {}
    root = data_root(data.root)
    groups_csv = root / _GROUPS
    groups = {"groups_csv": _GROUPS} if {"ImageId", "GroupId"} <= set(header_of(groups_csv)) else {}
    kept = data.model_dump(include=set(AnyData.model_fields), exclude_defaults=True)
    sample = {"sample_submission": sample_in(root) if section.get("test_images") else None}
    return {
        "format": section["format"],
        "root": data.root,
        **sample,
        **section,
        **named,
        **groups,
        **kept,
        **data.given,
    }


def _renamed(section: dict[str, object], class_names: tuple[str, ...]) -> dict[str, object]:
    """The classes under the names the config gives, and the values of each under its new name, in order."""
    changed: dict[str, object] = {"class_names": class_names}
    for key in _RENAMED:
        own = section.get(key)
        if isinstance(own, dict) and len(own) == len(class_names) and set(own) != set(class_names):
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
