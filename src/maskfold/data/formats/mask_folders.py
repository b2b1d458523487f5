"""Reader for photos in one folder and mask images in another, whose names follow from the photos'."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from maskfold.config import MaskFoldersData
from maskfold.data.competition import Competition, OnBadImage
from maskfold.data.formats.mask_checks import check_mask_files, spot_check
from maskfold.data.formats.mask_files import (
    FileMasks,
    Masks,
    mask_files_of,
    sized_images,
)
from maskfold.data.formats.name_patterns import NamePattern, files_below
from maskfold.data.image_ids import HINTED, ids_of, nearest_name
from maskfold.data.images.files import image_table
from maskfold.data.images.suffixes import SUFFIXES, is_image, without_image_suffix
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


def open_mask_folders(
    data: MaskFoldersData, on_bad_image: OnBadImage = "strict", problems: Problems | None = None
) -> Competition:
    """Read and check the whole competition.

    Raises DataError with all problems together: truncated or unreadable files, ambiguous names, photos without a mask
    and masks without a photo, masks of another size, masks that are all off at the threshold, values that belong to no
    class, and what is wrong with the groups and the sample file.
    """
    root, problems = data_root(data.root), Problems() if problems is None else problems
    train, masks = _joined_pairs(data, root, problems)
    valid: dict[str, Path] = {}
    if data.valid_images is not None and data.valid_masks is not None:
        valid, valid_masks = _pairs(data, root / data.valid_images, root / data.valid_masks, problems)
        train, masks, valid_ids = with_validation(train, valid, masks, valid_masks)
    test = photos_in(data, None if data.test_images is None else root / data.test_images, problems)
    files = mask_files_of(masks)
    headers, unreadable = check_files([*train.values(), *files], test, data, on_bad_image, problems)
    problems += check_mask_files(data, train, masks, headers)
    groups = checked_groups(root, data.groups_csv, train, problems)
    sample = check_sample(root, data.sample_submission, data.class_names, test, problems)
    problems.raise_any()
    train, test = readable(train, headers), readable(test, headers)
    source = FileMasks.of(data, train, masks, headers)
    if not problems.tolerated:
        problems += spot_check(source, list(train), [headers[file] for file in files])
    problems.raise_any()
    return Competition(
        class_names=data.class_names,
        train=image_table(train, headers, groups or None, valid_ids if valid else None),
        test=image_table(test, headers),
        masks=source,
        label_files=() if data.groups_csv is None else (root / data.groups_csv,),
        mask_files=tuple(files),
        sized=sized_images(data, masks),
        reading=reading_of(data),
        sample_submission=sample,
        unreadable=unreadable,
        ignored=None if data.ignore_value is None else source.ignored,
        soft=source.soft if source.code.shares else None,
    )


class _Photo(NamedTuple):
    """A photo. relative: its path below the folder; stem: what {stem} in image_name stands for."""

    path: Path
    relative: str
    stem: str


def photos_in(data: MaskFoldersData, folder: Path | None, problems: Problems) -> dict[str, Path]:
    """image_id -> test photo of a folder; where masks are in the same folder, they are among them."""
    photos = _photos(data, folder, data.image_name if data.test_name is None else data.test_name, problems)
    return {image_id: photo.path for image_id, photo in photos.items()}


def _photos(data: MaskFoldersData, folder: Path | None, name: str, problems: Problems) -> dict[str, _Photo]:
    """image_id -> photo of a folder; what is called differently is added to `problems.unused`."""
    if folder is None:
        return {}
    pattern = NamePattern(name)
    photos: dict[Path, _Photo] = {}
    try:
        for relative, path, fits in files_below(folder, pattern.depth):
            match = pattern.match(relative) if fits and is_image(path.name) else None
            if match is None:
                problems.unused.append(path)
            else:
                photos[path] = _Photo(path, relative, match.key)
    except DataError as error:
        problems += error.problems
        return {}
    if not photos:
        key = "image_name" if name == data.image_name else "test_name"
        named = "" if name == "{stem}" else f" called like data.{key}={name!r}"
        problems.append(f"{folder}: holds no image{named} ({', '.join(SUFFIXES)})")
    whole = data.image_id == "file"
    stems = {path: without_image_suffix(path.name) if whole else photo.stem for path, photo in photos.items()}
    ids = ids_of([(stem, path) for path, stem in stems.items()], data.image_id != "name", problems)
    return {image_id: photos[path] for image_id, path in ids.items()}


def _joined_pairs(data: MaskFoldersData, root: Path, problems: Problems) -> tuple[dict[str, Path], Masks]:
    """The photos and masks of all training folders, each image by a name that no other folder has."""
    train: dict[str, Path] = {}
    masks: Masks = {}
    for images, own_masks in data.train_folders:
        found, own = _pairs(data, root / images, root / own_masks, problems)
        problems += [
            f"{path}: {image_id!r} is an image of {train[image_id].parent} too; rename one, with its mask"
            for image_id, path in found.items()
            if image_id in train
        ]
        train |= found
        masks |= own
    return train, masks


def _pairs(
    data: MaskFoldersData, photo_folder: Path, mask_folder: Path, problems: Problems
) -> tuple[dict[str, Path], Masks]:
    """The photos and masks of a split, paired by what {stem} or {name} stands for."""
    pattern = NamePattern(data.mask_name, data.class_names)
    named, shared = _photos(data, photo_folder, data.image_name, problems), photo_folder == mask_folder
    photos = {key: photo for key, photo in named.items() if not (shared and pattern.match(photo.relative))}
    keys = _keys(photos, pattern, problems)
    found = _mask_files(data, mask_folder, pattern, keys, photo_folder, problems)
    images = {key: photo.path for key, photo in photos.items()}
    if shared and named:
        problems += _shared_problem(data, photo_folder, bool(photos), bool(found))
    if not photos or not found:  # which is reported by now
        return images, {key: [()] for key in images}
    classes = data.class_names if "{class}" in data.mask_name else ("",)
    more = _more_masks(photos, pattern, keys) if shared else {}
    pairs: Masks = {}
    for key, image_id in keys.items():
        pairs[image_id] = [found.pop((key, name), ()) for name in classes]
        if image_id in more:
            del pairs[image_id]
            problems.append(more[image_id])
        wanted = data.mask_name.replace("{stem}", key).replace("{name}", key)
        if any(pairs.get(image_id, [True])) or data.missing_masks == "empty" or _is_empty_folder(mask_folder, wanted):
            continue
        del pairs[image_id]
        if data.missing_masks == "skip":
            problems.unused.append(images.pop(image_id))
            continue
        near = nearest_name(key, {other for other, _ in found}) if len(problems) < HINTED else ""
        problems.append(
            f"{images[image_id]}: no mask of this name in the mask folder (expected {wanted}){near}; "
            "set data.missing_masks: empty if its mask is empty, or skip if nobody labelled it"
        )
    problems += _lonely_masks(found, pattern, keys)
    return images, pairs


def _is_empty_folder(mask_folder: Path, wanted: str) -> bool:
    """Whether the masks of an image have a folder of their own, <id>/masks/*, which is there and holds nothing."""
    own = mask_folder / wanted.removesuffix("/*")
    return wanted.endswith("/*") and own.is_dir() and not any(own.iterdir())


def _keys(photos: Mapping[str, _Photo], pattern: NamePattern, problems: Problems) -> dict[str, str]:
    """What {stem} or {name} stands for -> image_id."""
    keys: dict[str, str] = {}
    for image_id, photo in photos.items():
        other = keys.setdefault(photo.path.name if pattern.by_name else photo.stem, image_id)
        if other != image_id:
            problems.append(
                f"{photo.path}: its mask would be called like that of {photos[other].path.name}; if masks are called "
                "after the whole file name, use {name} in data.mask_name"
            )
    return keys


def _more_masks(photos: Mapping[str, _Photo], pattern: NamePattern, keys: Collection[str]) -> dict[str, str]:
    """image_id -> problem of files among the photos that are called like one more mask of another photo."""
    wider = pattern.widened()
    problems: dict[str, str] = {}
    if wider is None:
        return problems
    for image_id, photo in photos.items():
        match = wider.match(photo.relative, keys)
        if match is not None and match.key in keys:
            problems[image_id] = (
                f"{photo.path}: is called like one more mask of {match.key!r}; if each file is an object, set "
                f"data.mask_name: '{wider.pattern}' and data.several_masks: union"
            )
    return problems


def _lonely_masks(
    found: Mapping[tuple[str, str], Sequence[Path]], pattern: NamePattern, keys: Collection[str]
) -> list[str]:
    """One problem for each mask without its photo."""
    wider, problems = pattern.widened(), []
    files = sorted((path, key) for (key, _), paths in found.items() for path in paths)
    for number, (path, key) in enumerate(files):
        hint = nearest_name(key, keys) or _several_hint(path, wider, keys) if number < HINTED else ""
        problems.append(f"{path}: a mask without its photo{hint}")
    return problems


def _several_hint(path: Path, wider: NamePattern | None, keys: Collection[str]) -> str:
    match = None if wider is None else wider.match("/".join(path.parts[-1 - wider.depth :]), keys)
    if wider is None or match is None or match.key not in keys:
        return ""
    return (
        f"; if it is one of several masks of {match.key!r}, set data.mask_name: '{wider.pattern}' and "
        "data.several_masks: union"
    )


def _shared_problem(data: MaskFoldersData, folder: Path, any_photo: bool, any_mask: bool) -> list[str]:
    """What is wrong where photos and masks share a folder and their names do not distinguish them."""
    if any_photo and any_mask:
        return []
    found = "no file is" if any_photo else "every photo is"
    return [
        f"{folder}: {found} named like data.mask_name={data.mask_name!r}; photos and masks share this folder, so set "
        "data.mask_name to what only masks are called, such as {stem}_mask.png, or data.train_masks to their folder"
    ]


def _mask_files(
    data: MaskFoldersData,
    folder: Path,
    pattern: NamePattern,
    keys: Collection[str],
    photo_folder: Path,
    problems: Problems,
) -> dict[tuple[str, str], tuple[Path, ...]]:
    """(stem or name, class or "") -> mask files.

    photo_folder: where the photos are; other names in it are theirs.
    """
    files: dict[tuple[str, str], tuple[Path, ...]] = {}
    try:
        for relative, path, fits in files_below(folder, pattern.depth):
            match = pattern.match(relative, keys) if fits and is_image(path.name) else None
            if match is not None:
                files[match] = (*files.get(match, ()), path)
            elif (
                not path.is_relative_to(photo_folder)
                and fits
                and is_image(path.name)
                and not _of_no_class(data, relative)
            ):
                problems.append(f"{path}: is not named like data.mask_name={data.mask_name!r}")
            else:
                problems.unused.append(path)
    except DataError as error:
        problems += error.problems
        return {}
    if not files and folder != photo_folder:
        problems.append(f"{folder}: holds no mask named like data.mask_name={data.mask_name!r}")
    problems += _class_problems(data, folder, {name for _, name in files})
    for (key, _), paths in files.items():
        if len(paths) > 1 and data.several_masks == "refuse":
            problems.append(
                f"{paths[1]}: the mask of {key!r} is ambiguous, {paths[0].name} is one too; if each is an object, set "
                "data.several_masks: union; if each is of an annotator, mean in its place"
            )
    return files


def _of_no_class(data: MaskFoldersData, relative: str) -> bool:
    """Whether a mask lies in the folder of a class that the config does not name."""
    return data.mask_name.startswith("{class}/") and relative.partition("/")[0] not in data.class_names


def _class_problems(data: MaskFoldersData, folder: Path, found: Collection[str]) -> list[str]:
    """Classes without any mask where each has a folder of its own."""
    if not data.mask_name.startswith("{class}/") or not found:
        return []
    return [f"{folder / name}: holds no mask of this class" for name in data.class_names if name not in found]
