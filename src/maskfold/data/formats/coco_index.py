"""What a COCO json holds and where: its images, its categories, and the place of every annotation in the file.

The annotations themselves stay in the file until a mask is asked for, so that a json of a gigabyte needs tens of
megabytes. The index is kept under runs/ and serves as long as the json's size and modification time stay the same.
"""

from __future__ import annotations

import contextlib
import sys
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from maskfold.artefacts.files import whole_file
from maskfold.artefacts.paths import image_index
from maskfold.data.formats.coco_segments import segment_problem
from maskfold.data.formats.json_stream import Item, read_item, stream_items
from maskfold.data.problems import Problems
from maskfold.errors import DataError
from maskfold.execution.text import control_fault

_TEXTS = ("file_names", "categories", "roots")
_ARRAYS = ("sizes", "image", "category", "crowd", "offset", "length")
_LISTS = ("images", "annotations", "categories")
_VERSION = 2  # of the file format below
_LARGE = 2**28  # bytes; reading more takes a while that should be explained
_MOST_PX = 2**31  # of a side; no image format holds more
_EXPECTED_KEY = "expected a whole number or a text"


@dataclass(frozen=True)
class CocoIndex:
    """The checked content of one json.

    file_names: of the images, as the json writes them; sizes: (images, 2) int64, height and width in px; categories:
    names, one each; roots: those of them without annotations that are the supercategory of others; and for every
    annotation, in the order of their images: image: (annotations,) row of its image; category: (annotations,) place in
    `categories`; crowd: (annotations,) bool; offset, length: (annotations,) bytes.
    """

    path: Path
    file_names: tuple[str, ...]
    sizes: np.ndarray
    categories: tuple[str, ...]
    roots: tuple[str, ...]
    image: np.ndarray
    category: np.ndarray
    crowd: np.ndarray
    offset: np.ndarray
    length: np.ndarray

    @classmethod
    def blank(cls, path: Path) -> CocoIndex:
        """The index of a json that names nothing."""
        none = np.zeros(0, np.int64)
        return cls(path, (), none.reshape(0, 2), (), (), none, none, none.astype(bool), none, none)


def read_coco(path: Path, tolerated: Problems | None = None) -> CocoIndex:
    """The index of a COCO json, from runs/ where it was read before.

    tolerated: where tolerated problems are given they take up what is wrong, and what has a problem is left out.
    Raises DataError with all problems, each naming the annotation's id: no such JSON, images, annotations or categories
    given twice, annotations of images or categories that are not there, segmentations that are none.
    """
    if not path.is_file():
        raise DataError([f"{path}: no such file"])
    status = path.stat()
    stamp = np.array([_VERSION, status.st_size, status.st_mtime_ns])
    cache = image_index(path).with_suffix(".coco.npz")
    known = _read_cache(path, cache, stamp)
    if known is not None:
        return known
    problems = Problems() if tolerated is None else tolerated
    found_before = len(problems)
    index = _scan(path, problems)
    if len(problems) > found_before:
        return index  # not kept, so that the next reader reports the problems too
    content = {name: _as_bytes(getattr(index, name)) for name in _TEXTS}
    content |= {name: getattr(index, name) for name in _ARRAYS}
    content["stamp"] = stamp
    # The cache only saves time; on a read-only disk every stage reads the json again.
    with contextlib.suppress(OSError), whole_file(cache) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **content)
    return index


