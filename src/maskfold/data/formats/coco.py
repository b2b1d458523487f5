"""Reader for COCO json: polygons and both kinds of run lengths, several annotations an image, merged categories."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from maskfold.config import CocoData, Orientation
from maskfold.data.competition import Competition, OnBadImage
from maskfold.data.formats.coco_index import CocoIndex, read_coco
from maskfold.data.formats.coco_segments import draw_segments
from maskfold.data.formats.json_stream import read_item
from maskfold.data.image_ids import HINTED, images_by_id, lies_elsewhere, list_names, nearest_name
from maskfold.data.images.files import ImageHeader, image_table
from maskfold.data.images.orientation import swapped_hint
from maskfold.data.problems import (
    Problems,
    data_root,
    reading_of,
    with_validation,
)
from maskfold.data.validation import (
    check_files,
    check_sample,
    checked_groups,
    readable,
)
from maskfold.errors import DataError
from maskfold.pixels.geometry import without

_NONE = -1  # the class of an annotation that is left out …
_IGNORED = -2  # … and of one whose pixels count as not labelled


@dataclass(frozen=True)
class CocoMasks:
    """Draws the masks of an image from its annotations in the json when asked; picklable, and small.

    places: image_id -> (index of its json, row of the image in it); sizes: image_id -> (height, width) in px; classes:
    of each json the class index of every annotation, (annotations,) int16, _NONE where it is left out, _IGNORED where
    its pixels are not labelled.
    """

    indices: tuple[CocoIndex, ...]
    classes: tuple[np.ndarray, ...]
    places: Mapping[str, tuple[int, int]]
    sizes: Mapping[str, tuple[int, int]]
    class_count: int

    def __call__(self, image_id: str) -> np.ndarray:
        """(C, H, W) uint8 in {0, 1} of a training image; KeyError for any other."""
        height, width = self.sizes[image_id]
        masks = np.zeros((self.class_count, height, width), dtype=np.uint8)
        for class_index, parts in self._annotations(image_id).items():
            if class_index != _IGNORED:
                masks[class_index] = draw_segments(parts, height, width)
        return masks

    def ignored(self, image_id: str) -> np.ndarray:
        """(H, W) uint8 in {0, 1}, 1 where only annotations are whose pixels are not labelled; KeyError as above."""
        height, width = self.sizes[image_id]
        parts = self._annotations(image_id).get(_IGNORED, [])
        drawn = draw_segments(parts, height, width) if parts else np.zeros((height, width), dtype=np.uint8)
        return without(drawn, self(image_id).max(axis=0)) if parts else drawn

    def _annotations(self, image_id: str) -> dict[int, list[dict[str, object]]]:
        """Class index or _IGNORED -> the annotations of an image."""
        if image_id not in self.places:
            return {}
        number, row = self.places[image_id]
        index, classes = self.indices[number], self.classes[number]
        first, last = np.searchsorted(index.image, [row, row + 1]).tolist()
        shown: dict[int, list[dict[str, object]]] = {}
        for annotation in range(first, last):
            if classes[annotation] != _NONE:
                found = read_item(index.path, int(index.offset[annotation]), int(index.length[annotation]))
                shown.setdefault(int(classes[annotation]), []).append(found)
        return shown


def open_coco(data: CocoData, on_bad_image: OnBadImage = "strict", problems: Problems | None = None) -> Competition:
    """Read and check the whole competition; the image id is the file name as the json writes it.

    Raises DataError with all problems together: what read_coco finds in each json, classes that are no category, images
    that are not there, cannot be read, are not in the json or have another size than it says, and what is wrong with
    the groups and the sample file.
    """
    root, problems = data_root(data.root), Problems() if problems is None else problems
    pairs = [(data.train_json, data.train_images), (data.valid_json, data.valid_images)]
    splits = [_Split(root / json, root / folder, data, problems) for json, folder in pairs if json and folder]
    train = splits[0].images
    places = {image_id: (0, row) for image_id, row in splits[0].rows.items()}
    valid_ids = None
    if len(splits) > 1:
        prefix = "valid/" if train.keys() & splits[1].images.keys() else ""
        train, _, valid_ids = with_validation(train, splits[1].images, {}, {})
        places |= {f"{prefix}{image_id}": (1, row) for image_id, row in splits[1].rows.items()}
    test = images_by_id(None if data.test_images is None else root / data.test_images, False, problems)
    headers, unreadable = check_files(train.values(), test, data, on_bad_image, problems)
    for split in splits:
        problems += split.size_problems(headers, data.orientation)
    groups = checked_groups(root, data.groups_csv, train, problems)
    sample = check_sample(root, data.sample_submission, data.class_names, test, problems)
    problems.raise_any()
    train, test = readable(train, headers), readable(test, headers)
    group_files = () if data.groups_csv is None else (root / data.groups_csv,)
    masks = CocoMasks(
        tuple(split.index for split in splits),
        tuple(split.classes for split in splits),
        places,
        {image_id: headers[path][:2] for image_id, path in train.items()},
        len(data.class_names),
    )
    return Competition(
        class_names=data.class_names,
        train=image_table(train, headers, groups or None, valid_ids),
        test=image_table(test, headers),
        masks=masks,
        label_files=(*(split.json for split in splits), *group_files),
        sized=frozenset(places),
        reading=reading_of(data),
        sample_submission=sample,
        unreadable=unreadable,
        ignored=masks.ignored if data.crowd == "ignore" or data.ignore_class is not None else None,
    )


class _Split:
    """One json with its folder. images: image_id -> file; rows: image_id -> row in the json, of images it names."""

    def __init__(self, json: Path, folder: Path, data: CocoData, problems: Problems) -> None:
        self.json, self.folder = json, folder
        # What is wrong in the json hides nothing that is wrong with the images.
        found = Problems(tolerated=True)
        self.index = found.attempt(lambda: read_coco(json, found), None) or CocoIndex.blank(json)
        problems += found
        files = _files(folder, self.index.file_names, problems)
        self.images: dict[str, Path] = {}
        self.rows: dict[str, int] = {}
        self.classes = np.full(len(self.index.image), _NONE, np.int16)
        if not files or not self.index.file_names:
            return
        self.classes = problems.attempt(lambda: class_of_annotation(self.index, data), self.classes)
        listed: dict[Path, str] = {}
        for row, name in enumerate(self.index.file_names):
            path = files.get(name) or _inside(folder, name, files, problems, json, data_root(data.root))
            if path is None:
                continue
            other = listed.setdefault(path, name)
            if other == name:
                image_id = path.name if _climbs(name) else name
                self.images[image_id], self.rows[image_id] = path, row
            else:
                problems.append(f"{json}: the images {other!r} and {name!r} are one file, {path}; leave one of them")
        unlisted = [path for path in files.values() if path not in listed]
        if data.unlisted_images == "empty":
            self.images |= {path.relative_to(folder).as_posix(): path for path in unlisted}
        elif data.unlisted_images == "ignore":
            problems.unused += unlisted
        elif not found or problems.tolerated:  # else the json's own problems may be why they are not named
            problems += [
                f"{path}: {json.name} does not name it; set data.unlisted_images: ignore to leave such images out, or "
                "empty if their masks are empty"
                for path in unlisted
            ]

    def size_problems(self, headers: Mapping[Path, ImageHeader], orientation: Orientation) -> list[str]:
        """Images of another size than the json says."""
        problems = []
        for image_id, row in self.rows.items():
            header, (height, width) = headers.get(self.images[image_id]), self.index.sizes[row].tolist()
            if header is not None and header[:2] != (height, width):
                swapped = header[:2] == (width, height)
                turned = f"; {swapped_hint(self.images[image_id], orientation)}" if swapped else ""
                problems.append(
                    f"{self.images[image_id]}: is {header.height}x{header.width} px (height x width), "
                    f"but {self.json.name} says {height}x{width}{turned}"
                )
        return problems


def _files(folder: Path, names: Sequence[str], problems: Problems) -> dict[str, Path]:
    """Path below the folder -> file, of all images right in it and in the folders below it that the names mention."""
    parents = {str(_parts(name).parent) for name in names if not _climbs(name)} - {"."}
    files: dict[str, Path] = {}
    if not folder.is_dir() or not any((folder / parent).is_dir() for parent in parents) or list_names(folder):
        files |= images_by_id(folder, False, problems)
    for parent in sorted(parents):
        if list_names(folder / parent):
            files |= {f"{parent}/{name}": path for name, path in images_by_id(folder / parent, False, problems).items()}
    return files


def _parts(name: str) -> PurePosixPath:
    return PurePosixPath(name.replace("\\", "/"))


def _climbs(name: str) -> bool:
    """Whether a name leads out of the folder of images, as Label Studio's ..\\..\\media\\upload\\1\\a.png does."""
    parts = _parts(name)
    return parts.is_absolute() or ".." in parts.parts or ":" in str(parts).partition("/")[0]


