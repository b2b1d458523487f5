"""Reader for a csv that names the image and the mask files."""

from __future__ import annotations

import posixpath
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from maskfold.config import PathsCsvData
from maskfold.data.competition import Competition, OnBadImage
from maskfold.data.csv_files import read_csv
from maskfold.data.formats.ignore_masks import with_ignore_files
from maskfold.data.formats.mask_checks import check_mask_files, spot_check
from maskfold.data.formats.mask_files import (
    FileMasks,
    Masks,
    mask_files_of,
    sized_images,
)
from maskfold.data.image_ids import images_by_id
from maskfold.data.images.files import image_table
from maskfold.data.images.suffixes import without_image_suffix
from maskfold.data.problems import (
    Problems,
    data_root,
    is_file,
    reading_of,
    with_validation,
)
from maskfold.data.validation import (
    check_files,
    check_sample,
    checked_groups,
    readable,
)
from maskfold.execution.text import control_fault

_SEVERAL = "; if each row is an object, set data.several_rows: union; if each is of an annotator, mean in its place"


@dataclass
class _Split:
    """The images of one csv: image_id -> photo, its mask files, its ignore masks and its group."""

    images: dict[str, Path] = field(default_factory=dict)
    ignored: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    masks: Masks = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)

    def group_fault(self, image_id: str, given: str, column: str) -> str:
        """Note the group that a row gives an image; what is wrong with it, or ""."""
        group = self.groups.setdefault(image_id, given)
        if not group:
            return f"no group in column {column}"
        if fault := control_fault("group", group):
            return fault
        return "" if group == given else f"{image_id!r} is of group {group!r} in an earlier row"


def open_paths_csv(
    data: PathsCsvData, on_bad_image: OnBadImage = "strict", problems: Problems | None = None
) -> Competition:
    """Read and check the whole competition.

    Raises DataError with all problems together: files that are not there or cannot be read, images and ids given twice,
    masks of another size, values that belong to no class, and what is wrong with the groups and the sample file.
    """
    root, problems = data_root(data.root), Problems() if problems is None else problems
    csvs = [root / name for name in (data.train_csv, data.valid_csv) if name is not None]
    splits = [_read_split(path, root, data, True, problems) for path in csvs]
    train, masks, groups, ignored = splits[0].images, splits[0].masks, splits[0].groups, splits[0].ignored
    if data.valid_csv is not None:
        train, masks, valid_ids = with_validation(train, splits[1].images, masks, splits[1].masks)
        _, groups, _ = with_validation(splits[0].images, splits[1].images, groups, splits[1].groups)
        _, ignored, _ = with_validation(splits[0].images, splits[1].images, ignored, splits[1].ignored)
    test = _test_images(data, root, problems)
    files = mask_files_of(masks)
    headers, unreadable = check_files([*train.values(), *files], test, data, on_bad_image, problems)
    problems += check_mask_files(data, train, masks, headers)
    own_groups = groups if data.columns.group is not None else checked_groups(root, data.groups_csv, train, problems)
    sample = check_sample(root, data.sample_submission, data.class_names, test, problems)
    used = (*train.values(), *files, *(path for own in ignored.values() for path in own), *test.values())
    problems.unused += _others({path.parent for path in used})
    problems.raise_any()
    train, test = readable(train, headers), readable(test, headers)
    source = FileMasks.of(data, train, masks, headers)
    if not problems.tolerated:
        problems += spot_check(source, list(train), [headers[file] for file in files])
    problems.raise_any()
    competition = Competition(
        class_names=data.class_names,
        train=image_table(train, headers, own_groups or None, valid_ids if data.valid_csv is not None else None),
        test=image_table(test, headers),
        masks=source,
        label_files=(*csvs, *(() if data.groups_csv is None else (root / data.groups_csv,))),
        mask_files=tuple(files),
        sized=sized_images(data, masks),
        reading=reading_of(data),
        sample_submission=sample,
        unreadable=unreadable,
        ignored=None if data.ignore_value is None else source.ignored,
        soft=source.soft if source.code.shares else None,
    )
    ignored = {key: ignored[key] for key in train if key in ignored}
    return competition if data.columns.ignore is None else with_ignore_files(competition, ignored, data, problems)


