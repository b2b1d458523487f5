"""Reader for photos in one folder and mask images in another, whose names follow from the photos'."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from maskfold.config import MaskFoldersData
from maskfold.data.competition import Competition, OnBadImage
from maskfold.data.formats.mask_files import (
    FileMasks,
    Masks,
    check_mask_files,
    spot_check,
)
from maskfold.data.image_ids import HINTED, images_by_id, nearest_name
from maskfold.data.images.files import image_table, list_images
from maskfold.data.images.suffixes import SUFFIXES
from maskfold.data.problems import (
    Problems,
    data_root,
    pooled,
    reading_of,
)
from maskfold.data.validation import (
    check_files,
    check_sample,
    checked_groups,
    readable,
)


def open_mask_folders(
    data: MaskFoldersData, on_bad_image: OnBadImage = "strict", problems: Problems | None = None
) -> Competition:
    """Read and check the whole competition.

    Raises DataError with all problems together: truncated or unreadable files, ambiguous names, photos without a mask
    and masks without a photo, masks of another size, masks that are all off at the threshold, values that belong to no
    class, and what is wrong with the groups and the sample file.
    """
    root, problems = data_root(data.root), Problems() if problems is None else problems
    train, masks = _pairs(data, root / data.train_images, root / data.train_masks, problems)
    valid: dict[str, Path] = {}
    if data.valid_images is not None and data.valid_masks is not None:
        valid, valid_masks = _pairs(data, root / data.valid_images, root / data.valid_masks, problems)
        train, masks, valid_ids = pooled(train, valid, masks, valid_masks)
    test = photos_in(data, None if data.test_images is None else root / data.test_images, problems)
    files = [file for own in masks.values() for file in own if file is not None]
    headers, unreadable = check_files([*train.values(), *files], test, data.check, on_bad_image, problems)
    problems += check_mask_files(data, {key: (train[key], own) for key, own in masks.items()}, headers)
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
        reading=reading_of(data),
        sample_submission=sample,
        unreadable=unreadable,
    )


def photos_in(data: MaskFoldersData, folder: Path | None, problems: Problems) -> dict[str, Path]:
    """image_id -> photo of a folder, masks in the same folder left out."""
    pattern = None if data.image_name == "{stem}" else _expression(data.image_name, ())
    images = images_by_id(folder, data.image_id == "stem", problems, pattern)
    if folder is not None and not images and not problems:
        problems.append(f"{folder}: no file is named like data.image_name={data.image_name!r}")
    return images


def _pairs(data: MaskFoldersData, photos: Path, masks: Path, problems: Problems) -> tuple[dict[str, Path], Masks]:
    """The photos and masks of a split, paired by what {stem} stands for."""
    expression = _expression(data.mask_name, data.class_names)
    named = images = photos_in(data, photos, problems)
    if photos == masks:
        images = {key: path for key, path in named.items() if not expression.fullmatch(path.name)}
    found = _mask_files(data, masks, expression, photos == masks, problems)
    if photos == masks and named:
        problems += _shared_problem(data, photos, bool(images), bool(found))
    if not images or not found:  # which is reported by now
        return images, {key: [None] for key in images}
    classes = data.class_names if "{class}" in data.mask_name else ("",)
    photo_pattern = _expression(data.image_name, ())
    pairs: Masks = {}
    stems = []
    for key, path in images.items():
        match = photo_pattern.fullmatch(path.name)
        assert match is not None, path  # photos_in keeps no others
        stems.append(match["stem"])
        pairs[key] = [found.pop((match["stem"], name), None) for name in classes]
        if not any(pairs[key]) and data.missing_masks == "refuse":
            wanted = data.mask_name.replace("{stem}", match["stem"])
            del pairs[key]
            problems.append(
                f"{path}: no mask of this name in the mask folder (expected {wanted}); "
                "set data.missing_masks: empty if it shows nothing"
            )
    for number, ((stem, _), path) in enumerate(sorted(found.items(), key=lambda item: item[1])):
        near = nearest_name(stem, stems) if number < HINTED else ""
        problems.append(f"{path}: a mask without its photo{near}")
    return images, pairs


def _shared_problem(data: MaskFoldersData, folder: Path, any_photo: bool, any_mask: bool) -> list[str]:
    """What is wrong where photos and masks share a folder and their names do not tell them apart."""
    if any_photo and any_mask:
        return []
    found = "no file is" if any_photo else "every photo is"
    return [
        f"{folder}: {found} named like data.mask_name={data.mask_name!r}; photos and masks share this folder, so set "
        "data.mask_name to what only masks are called, such as {stem}_mask.png, or data.train_masks to their folder"
    ]


def _mask_files(
    data: MaskFoldersData, folder: Path, expression: re.Pattern[str], shared: bool, problems: Problems
) -> dict[tuple[str, str], Path]:
    """(stem, class or "") -> mask file. `shared`: the folder holds the photos too, so other names are theirs."""
    head, slash, _ = data.mask_name.rpartition("/")
    inner = [head.replace("{class}", name) for name in data.class_names] if slash else [""]
    files: dict[tuple[str, str], Path] = {}
    for part in dict.fromkeys(inner):
        for path in problems.attempt(partial(list_images, folder / part), list[Path]()):
            match = expression.fullmatch(f"{part}{slash}{path.name}")
            if match is None:
                if not shared:
                    problems.append(f"{path}: is not named like data.mask_name={data.mask_name!r}")
                continue
            key = (match["stem"], match.groupdict().get("class") or "")
            other = files.setdefault(key, path)
            if other != path:
                problems.append(f"{path}: the mask of {key[0]!r} is ambiguous, {other.name} is one too")
    return files


def _expression(pattern: str, class_names: tuple[str, ...]) -> re.Pattern[str]:
    """What a name pattern matches; {class} is one of the class names, the longest that fits."""
    names = sorted(class_names, key=len, reverse=True)
    text = re.escape(pattern)
    text = text.replace(re.escape("{stem}"), "(?P<stem>.+)")
    text = text.replace(re.escape("{class}"), f"(?P<class>{'|'.join(map(re.escape, names))})")
    suffix = "" if pattern.lower().endswith(SUFFIXES) else r"\.[^.]+"
    return re.compile(text + suffix)
