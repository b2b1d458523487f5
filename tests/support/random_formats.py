"""Writes a scene as one of the formats; every writer returns the section that reads it and the ids of its images."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from maskfold.pixels.rle import encode, relative_runs
from support.random_competitions import RandomCompetition, Scene, new_scene, write_image

MASK_SUFFIXES = (".png", ".bmp", ".tif", ".PNG", ".gif", ".webp", ".npy")
_COLOURS = ((255, 0, 0), (0, 160, 0), (40, 40, 255))
_JOINED = "Image_Label"


def random_competition(seed: int, root: Path) -> RandomCompetition:
    """Write a random competition below `root`, which must not exist yet."""
    scene = new_scene(seed, root)
    writers = {"rle_csv": _rle_csv, "mask_folders": _mask_folders, "paths_csv": _paths_csv, "coco": _coco}
    name = scene.choose("format", tuple(writers))
    found = writers[name](scene)
    found.section = {"format": name, "root": str(root), **found.section}
    found.section |= {"orientation": scene.orientation} if scene.orientation else {}
    found.photos = scene.photos
    _with_fault(scene, found)
    return found


def _with_fault(scene: Scene, found: RandomCompetition) -> None:
    """Now and then a file that must be refused by its name: a photo cut short, or a test image of an unknown kind."""
    folder = scene.root / str(found.section.get("test_images"))
    fault = scene.choose("fault", ("none",) * 8 + ("cut short", "unread kind"))
    photos = [path for path in sorted(scene.root.rglob(f"{next(iter(scene.sizes))}{scene.suffix}")) if path.is_file()]
    if fault == "unread kind" and "/" not in str(found.section.get("image_name", "")) and folder.is_dir():
        (folder / "one_more.heic").write_bytes(b"no image")
        found.fault = "one_more.heic"
    elif fault == "cut short" and photos:
        photos[0].write_bytes(photos[0].read_bytes()[:40])
        found.fault = photos[0].name


def _found(
    scene: Scene, section: dict[str, object], by_name: bool, auto_names: Sequence[str] = ()
) -> RandomCompetition:
    """by_name: ids are file names; else stems."""
    ending = scene.suffix if by_name else ""
    masks = {f"{stem}{ending}": scene.mask(stem) for stem in scene.sizes}
    tests = [f"{stem}{ending}" for stem in scene.test_stems]
    names = list(auto_names or scene.classes)
    return RandomCompetition(scene.root, section, masks, tests, names, choices=scene.choices)


def _rle_csv(scene: Scene) -> RandomCompetition:
    """Run lengths in one of five forms, in one of three orders, empty masks blank, absent or -1."""
    scene.write_photos("train_images", list(scene.sizes))
    scene.write_photos("test_images", scene.test_stems)
    forms = ("class column", "joined", "wide") if len(scene.classes) > 1 else ("one", "class column", "joined")
    form = scene.choose("form", forms)
    ids = scene.choose("ids", ("name", "stem", "path"))
    order = scene.choose("order", ("column", "row", "relative"))
    token = scene.choose("empty", ("", "-1", "absent"))
    several = form != "wide" and scene.choose("several", (False, True))
    if form == "joined" and scene.choose("class names", ("plain", "with _")) == "with _":
        scene.classes = [f"big_{name}" for name in scene.classes]
    rows: list[tuple[str, str, str]] = []
    for stem in scene.sizes:
        name = {"name": f"{stem}{scene.suffix}", "stem": stem, "path": f"train_images/{stem}{scene.suffix}"}[ids]
        for index, class_name in enumerate(scene.classes):
            rows += [(name, class_name, text) for text in _texts(scene, stem, index, order, several, token)]
    header, lines, columns = _table(form, rows, scene.classes, scene.rng)
    _write_csv(scene.root / "train.csv", header, lines)
    section: dict[str, object] = {"class_names": scene.classes, "columns": columns, "order": order}
    section |= {"sample_submission": None, "several_rows": "union" if several else "refuse"}
    section |= {"empty_token": "-1"} if token == "-1" else {}
    return _found(scene, section, ids != "stem", ["mask"] if form == "one" else ())


def _texts(scene: Scene, stem: str, index: int, order: str, several: bool, token: str) -> list[str]:
    """The run lengths of one image and class, a row each."""
    things = scene.objects[stem][index]
    masks = things if several else [scene.mask(stem)[index]] if things else []
    plain = "row" if order == "row" else "column"
    texts = [encode(mask, plain) for mask in masks]
    if order == "relative":
        texts = [relative_runs(text) for text in texts]
    return texts or ([] if token == "absent" else [token])


def _table(
    form: str, rows: Sequence[tuple[str, str, str]], classes: Sequence[str], rng: np.random.Generator
) -> tuple[list[str], list[list[str]], dict[str, object]]:
    """Header, lines and data.columns of a label csv, with a column that says nothing of the masks."""
    if form == "joined":
        return [_JOINED, "Runs"], [[f"{a}_{b}", c] for a, b, c in rows], {"image_class": _JOINED, "rle": "Runs"}
    if form == "wide":
        of_image: dict[str, dict[str, str]] = {}
        for a, b, c in rows:
            of_image.setdefault(a, {})[b] = c
        lines = [[a, *(own.get(name, "") for name in classes)] for a, own in of_image.items()]
        return ["id", *classes], lines, {"image": "id", "rle_of": {name: name for name in classes}}
    ages = [str(rng.integers(20, 90)) for _ in rows]
    if form == "one":
        lines = [[str(n), a, c, age] for n, ((a, _, c), age) in enumerate(zip(rows, ages, strict=True))]
        return ["", "id", "rle", "age"], lines, {"image": "id", "rle": "rle"}
    lines = [[a, age, b, c] for (a, b, c), age in zip(rows, ages, strict=True)]
    return ["id", "age", "class", "rle"], lines, {"image": "id", "class_name": "class", "rle": "rle"}


def _mask_folders(scene: Scene) -> RandomCompetition:
    """Mask images in a folder, a folder a class, among the photos, or in a folder an image."""
    writers = {"folder": _one_folder, "class folders": _class_folders}
    if len(scene.classes) == 1:
        writers |= {"among photos": _among_photos, "folder an image": _folder_an_image}
    layout = scene.choose("layout", tuple(writers))
    found = writers[layout](scene, scene.choose("mask suffix", MASK_SUFFIXES))
    found.section["class_names"] = scene.classes
    return found


def _one_folder(scene: Scene, suffix: str) -> RandomCompetition:
    """images/<split> and masks/<split>, all classes in one file."""
    name = scene.choose("mask name", ("{stem}", "{stem}_mask", "{name}"))
    kinds = ("white", "ones", "deep", "colour") if len(scene.classes) == 1 else ("values", "void", "colour", "palette")
    if suffix not in (".png", ".PNG"):
        kinds = tuple(kind for kind in kinds if kind in ("white", "ones", "values"))
    kind = scene.choose("mask kind", kinds)
    stems, valid = list(scene.sizes), scene.choose("validation", (0, 0, 2))
    splits = {"train": stems[: len(stems) - valid], "val": stems[len(stems) - valid :]}
    for split, own in splits.items():
        scene.write_photos(f"images/{split}", own)
        for stem in own:
            mask = name.replace("{stem}", stem).replace("{name}", f"{stem}{scene.suffix}")
            _write_coded(scene.root / "masks" / split / f"{mask}{suffix}", scene.mask(stem), kind)
    scene.write_photos("images/test", scene.test_stems)
    section: dict[str, object] = {"train_images": "images/train", "train_masks": "masks/train", "mask_name": name}
    section |= {"valid_images": "images/val", "valid_masks": "masks/val"} if valid else {}
    keys, auto_names = _coding(kind, scene.classes)
    found = _found(scene, {**section, "test_images": "images/test", **keys}, False, auto_names)
    if kind == "void":
        found.ignored = {stem: _void(scene.mask(stem)) for stem in stems}
    return found


def _class_folders(scene: Scene, suffix: str) -> RandomCompetition:
    """train and train_masks/<class>; empty masks are there or not."""
    scene.write_photos("train", list(scene.sizes))
    scene.write_photos("test", scene.test_stems)
    for stem in scene.sizes:
        for name, mask in zip(scene.classes, scene.mask(stem), strict=True):
            if mask.any() or not scene.rng.integers(2):
                _write_mask(scene.root / "train_masks" / name / f"{stem}{suffix}", mask * np.uint8(255))
    section: dict[str, object] = {"train_images": "train", "train_masks": "train_masks", "test_images": "test"}
    return _found(scene, {**section, "mask_name": "{class}/{stem}", "missing_masks": "empty"}, False)


def _among_photos(scene: Scene, suffix: str) -> RandomCompetition:
    """x.png, x_mask.png, x_mask_1.png: a file an object."""
    scene.write_photos("all", list(scene.sizes))
    scene.write_photos("test", scene.test_stems)
    for stem in scene.sizes:
        for number, thing in enumerate(_things(scene, stem)):
            behind = f"_{number}" if number else ""
            _write_mask(scene.root / "all" / f"{stem}_mask{behind}{suffix}", thing * np.uint8(255))
    section: dict[str, object] = {"train_images": "all", "train_masks": "all", "test_images": "test"}
    return _found(scene, {**section, "mask_name": "{stem}_mask*", "several_masks": "union"}, False, ["mask"])


def _folder_an_image(scene: Scene, suffix: str) -> RandomCompetition:
    """<id>/images/<id>.png and <id>/masks/*.png: a file an object."""
    for split, stems in (("train", list(scene.sizes)), ("test", scene.test_stems)):
        for stem in stems:
            photo = scene.root / split / stem / "images" / f"{stem}{scene.suffix}"
            scene.write_photo(photo, scene.sizes.get(stem, (20, 30)))
    for stem in scene.sizes:
        for number, thing in enumerate(_things(scene, stem)):
            _write_mask(scene.root / "train" / stem / "masks" / f"{number:x}5e{suffix}", thing * np.uint8(255))
    section: dict[str, object] = {"train_images": "train", "train_masks": "train", "test_images": "test"}
    section |= {"image_name": "{stem}/images/{stem}", "mask_name": "{stem}/masks/*", "several_masks": "union"}
    return _found(scene, section, False, ["mask"])


def _things(scene: Scene, stem: str) -> list[np.ndarray]:
    """The objects of an image of one class, or one empty mask."""
    return scene.objects[stem][0] or [np.zeros(scene.sizes[stem], np.uint8)]


def _coding(kind: str, classes: Sequence[str]) -> tuple[dict[str, object], list[str]]:
    """The keys that read masks of a kind, and what auto calls their classes."""
    if kind in ("white", "ones", "deep"):
        return {} if kind == "white" else {"mask_threshold": 1}, ["mask"]
    if kind == "colour":
        colours = {name: list(_COLOURS[index]) for index, name in enumerate(classes)}
        names = [f"colour_{r:02x}{g:02x}{b:02x}" for r, g, b in _COLOURS[: len(classes)]]
        return {"labels": "colour", "class_colours": colours}, names
    void: dict[str, object] = {"ignore_value": 255} if kind == "void" else {}
    return {"labels": "class_index", **void}, [f"class_{number}" for number in range(1, len(classes) + 1)]


def _write_coded(path: Path, masks: np.ndarray, kind: str) -> None:
    """All classes in one file."""
    values = np.zeros(masks.shape[1:], np.uint8)
    for index, mask in enumerate(masks):
        values[mask > 0] = index + 1
    if kind == "void":
        values[_void(masks) > 0] = 255
    if kind == "colour":
        palette = np.array([(0, 0, 0), *_COLOURS], np.uint8)
        write_image(path, palette[values])
    elif kind == "palette":
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(values, mode="P")
        image.putpalette([0, 0, 0, *(v for colour in _COLOURS for v in colour)])
        image.save(path, format="PNG")
    elif kind == "deep":
        write_image(path, values.astype(np.uint16) * np.uint16(255))
    else:
        _write_mask(path, values * np.uint8(255) if kind == "white" else values)


def _void(masks: np.ndarray) -> np.ndarray:
    """(H, W) uint8 in {0, 1}: the first two rows, but for what masks (C, H, W) show."""
    void = np.zeros(masks.shape[1:], np.uint8)
    void[:2] = 1 - masks[:, :2].max(axis=0)
    return void


def _write_mask(path: Path, values: np.ndarray) -> None:
    """(H, W) uint8, exactly: webp is written without loss, gif as greys."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".webp":
        Image.fromarray(values).convert("RGB").save(path, lossless=True, exact=True)
    elif path.suffix == ".gif":
        Image.fromarray(values).save(path)
    else:
        write_image(path, values)


def _paths_csv(scene: Scene) -> RandomCompetition:
    """A csv of photos and masks: one mask, one a class, or an object a row."""
    scene.write_photos("photos/train", list(scene.sizes))
    scene.write_photos("photos/test", scene.test_stems)
    several = len(scene.classes) > 1
    form = scene.choose("form", ("one a class",) if several else ("one mask", "an object a row"))
    suffix = scene.choose("mask suffix", MASK_SUFFIXES)
    columns = [f"mask_{name}" for name in scene.classes] if several else ["mask"]
    rows = []
    for stem in scene.sizes:
        masks = [scene.mask(stem)] if form != "an object a row" else [t[None] for t in scene.objects[stem][0]]
        for number, mask in enumerate(masks or [scene.mask(stem)]):
            row = [f"photos/train/{stem}{scene.suffix}"]
            for index, column in enumerate(columns):
                path = f"drawn/{column}/{stem}-{number}{suffix}"
                if mask[index].any():
                    _write_mask(scene.root / path, mask[index] * np.uint8(255))
                row.append(path if mask[index].any() else "")
            rows.append(row)
    _write_csv(scene.root / "list.csv", ["photo", *columns], rows)
    named: dict[str, object] = {"image": "photo", "mask": "mask"}
    if several:
        named = {"image": "photo", "mask": None, "mask_of": dict(zip(scene.classes, columns, strict=True))}
    section: dict[str, object] = {"train_csv": "list.csv", "columns": named, "class_names": scene.classes}
    section |= {"test_images": "photos/test", "several_rows": "union" if form == "an object a row" else "refuse"}
    return _found(scene, section, False, columns)


def _coco(scene: Scene) -> RandomCompetition:
    """COCO: both kinds of run lengths, an annotation an object; images right in the folder or in folders below it."""
    scene.suffix = ".png" if scene.suffix == ".npy" else scene.suffix
    inside = scene.choose("inside", ("", "v1/"))
    prefix = scene.choose("file_name", ("", "..\\..\\media\\upload\\")) if not inside else ""
    compressed = scene.choose("compressed", (False, True))
    scene.write_photos(f"train/{inside}", list(scene.sizes))
    scene.write_photos("test", scene.test_stems)
    root = scene.choose("root category", (False, True))
    first = int(root)
    categories = [{"id": first + n, "name": name, "supercategory": "things"} for n, name in enumerate(scene.classes)]
    if root:
        name = scene.choose("root name", ("things", scene.classes[0]))
        categories = [{"id": 0, "name": name, "supercategory": "none"}, *categories]
        categories = [c | {"supercategory": name if c["id"] else "none"} for c in categories]
    images, annotations = [], []
    for number, stem in enumerate(scene.sizes):
        height, width = scene.sizes[stem]
        name = f"{prefix}{inside}{stem}{scene.suffix}"
        images.append({"id": number, "file_name": name, "height": height, "width": width})
        for index, things in enumerate(scene.objects[stem]):
            for thing in things:
                entry = {"id": len(annotations), "image_id": number, "category_id": first + index, "iscrowd": 0}
                annotations.append({**entry, "segmentation": _segmentation(thing, compressed)})
    content = {"images": images, "categories": categories, "annotations": annotations}
    (scene.root / "train.json").write_text(json.dumps(content), encoding="utf-8")
    section: dict[str, object] = {"train_json": "train.json", "train_images": "train", "test_images": "test"}
    found = _found(scene, {**section, "class_names": scene.classes}, True)
    found.masks = {f"{inside}{name}": mask for name, mask in found.masks.items()}
    return found


def _segmentation(mask: np.ndarray, compressed: bool) -> dict[str, object]:
    packed = coco_mask.encode(np.asfortranarray(mask))
    if compressed:
        return {"size": list(mask.shape), "counts": packed["counts"].decode("ascii")}
    flat = mask.T.reshape(-1)
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.r_[0, edges, flat.size]).tolist()
    return {"size": list(mask.shape), "counts": counts if flat[0] == 0 else [0, *counts]}


def _write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
