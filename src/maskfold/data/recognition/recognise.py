"""Recognises which of the formats a folder has, and says so in one sentence and in the config section that means it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import yaml
from pydantic import ValidationError

from maskfold.config import AutoData, CocoData, Config, MaskFoldersData, PathsCsvData, RleCsvData
from maskfold.data.csv_files import header_of
from maskfold.data.formats.json_stream import stream_items
from maskfold.data.image_ids import list_names
from maskfold.data.problems import Problems, data_root
from maskfold.data.recognition.csv import csvs_of_paths, csvs_of_runs
from maskfold.data.recognition.masks import mask_labels, mask_name_of
from maskfold.errors import DataError

Found = RleCsvData | MaskFoldersData | PathsCsvData | CocoData
Sketch = tuple[str, dict[str, object]]  # a sentence's end, and the section without root

_TRAIN, _VALID, _TEST = ("train",), ("val", "valid", "validation"), ("test",)
_GROUPS = "groups.csv"
_MASK_WORDS = ("mask", "label", "annot", "gt", "seg")


def with_recognised_data(config: Config) -> Config:
    """The config with `data.format: auto` replaced by what its folder was taken for, which is printed."""
    if not isinstance(config.data, AutoData):
        return config
    return config.model_copy(update={"data": recognised(config.data)})


def recognised(data: AutoData) -> Found:
    """The section that describes the folder, printed as one sentence and as YAML.

    Raises DataError with what was looked for where nothing fits, and with all candidates where several do.
    """
    root = data_root(data.root)
    sketches = [*_coco(root), *csvs_of_runs(root), *csvs_of_paths(root), *_mask_folders(root)]
    if not sketches:
        raise DataError(
            [
                f"{root}: data.format: auto found no labels; it looks for COCO json, csv files of run lengths or of "
                f"paths, and folders of masks beside folders of photos. The folder holds {_content(root)}"
            ]
        )
    found = [(words, section, _section(data, section)) for words, section in sketches]
    if len(found) > 1:
        listed = [f"{words}:\n{_as_yaml(data, section)}" for words, section, _ in found]
        raise DataError([f"{root}: may be {len(found)} things; write down which in the config:", *listed])
    [(words, section, result)] = found
    print(f"{root.name}: taken for {words}; the same in words:\n{_as_yaml(data, section)}", flush=True)
    return result


def _section(data: AutoData, section: dict[str, object]) -> Found:
    values = _values(data, section)
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
        raise DataError([f"{data.root}: {reasons}; this is what auto made of it:\n{_as_yaml(data, section)}"]) from None


def _values(data: AutoData, section: dict[str, object]) -> dict[str, object]:
    named = {"class_names": data.class_names} if data.class_names else {}
    groups_csv = data_root(data.root) / _GROUPS
    groups = {"groups_csv": _GROUPS} if {"ImageId", "GroupId"} <= set(header_of(groups_csv)) else {}
    return {"format": section["format"], "root": data.root, **section, **named, **groups}


def _as_yaml(data: AutoData, section: dict[str, object]) -> str:
    plain = {key: list(v) if isinstance(v, tuple) else v for key, v in _values(data, section).items()}
    text = yaml.safe_dump({"data": plain}, sort_keys=False, default_flow_style=None, allow_unicode=True, width=110)
    return "\n".join(f"    {line}" for line in text.rstrip().splitlines())


def _content(root: Path) -> str:
    names = sorted(path.name + ("/" if path.is_dir() else "") for path in root.iterdir())
    return ", ".join(names[:12]) + (", …" if len(names) > 12 else "") or "nothing"


def _coco(root: Path) -> list[Sketch]:
    jsons = [path for path in sorted([*root.glob("*.json"), *root.glob("*/*.json")]) if _is_coco(path)]
    of_split = {words: [path for path in jsons if _named(path, root, words)] for words in (_TRAIN, _VALID)}
    others = [path for path in jsons if not any(path in found for found in of_split.values())]
    trains = of_split[_TRAIN] or [path for path in others if not _named(path, root, _TEST)]
    valids = of_split[_VALID]
    sketches: list[Sketch] = []
    for train in trains:
        section = {"format": "coco", **_coco_split(root, train, "train")}
        if len(valids) == 1:
            section |= _coco_split(root, valids[0], "valid")
        section |= {"test_images": _folder_like(root, _TEST)}
        section["class_names"] = _categories(train)
        if section.get("train_images") and section["class_names"]:
            sketches.append((f"COCO annotations in {train.relative_to(root)}", section))
    return sketches


def _coco_split(root: Path, json: Path, split: str) -> dict[str, object]:
    """train_json and train_images (or of another split): the folder that holds the first image the json names."""
    first: object = next((item.value for item in stream_items(json, ("images",))), None)
    name = Path(str(first.get("file_name") if isinstance(first, dict) else "")).name
    near = [json.parent / "images", json.parent, *sorted(path for path in root.glob("*") if path.is_dir())]
    near += sorted(path for path in root.glob("*/*") if path.is_dir())
    folder = next((path for path in near if name and (path / name).is_file()), None)
    if folder is None:
        return {}
    return {f"{split}_json": str(json.relative_to(root)), f"{split}_images": str(folder.relative_to(root))}


def _categories(json: Path) -> tuple[str, ...]:
    from maskfold.data.formats.coco_index import read_coco  # pycocotools is wanted by COCO alone

    return read_coco(json, Problems(tolerated=True)).categories  # whoever opens the competition tells of them


def _is_coco(path: Path) -> bool:
    """Whether a json has lists of images and annotations; only its beginning is read where that tells."""
    try:
        seen = {item.key for item in itertools.islice(stream_items(path, ("annotations", "images")), 1)}
    except DataError:
        return False
    return bool(seen)


def _named(path: Path, root: Path, words: tuple[str, ...]) -> bool:
    text = str(path.relative_to(root)).lower()
    return any(word in text for word in words)


def _folder_like(root: Path, words: tuple[str, ...]) -> str | None:
    """The one folder of images right in the root whose name has one of the words and is none of masks."""
    folders = [
        path for path in _image_folders(root) if _named(path, root, words) and not _named(path, root, _MASK_WORDS)
    ]
    return str(folders[0].relative_to(root)) if len(folders) == 1 else None


def _image_folders(root: Path) -> list[Path]:
    candidates = sorted(path for path in [*root.glob("*"), *root.glob("*/*")] if path.is_dir())
    return [path for path in candidates if list_names(path)]


def _split(folder: Path, root: Path) -> str:
    if _named(folder, root, _VALID):
        return "valid"
    return "test" if _named(folder, root, _TEST) else "train"


def _of_one_split(pairs: list[tuple[Path, Path, str]], root: Path) -> list[tuple[Path, Path, str]]:
    """Pairs of photos and masks without those that equal names alone put together: every split may count from 1."""
    agreeing = [pair for pair in pairs if _split(pair[0], root) == _split(pair[1], root)]
    taken = {folder for photos, masks, _ in agreeing for folder in (photos, masks)}
    kept = [pair for pair in pairs if pair in agreeing or not taken & set(pair[:2])]
    return [pair for pair in kept if _split(pair[0], root) != "test"] or kept


def _mask_folders(root: Path) -> list[Sketch]:
    """One sketch for each folder of photos that a folder of masks belongs to; validation folders join theirs."""
    folders = _image_folders(root)
    pairs: list[tuple[Path, Path, str]] = []
    for photos in folders:
        if _named(photos, root, _MASK_WORDS):
            continue
        for masks in sorted(path for path in [*root.glob("*"), *root.glob("*/*")] if path.is_dir()):
            if masks != photos and _named(masks, root, _MASK_WORDS):
                pattern = mask_name_of(photos, masks)
                if pattern is not None:
                    pairs.append((photos, masks, pattern))
    whole = {masks for _, masks, _ in pairs}
    pairs = [pair for pair in pairs if pair[1].parent not in whole]  # a class's folder is part of the one around it
    pairs = _of_one_split(pairs, root)
    valid = [pair for pair in pairs if _named(pair[0], root, _VALID)]
    sketches: list[Sketch] = []
    for photos, masks, pattern in [pair for pair in pairs if pair not in valid]:
        names = sorted(path.name for path in masks.iterdir() if path.is_dir()) if "{class}" in pattern else None
        section: dict[str, object] = {
            "format": "mask_folders",
            "train_images": str(photos.relative_to(root)),
            "train_masks": str(masks.relative_to(root)),
            "test_images": _folder_like(root, _TEST),
        }
        if len(valid) == 1:
            images, mask_folder, _ = valid[0]
            section |= {
                "valid_images": str(images.relative_to(root)),
                "valid_masks": str(mask_folder.relative_to(root)),
            }
        section |= {"mask_name": pattern} if pattern != "{stem}" else {}
        section |= {"class_names": tuple(names), "missing_masks": "empty"} if names else mask_labels(masks)
        words = f"photos in {section['train_images']} with masks in {section['train_masks']}"
        sketches.append((words, section))
    return sketches
