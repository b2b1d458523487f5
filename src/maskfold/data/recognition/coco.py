"""Finds COCO json files and the folders of their images."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from maskfold.data.formats.json_stream import stream_items
from maskfold.data.problems import Problems
from maskfold.data.recognition.folders import Folder, split_of, test_images
from maskfold.data.recognition.ignored import void_classes_problem
from maskfold.data.recognition.proposal import Proposal, counted, listed
from maskfold.errors import DataError


def coco_proposals(
    root: Path, folders: Sequence[Folder], misses: list[str], given: Mapping[str, object]
) -> list[Proposal]:
    """A proposal for each COCO json of training images; one of validation images joins it.

    misses: json files whose images are not found are added; given: keys that the config sets, which are not guessed.
    Raises DataError for several files of validation images, and for categories that may be void.
    """
    places = [root, *(folder.path for folder in folders)]
    found = sorted(path for place in places for path in place.iterdir() if path.suffix.lower() == ".json")
    jsons = [path for path in found if _is_coco(path)]
    of_split: dict[str | None, list[Path]] = {}
    for path in jsons:
        of_split.setdefault(_split(path, root), []).append(path)
    valids = of_split.get("valid", [])
    if "valid_json" in given:
        valids = [path for path in jsons if _shown(path, root) == given["valid_json"]]
    trains = of_split.get("train") or of_split.get(None, [])
    if "train_json" in given:
        trains = [path for path in jsons if _shown(path, root) == given["train_json"]]
    proposals = []
    for train in trains:
        section, notes = _split_keys(root, train, "train", folders)
        if not section:
            misses += notes
            continue
        section = {"format": "coco", **section}
        if len(valids) > 1:
            shown = listed([str(path.relative_to(root)) for path in valids])
            raise DataError([f"{root}: several files may be of the validation images: {shown}; set data.valid_json"])
        for valid in valids:
            more, told = _split_keys(root, valid, "valid", folders)
            section, notes = section | more, notes + told
        section["test_images"], test_note = test_images(folders)
        keys, told = _class_keys(train, given)
        if keys["class_names"]:
            words = f"COCO annotations in {train.relative_to(root)}"
            proposals.append(Proposal(words, {**section, **keys}, (*notes, *told, test_note)))
    return proposals


def _shown(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _split(path: Path, root: Path) -> str | None:
    """The split in a json's own name, or in that of the nearest folder whose name tells."""
    parts = [path.stem, *reversed(path.relative_to(root).parts[:-1])]
    return next((split for split in map(split_of, parts) if split is not None), None)


def _split_keys(root: Path, json: Path, split: str, folders: Sequence[Folder]) -> tuple[dict[str, object], list[str]]:
    """The json and the folder in which the first image that it names lies, and what to say of them."""
    first: object = next((item.value for item in stream_items(json, ("images",))), None)
    name = str(first.get("file_name") if isinstance(first, dict) else "").replace("\\", "/")
    near = [json.parent / "images", json.parent, root, *(folder.path for folder in folders)]
    inside = PurePosixPath(name)
    if name and not inside.is_absolute() and ".." not in inside.parts:
        whole = next((folder for folder in near if (folder / inside).is_file()), None)
    else:
        whole = None
    folder = whole or next((folder for folder in near if name and (folder / inside.name).is_file()), None)
    shown = json.relative_to(root)
    if folder is None:
        return {}, [f"{json}: the first image it names, {name!r}, lies in no folder of {root}"]
    place = folder.relative_to(root).as_posix()
    keys: dict[str, object] = {f"{split}_json": shown.as_posix(), f"{split}_images": place}
    return keys, [f"{shown}: its images are in {place}"]


def _class_keys(json: Path, given: Mapping[str, object]) -> tuple[dict[str, object], list[str]]:
    """The classes that a json shows, and what was taken for what. Raises DataError for those that may be void."""
    names, notes = _categories(json)
    problem = void_classes_problem(str(json), names, given, "set data.ignore_class")
    if problem and "ignore_class" not in given:
        raise DataError([problem])
    names = tuple(name for name in names if name != given.get("ignore_class"))
    wanted = given.get("class_names")
    if not isinstance(wanted, tuple) or len(wanted) != 1 or len(names) != 1 or wanted == names:
        return {"class_names": names}, notes
    notes.append(f"class {wanted[0]}: made of the one category, {names[0]}")
    return {"class_names": names, "merge": {wanted[0]: "all"}}, notes


def _categories(json: Path) -> tuple[tuple[str, ...], list[str]]:
    """The categories that are classes, and what was taken for what."""
    from maskfold.data.formats.coco_index import read_coco  # pycocotools is wanted by COCO alone

    index = read_coco(json, Problems(tolerated=True))  # whoever opens the competition reports the problems
    counts = {name: int((index.category == place).sum()) for place, name in enumerate(index.categories)}
    names = tuple(name for name in index.categories if name not in index.roots)
    notes = [f"category {name}: a class ({counted(counts[name], 'annotation')})" for name in names]
    notes += [f"category {name}: the group of the others, without annotations: no class" for name in index.roots]
    return names, [f"{json.name}: {counted(len(index.file_names), 'image')}", *notes]


def _is_coco(path: Path) -> bool:
    """Whether a json has lists of images and annotations; only its beginning is read where that tells."""
    try:
        seen = {item.key for item in itertools.islice(stream_items(path, ("annotations", "images")), 1)}
    except DataError:
        return False
    return bool(seen)
