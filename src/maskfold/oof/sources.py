"""OOF predictions made elsewhere, as files.

Either a Parquet file (or a folder of them) with the columns of the OOF store, or a folder of probability maps:
`<image>.npy` with all classes, `<image>.png` for a single class, or `<class>/<image>.png`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from maskfold.data.csv_files import read_csv
from maskfold.data.images.suffixes import is_image, without_image_suffix
from maskfold.errors import DataError
from maskfold.oof.store import OofImage, iter_oof, read_folds_of, read_sizes

_DRAWN_FOLDS = 5
_FOLDS_CSV = "folds.csv"
MAP_SUFFIXES = (".npy", ".png")


class Source(Protocol):
    """OOF predictions in some form."""

    @property
    def files(self) -> list[Path]:
        """The files it is made of."""
        ...

    def sizes(self) -> dict[str, tuple[int, int]]:
        """image_id -> (height, width) in px."""
        ...

    def fold_of(self) -> dict[str, int]:
        """image_id -> fold."""
        ...

    def images(self) -> Iterator[OofImage]:
        """All images, one at a time."""
        ...


@dataclass(frozen=True)
class ParquetSource:
    """Files in the form of the OOF store."""

    files: list[Path]

    def sizes(self) -> dict[str, tuple[int, int]]:
        """image_id -> (height, width) in px. Raises DataError when an image is in two files."""
        found: dict[str, tuple[int, int]] = {}
        for path in self.files:
            sizes = read_sizes(path)
            twice = sorted(found.keys() & sizes.keys())
            if twice:
                raise DataError([f"{path}: image {name} is in another file of {path.parent} too" for name in twice])
            found |= sizes
        return found

    def fold_of(self) -> dict[str, int]:
        """image_id -> fold."""
        return {name: fold for path in self.files for name, fold in read_folds_of(path).items()}

    def images(self) -> Iterator[OofImage]:
        """All images, one at a time."""
        for path in self.files:
            yield from iter_oof(path)


@dataclass(frozen=True)
class MapFolder:
    """A folder of probability maps. folds: image_id -> fold."""

    files: list[Path]
    by_image: dict[str, list[Path]]  # one .npy or .png, or one .png a class
    class_count: int
    folds: dict[str, int]

    def sizes(self) -> dict[str, tuple[int, int]]:
        """image_id -> (height, width) in px. Raises DataError naming every file that cannot be read."""
        found, problems = {}, []
        for image_id, paths in self.by_image.items():
            try:
                found[image_id] = _shape(paths[0])
            except (OSError, ValueError) as error:
                problems.append(f"{paths[0]}: not a readable map: {error}")
        if problems:
            raise DataError(problems)
        return found

    def fold_of(self) -> dict[str, int]:
        """image_id -> fold."""
        return {name: self.folds[name] for name in self.by_image}

    def images(self) -> Iterator[OofImage]:
        """All images, one at a time. Raises DataError when a map is of the wrong type or shape or out of range."""
        for image_id, paths in self.by_image.items():
            maps = [_read_map(path) for path in paths]
            if len({prob.shape[1:] for prob in maps}) > 1:
                raise DataError([f"{paths[0].name}: its classes differ in size: {[prob.shape[1:] for prob in maps]}"])
            prob = np.concatenate(maps)
            if len(prob) != self.class_count:
                raise DataError([f"{paths[0]}: {len(prob)} classes, but the labels have {self.class_count}"])
            yield OofImage(image_id, self.folds[image_id], prob, None)


def open_source(source: Path, class_names: Sequence[str], known_ids: Sequence[str]) -> Source:
    """The source at a path. known_ids: ids as the labels write them; maps may leave out the image's own suffix.

    Raises DataError when there is nothing there, or not what it should be.
    """
    if source.is_file() and source.suffix == ".parquet":
        return ParquetSource([source])
    if not source.is_dir():
        raise DataError([f"{source}: expected a .parquet file or a folder; see docs/reference/formats.md"])
    parquet = sorted(source.glob("*.parquet"))
    if parquet:
        if maps := _maps_beside(source, known_ids):
            raise DataError(
                [
                    f"{source}: holds {parquet[0].name} and {maps[0].relative_to(source)}, two kinds of predictions "
                    f"({len(parquet)} Parquet files, {len(maps)} maps); keep one kind in the folder"
                ]
            )
        return ParquetSource(parquet)
    folds = _listed_folds(source)
    by_image = _map_files(source, class_names, [*known_ids, *folds])
    if not by_image:
        raise DataError([f"{source}: no .parquet, .npy or .png file in it; see docs/reference/formats.md"])
    if folds and (missing := [name for name in by_image if name not in folds]):
        raise DataError([f"{source / _FOLDS_CSV}: no row for image {name}" for name in missing])
    files = sorted(path for paths in by_image.values() for path in paths)
    return MapFolder(files, by_image, len(class_names), folds or {name: _drawn_fold(name) for name in by_image})


def _maps_beside(source: Path, known_ids: Sequence[str]) -> list[Path]:
    """The maps in a folder and in those of classes: npy files, and png files of known images, not the tuner's own."""
    known = {*known_ids, *map(without_image_suffix, known_ids)}
    files = sorted((*source.iterdir(), *source.glob("*/*")))
    maps = (path for path in files if path.suffix.lower() in MAP_SUFFIXES)
    return [p for p in maps if p.suffix.lower() == ".npy" or known & {p.stem, without_image_suffix(p.stem)}]