@dataclass
class _Scan:
    """What has been read of a json so far; ids are whatever the json writes, numbers or texts."""

    path: Path
    problems: Problems
    images: dict[Any, int] = field(default_factory=dict)  # id -> row
    file_names: list[str] = field(default_factory=list)
    rows_of_names: dict[str, Any] = field(default_factory=dict)  # file name -> id
    sizes: array[int] = field(default_factory=lambda: array("q"))
    categories: dict[Any, str] = field(default_factory=dict)
    groups: dict[Any, str] = field(default_factory=dict)  # id -> its category's supercategory
    # of each annotation: image row, code of its category, crowd, offset, length, hash of its id
    rows: array[int] = field(default_factory=lambda: array("q"))
    category_codes: dict[Any, int] = field(default_factory=dict)

    def add_image(self, item: Item) -> None:
        """Take one entry of `images`."""
        image = self._entry(item, ("id", "file_name", "height", "width"))
        if image is None:
            return
        image_id, name, height, width = (image[key] for key in ("id", "file_name", "height", "width"))
        place = f"{self.path}, image {image_id}:"
        if not all(type(side) is int and 1 <= side < _MOST_PX for side in (height, width)):
            self.problems.append(f"{place} {name!r} has height {height!r} and width {width!r}, expected whole px")
        elif not isinstance(name, str) or not name:
            self.problems.append(f"{place} file_name is {name!r}, expected a text")
        elif fault := control_fault("file_name", name):
            self.problems.append(f"{place} {fault}")
        elif image_id in self.images:
            self.problems.append(f"{place} its id is that of {self.file_names[self.images[image_id]]} already")
        elif name in self.rows_of_names:
            self.problems.append(f"{place} {name} is image {self.rows_of_names[name]} already")
        else:
            self.images[image_id] = len(self.file_names)
            self.rows_of_names[name] = image_id
            self.file_names.append(name)
            self.sizes.extend((height, width))

    def add_category(self, item: Item) -> None:
        """Take one entry of `categories`."""
        category = self._entry(item, ("id", "name"))
        if category is None:
            return
        if category["id"] in self.categories:
            self.problems.append(f"{self.path}, category {category['id']}: the id is given twice")
        name = str(category["name"])
        if fault := control_fault("name", name):
            self.problems.append(f"{self.path}, category {category['id']}: {fault}")
            return
        self.categories[category["id"]] = name
        self.groups[category["id"]] = str(category.get("supercategory", ""))

    def add_annotation(self, item: Item) -> None:
        """Check an annotation; its image must have been read."""
        annotation = item.value
        if not isinstance(annotation, dict) or not {"id", "image_id", "category_id"} <= annotation.keys():
            self.problems.append(f"{self.path}, byte {item.offset}: an annotation needs id, image_id and category_id")
            return
        row, category = self.images.get(_key(annotation["image_id"])), _key(annotation["category_id"])
        if row is None:
            self._complain(annotation, f"there is no image {annotation['image_id']!r}")
            return
        if category is None:
            self._complain(annotation, f"category_id is {annotation['category_id']!r}, {_EXPECTED_KEY}")
            return
        problem = segment_problem(annotation, self.sizes[2 * row], self.sizes[2 * row + 1])
        if problem is not None:
            self._complain(annotation, f"(image {self.file_names[row]}) {problem}")
            return
        crowd = annotation.get("iscrowd", 0)
        if crowd not in (0, 1):
            self._complain(annotation, f"iscrowd is {crowd!r}, expected 0 or 1")
        code = self.category_codes.setdefault(category, len(self.category_codes))
        self.rows.extend((row, code, int(crowd == 1), item.offset, item.length, hash(_key(annotation["id"]))))

    def _complain(self, annotation: Mapping[str, Any], reason: str) -> None:
        self.problems.append(f"{self.path}, annotation {annotation['id']}: {reason}")

    def _entry(self, item: Item, keys: tuple[str, ...]) -> dict[str, Any] | None:
        """The item's value, or None with a problem where keys are missing or can be none."""
        entry = item.value if isinstance(item.value, dict) else {}
        place = f"{self.path}, byte {item.offset}: one of {item.key}"
        missing = [key for key in keys if entry.get(key) is None]
        wrong = [f"{key} {entry[key]!r}" for key in keys if key not in missing and _key(entry[key]) is None]
        if missing:
            self.problems.append(f"{place} without {', '.join(missing)}")
        elif wrong:
            self.problems.append(f"{place} has {' and '.join(wrong)}, {_EXPECTED_KEY}")
        return None if missing or wrong else dict(entry)


def _key(value: Any) -> Any:
    """An id as a dictionary's key; None for what can be none, such as 7.0."""
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None


def _scan(path: Path, problems: Problems) -> CocoIndex:
    """Read a json through once, or twice where annotations come before the images."""
    if path.stat().st_size > _LARGE:
        print(f"{path.name}: {path.stat().st_size >> 20} MB are read once and indexed", file=sys.stderr, flush=True)
    scan = _Scan(path, problems)
    seen: set[str] = set()
    early = False
    for item in stream_items(path, _LISTS):
        seen.add(item.key)
        if item.key == "images":
            early = early or "annotations" in seen
            scan.add_image(item)
        elif item.key == "categories":
            scan.add_category(item)
        elif "images" in seen and not early:
            scan.add_annotation(item)
    if "images" not in seen or "categories" not in seen:
        missing = [key for key in ("images", "categories") if key not in seen]
        raise DataError(
            [
                *(() if problems.tolerated else problems),
                f"{path}: holds no {' and no '.join(missing)}, so it is no COCO json of labels",
            ]
        )
    if early:
        scan.rows = array("q")
        for item in stream_items(path, _LISTS):
            if item.key == "annotations":
                scan.add_annotation(item)
    return _finished(scan)