def _inside(
    folder: Path, name: str, files: Mapping[str, Path], problems: Problems, json: Path, root: Path
) -> Path | None:
    """The file of an image whose name in the json is a path: that path within the folder, or its last part there.

    None with a problem where there is neither.
    """
    parts = _parts(name)
    known = (files.get(text) for text in (str(parts), parts.name))
    path = next((path for path in known if path is not None), None)
    if path is not None:
        return path
    if _climbs(name):
        problems.append(f"{json}: the image {name!r} leads out of {folder}, which holds no {parts.name}")
        return None
    near = (nearest_name(name, files) or lies_elsewhere(root, name)) if len(problems) < HINTED else ""
    problems.append(f"{json}: there is no image {name!r} in {folder}{near}")
    return None


def class_of_annotation(index: CocoIndex, data: CocoData) -> np.ndarray:
    """The class index of every annotation, (annotations,) int16; _NONE or _IGNORED where it is in no mask.

    Raises DataError for classes and merged categories that the json does not have, and categories of two classes.
    """
    problems = []
    class_of = np.full(max(1, len(index.categories)), _NONE, dtype=np.int16)
    for class_index, class_name in enumerate(data.class_names):
        wanted = data.merge.get(class_name, (class_name,))
        every = [name for name in index.categories if name != data.ignore_class]
        for name in every if wanted == "all" else wanted:
            if name not in index.categories:
                near = difflib.get_close_matches(name, index.categories, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(map(repr, index.categories))}"
                if len(data.class_names) == 1 and not near and not data.merge:
                    hint += f"; to make one class of all, set data.merge: {{{class_name}: all}}"
                problems.append(f"{index.path}: there is no category {name!r}; {hint}")
                continue
            place = index.categories.index(name)
            if class_of[place] != _NONE:
                other = data.class_names[class_of[place]]
                problems.append(f"{index.path}: category {name!r} belongs to the classes {other} and {class_name}")
            class_of[place] = class_index
    if data.ignore_class is not None and data.ignore_class in index.categories:
        class_of[index.categories.index(data.ignore_class)] = _IGNORED
    elif data.ignore_class is not None:
        known = ", ".join(map(repr, index.categories))
        problems.append(f"{index.path}: there is no category {data.ignore_class!r} (data.ignore_class); it has {known}")
    if problems:
        raise DataError(problems)
    classes: np.ndarray = class_of[index.category]
    if data.crowd == "use":
        return classes
    crowd = np.where(classes == _NONE, np.int16(_NONE), np.int16(_IGNORED if data.crowd == "ignore" else _NONE))
    return np.where(index.crowd & (classes != _IGNORED), crowd, classes)