def _read_split(path: Path, root: Path, data: PathsCsvData, labelled: bool, problems: Problems) -> _Split:
    """The rows of one csv; `labelled`: with masks and groups."""
    columns, split = data.columns, _Split()
    ids = [] if columns.id is None else [columns.id]
    groups = [] if columns.group is None or not labelled else [columns.group]
    masks = _mask_columns(data) if labelled else []
    ignore = [columns.ignore] if columns.ignore is not None and labelled else []
    wanted = [columns.image, *ids, *groups, *ignore, *masks]
    table = problems.attempt(lambda: read_csv(path, [wanted]), None)
    rows = _Rows()
    for number, fields in [] if table is None else table.select(wanted):
        place = f"{path}, row {number}:"
        if not fields[0]:
            problems.append(f"{place} no path in column {columns.image}")
            continue
        image = fields[0].replace("\\", "/")
        image_id = fields[1] if ids else without_image_suffix(posixpath.basename(image))
        fault = rows.fault(number, image_id, image, data.several_rows != "refuse")
        if fault:
            fix = "" if ids else "; name a column of ids in data.columns.id"
            problems.append(f"{place} {fault}{fix}")
            continue
        found_before = len(problems)
        labels = fields[len(fields) - len(masks) - len(ignore) :]
        photo, *own = [_file(root, text, place, problems) for text in (image, *labels)]
        void, own = own[: len(ignore)], own[len(ignore) :]
        if data.several_rows == "mean" and None in own and len(problems) == found_before:
            problems.append(f"{place} no mask; with data.several_rows: mean give an empty one for each empty vote")
        if groups and (fault := split.group_fault(image_id, fields[1 + len(ids)], groups[0])):
            problems.append(f"{place} {fault}")
        if photo is not None:
            split.images[image_id] = photo
            if len(problems) == found_before:
                if any(void):
                    more = tuple(path for path in void if path is not None)
                    split.ignored[image_id] = (*split.ignored.get(image_id, ()), *more)
                earlier = split.masks.get(image_id, [()] * len(masks))
                split.masks[image_id] = [
                    files if file is None else (*files, file) for files, file in zip(earlier, own, strict=True)
                ]
    if not split.images and not problems:
        problems.append(f"{path}: names no image")
    return split


@dataclass
class _Rows:
    """The row of each id, its case folded, and of each image, so that none comes twice."""

    ids: dict[str, tuple[int, str]] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)

    def fault(self, number: int, image_id: str, image: str, several: bool) -> str:
        """What keeps a row from being an image of its own, or with `several` one more of its masks; "" if nothing."""
        if not image_id:
            return "no image id"
        if fault := control_fault("image id", image_id):
            return fault
        row, other = self.ids.setdefault(image_id.casefold(), (number, image_id))
        if other != image_id:
            return f"image id {image_id!r} differs from {other!r} in row {row} only by case"
        first = self.images.setdefault(posixpath.normpath(image), number)
        if several and row == first:
            return ""
        if row != number:
            return f"image id {image_id!r} is in row {row} already{_SEVERAL if row == first else ''}"
        return "" if first == number else f"{image} is the image of row {first} already; one image, one id"


def _others(folders: Collection[Path]) -> list[Path]:
    """Everything right in the folders of files that a csv names; what is named is subtracted later."""
    return [path for folder in sorted(folders) if folder.is_dir() for path in sorted(folder.iterdir())]


def _mask_columns(data: PathsCsvData) -> list[str]:
    """The column of all masks, or one a class, in order."""
    columns = data.columns
    return [columns.mask_of[name] for name in data.class_names] if columns.mask_of else [str(columns.mask)]


def _file(root: Path, text: str, place: str, problems: Problems) -> Path | None:
    """The file a field names; None where it is blank or not there, which is a problem."""
    if not text:
        return None
    path = root / text.replace("\\", "/")
    if not is_file(path):
        problems.append(f"{place} there is no file {path}; paths start at data.root")
        return None
    return path


def _test_images(data: PathsCsvData, root: Path, problems: Problems) -> dict[str, Path]:
    if data.test_csv is not None:
        return _read_split(root / data.test_csv, root, data, False, problems).images
    return images_by_id(None if data.test_images is None else root / data.test_images, True, problems)