def _finished(scan: _Scan) -> CocoIndex:
    """The index of a whole scan. Raises DataError with all problems."""
    table = np.frombuffer(scan.rows, dtype=np.int64).reshape(-1, 6) if scan.rows else np.zeros((0, 6), np.int64)
    known = {_key(key): name for key, name in scan.categories.items() if not _is_unused_copy(scan, key)}
    names = list(dict.fromkeys(known.values()))
    for raw, code in scan.category_codes.items():
        if raw not in known:
            first = read_item(scan.path, *table[table[:, 1] == code][0, 3:5].tolist())
            scan.problems.append(f"{scan.path}, annotation {first['id']}: there is no category {raw!r}")
    scan.problems += _twins(scan.path, table)
    ids_of = {name: [key for key, other in known.items() if other == name] for name in names}
    for name, ids in ids_of.items():
        if len(ids) > 1:
            scan.problems.append(
                f"{scan.path}: categories {', '.join(map(str, ids))} are all called {name!r}; rename them"
            )
    scan.problems.raise_any()
    place = np.array([names.index(known[raw]) if raw in known else -1 for raw in scan.category_codes], dtype=np.int64)
    table = table[place[table[:, 1]] >= 0] if len(place) else table  # a category that is not there was tolerated
    table = table[np.argsort(table[:, 0], kind="stable")]
    return CocoIndex(
        path=scan.path,
        file_names=tuple(scan.file_names),
        sizes=np.array(scan.sizes, dtype=np.int64).reshape(-1, 2),
        categories=tuple(names),
        roots=tuple(name for name in names if _is_root(scan, name, ids_of[name])),
        image=table[:, 0].astype(np.int32),
        category=(place[table[:, 1]] if len(place) else table[:, 1]).astype(np.int16),
        crowd=table[:, 2].astype(bool),
        offset=table[:, 3].copy(),
        length=table[:, 4].astype(np.int32),
    )


def _is_unused_copy(scan: _Scan, category: Any) -> bool:
    """Whether a category has no annotations and the name of one that has, as Roboflow's root category may."""
    twins = [key for key, name in scan.categories.items() if name == scan.categories[category]]
    return category not in scan.category_codes and any(key in scan.category_codes for key in twins)


def _is_root(scan: _Scan, name: str, ids: Sequence[Any]) -> bool:
    """Whether a category only groups others: it has no annotations and is the supercategory of another one."""
    used = any(key in scan.category_codes for key in ids)
    return not used and any(group == name for key, group in scan.groups.items() if key not in ids)


def _twins(path: Path, table: np.ndarray) -> list[str]:
    """One problem for each annotation id that is given twice; `table` holds the ids' hashes."""
    order = np.argsort(table[:, 5], kind="stable")
    same = np.flatnonzero(np.diff(table[order, 5]) == 0)
    problems = []
    for first, second in zip(order[same], order[same + 1], strict=True):
        pair = [read_item(path, *table[row, 3:5].tolist()) for row in (first, second)]
        if pair[0]["id"] == pair[1]["id"]:
            images = " and ".join(str(annotation["image_id"]) for annotation in pair)
            problems.append(f"{path}, annotation {pair[0]['id']}: the id is given twice, of images {images}")
    return problems


def _as_bytes(names: tuple[str, ...]) -> np.ndarray:
    """Texts as one array of bytes, each ended by a zero."""
    return np.frombuffer("".join(f"{name}\0" for name in names).encode(), dtype=np.uint8)


def _as_names(data: np.ndarray) -> tuple[str, ...]:
    return tuple(data.tobytes().decode().split("\0")[:-1])


def _read_cache(path: Path, cache: Path, stamp: np.ndarray) -> CocoIndex | None:
    """The index as it was kept; None where there is none, it is damaged or the json has changed."""
    try:
        with np.load(cache, allow_pickle=False) as kept:
            content: Mapping[str, np.ndarray] = {name: kept[name] for name in kept.files}
        if not np.array_equal(content["stamp"], stamp):
            return None
        file_names, categories, roots = (_as_names(content[name]) for name in _TEXTS)
        arrays = {name: content[name] for name in _ARRAYS}
    except Exception:  # a damaged archive raises errors of every kind
        return None
    return CocoIndex(path, file_names, arrays.pop("sizes"), categories, roots, **arrays)
