"""Finds masks of the pixels that nobody labelled (void), which must never pass for a class or for photos."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from maskfold.data.ignored import is_void_name
from maskfold.data.image_ids import list_names
from maskfold.data.images.suffixes import without_image_suffix
from maskfold.data.recognition.folders import Folder
from maskfold.data.recognition.mask_names import mask_names
from maskfold.data.recognition.proposal import Proposal, counted, listed
from maskfold.errors import DataError

_ANY = 1e-9  # of the photos must have one: most show nothing that is ignored


def ignore_folders(folders: Sequence[Folder], class_names: Collection[str]) -> tuple[list[Folder], list[Folder]]:
    """The folders of images that are called like ignore masks (ignore, void, …), and the folders that are not.

    class_names: of the config; a folder of that name is one of a class.
    """

    def is_void(folder: Folder) -> bool:
        parts = folder.path.relative_to(folder.root).parts
        return any(is_void_name(part) and part not in class_names for part in parts)

    below = [inner for folder in folders for inner in (folder, *folder.inner)]
    found = {folder.path: folder for folder in below if is_void(folder) and folder.images}
    return [found[path] for path in sorted(found)], [folder for folder in folders if not is_void(folder)]


def with_ignored(proposal: Proposal, root: Path, void: Sequence[Folder], given: Mapping[str, object]) -> Proposal:
    """The proposal with the folder of ignore masks, unless the config says where they are.

    Raises DataError where it is not clear which files belong to which image.
    """
    if not void or "ignore_masks" in given:
        return proposal
    used = [folder for folder in void if folder.split != "test"]
    fix = "set data.ignore_masks to it, as void or void/{stem}_ignore, or to null if these are no ignore masks"
    if len(used) != 1:
        shown = listed([folder.name for folder in used or void])
        raise DataError([f"{root}: several folders may hold ignore masks ({shown}); join them in one and {fix}"])
    [folder] = used
    place = _place(folder, _photos(root, proposal.section))
    if place is None:
        raise DataError(
            [
                f"{folder.path}: is called like a folder of ignore masks (of pixels that nobody labelled), but its "
                f"files ({listed(folder.images, 3)}) are not called like the training images; {fix}"
            ]
        )
    note = f"{folder.name}: {counted(len(folder.images), 'ignore mask')}; pixels that are not 0 are ignored (void)"
    return replace(proposal, section={**proposal.section, "ignore_masks": place}, notes=(*proposal.notes, note))


def void_classes_problem(place: str, names: Sequence[str], given: Mapping[str, object], fix: str) -> str:
    """What to say of classes that are called like void and that the config does not name; "" without them."""
    found = [name for name in names if is_void_name(name)]
    if not found or "class_names" in given:
        return ""
    rest = [name for name in names if name not in found]
    return (
        f"{place}: {listed(found)} may be a class, or the pixels that nobody labelled; `auto` does not guess. "
        f"If they are to be ignored, {fix}; else name all classes: data.class_names: [{', '.join([*rest, *found])}]"
    )


def _photos(root: Path, section: Mapping[str, object]) -> list[str]:
    """The names of the training photos; of one folder an image, those of the folders."""
    folders = section.get("train_images")
    places = [str(folder) for folder in folders] if isinstance(folders, tuple) else [str(folders)] if folders else []
    names = [name for place in places for name in list_names(root / place)]
    inside = [path.name for place in places for path in sorted((root / place).iterdir()) if path.is_dir()]
    return names or inside


def _place(folder: Folder, photos: Sequence[str]) -> str | None:
    """What data.ignore_masks is for these files; None where they do not follow from the names of the photos."""
    stems = {without_image_suffix(name) for name in photos}
    own = {without_image_suffix(name) for name in folder.images}
    if not photos or own & stems:
        return folder.name
    with_one = [name for name in photos if any(without_image_suffix(name) in mask for mask in own)]
    names = mask_names(with_one, folder.images, _ANY) if with_one else None
    if names is None or "{stem}" not in names.pattern or re.search(r"[{*](?!stem)", names.pattern):
        return None
    return f"{folder.name}/{names.pattern}"