def _map_files(source: Path, class_names: Sequence[str], known_ids: Sequence[str]) -> dict[str, list[Path]]:
    """image_id -> its map files, ids in order. Raises DataError for images of other kinds, and for unclear names."""
    ids_of: dict[str, list[str]] = {}
    for name in dict.fromkeys(known_ids):
        ids_of.setdefault(without_image_suffix(name), []).append(name)
    class_folders = [source / name for name in class_names]
    folders = class_folders if all(folder.is_dir() for folder in class_folders) else [source]
    found: dict[str, list[Path]] = {}
    for folder in folders:
        for path in _maps_in(folder):
            ids = ids_of.get(without_image_suffix(path.stem), [path.stem])
            if len(ids) > 1 and path.stem not in ids:
                raise DataError([f"{path}: may be the map of {' or '.join(ids)}; name it with the image's suffix"])
            found.setdefault(path.stem if path.stem in ids else ids[0], []).append(path)
    wrong = {name: paths for name, paths in found.items() if len(paths) != len(folders)}
    if wrong:
        expected = f"one map in each of {', '.join(folder.name for folder in folders)}"
        raise DataError([f"{name}: expected {expected}, found {', '.join(map(str, p))}" for name, p in wrong.items()])
    return dict(sorted(found.items()))


def _maps_in(folder: Path) -> list[Path]:
    """The maps right in a folder, sorted by name. Raises DataError for images of other kinds, which are none."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    maps = [path for path in files if path.suffix.lower() in MAP_SUFFIXES]
    others = [path for path in files if path not in maps and is_image(path.name)]
    if others:
        raise DataError([f"{path}: maps are {' or '.join(MAP_SUFFIXES)} files; save it as one" for path in others])
    return maps


def _listed_folds(source: Path) -> dict[str, int]:
    """image_id -> fold from folds.csv (image_id,fold) next to the maps; empty when there is none."""
    path = source / _FOLDS_CSV
    if not path.exists():
        return {}
    rows = read_csv(path, [("image_id", "fold")]).select(("image_id", "fold"))
    wrong = [(number, fold) for number, (_, fold) in rows if not (fold.isascii() and fold.isdigit())]
    if wrong:
        raise DataError([f"{path}, row {number}: fold {fold!r} is no whole number" for number, fold in wrong])
    return {name: int(fold) for _, (name, fold) in rows}


def _drawn_fold(image_id: str) -> int:
    """A fold for an image that has none, always the same."""
    return int(hashlib.sha256(image_id.encode()).hexdigest(), 16) % _DRAWN_FOLDS


def _shape(path: Path) -> tuple[int, int]:
    if path.suffix.lower() == ".npy":
        shape = np.load(path, mmap_mode="r").shape
        if len(shape) not in (2, 3):
            raise ValueError(f"shape {shape}, expected (H, W) or (C, H, W)")
        return int(shape[-2]), int(shape[-1])
    shape = _read_map(path).shape
    return shape[1], shape[2]


def _read_map(path: Path) -> np.ndarray:
    """(C, H, W) uint8 probabilities of one file. Raises DataError."""
    if path.suffix.lower() == ".npy":
        values = np.load(path)
        values = values[None] if values.ndim == 2 else values
        if values.dtype == np.uint8:
            return values
        if not np.issubdtype(values.dtype, np.floating):
            raise DataError([f"{path}: type {values.dtype}; expected uint8 (q/255) or floats in 0..1"])
        if not (np.all(values >= 0) and np.all(values <= 1)):
            raise DataError([f"{path}: values from {values.min()} to {values.max()}; expected 0..1, no NaN"])
        return np.rint(values.astype(np.float64) * 255).astype(np.uint8)
    grey = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if grey is None or grey.ndim != 2 or grey.dtype != np.uint8:
        found = "no image" if grey is None else f"{grey.shape} {grey.dtype}"
        raise DataError([f"{path}: found {found}; expected an 8-bit grey png"])
    return np.asarray(grey)[None]
