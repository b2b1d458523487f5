"""Folders of photos and of masks, and the split each belongs to, by the words in their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from maskfold.data.image_ids import list_names
from maskfold.data.recognition.proposal import counted, listed

_MASK = re.compile(r"(mask|label|anno|segment|groundtruth|manual)\w*|gts?|segs?|truth|targets?")
_PHOTO = re.compile(r"(image|img|photo|picture|frame|input|rgb)\w*|jpe?gs?")
_SPLITS = {
    "train": re.compile(r"train(ing|set|data)?|trn"),
    "valid": re.compile(r"val(id|idation|set|data)?|holdout|dev|eval"),
    "test": re.compile(r"test(ing|set|data)?"),
}
_PART = re.compile(r"(fold|split|part)[ _-]?\d+", re.IGNORECASE)
_DEPTH = 2


class Folder:
    """A folder below the root of a competition."""

    def __init__(self, path: Path, root: Path) -> None:
        self.path, self.root = path, root
        self.name = path.relative_to(root).as_posix()

    @cached_property
    def images(self) -> list[str]:
        """The names of the images right in the folder, sorted."""
        return list_names(self.path)

    @cached_property
    def inner(self) -> list[Folder]:
        """The folders in it, sorted by name."""
        return [Folder(path, self.root) for path in sorted(self.path.iterdir()) if _is_visible_folder(path)]

    @cached_property
    def is_mask(self) -> bool:
        """Whether its name, or else the nearest telling name above it, is one of masks."""
        for part in reversed(self.path.relative_to(self.root).parts):
            if is_mask_name(part):
                return True
            if any(_PHOTO.fullmatch(word) for word in _words(part)):
                return False
        return False

    @cached_property
    def is_photo(self) -> bool:
        """Whether its own name is one of photos."""
        return any(_PHOTO.fullmatch(word) for word in _words(self.path.name)) and not self.is_mask

    @cached_property
    def split(self) -> str | None:
        """train, valid, test, or the name of a numbered part such as fold0; None where no name says so."""
        for part in reversed(self.path.relative_to(self.root).parts):
            split = split_of(part)
            if split is not None:
                return split
        return None


def is_mask_name(name: str) -> bool:
    """Whether a word in the name of a folder or a file means masks."""
    return any(_MASK.fullmatch(word) for word in _words(name))


def split_of(name: str) -> str | None:
    """The split in a folder's own name: train, valid, test, or a numbered part; None where it is none."""
    numbered = _PART.search(name)
    if numbered:
        return numbered[0].lower()
    for word in _words(name):
        for split, pattern in _SPLITS.items():
            if pattern.fullmatch(word):
                return split
    return None


def folders_below(root: Path) -> list[Folder]:
    """All folders one or two levels below the root, sorted by path."""
    first = [Folder(path, root) for path in sorted(root.iterdir()) if _is_visible_folder(path)]
    return sorted([*first, *(inner for folder in first for inner in folder.inner)], key=lambda folder: folder.path)


def test_images(folders: Sequence[Folder], train: Folder | None = None, inside: str = "") -> tuple[str | None, str]:
    """The one folder of test images, and what to say of it.

    inside: the folder of photos in the folder of each image, where each has one.
    """
    found = [
        folder
        for folder in folders
        if folder.split == "test"
        and not folder.is_mask
        and (train is None or folder.path != train.path)
        and (any((own.path / inside).is_dir() for own in folder.inner) if inside else folder.images)
    ]
    if len(found) == 1:
        count = len(found[0].inner if inside else found[0].images)
        return found[0].name, f"{found[0].name}: {counted(count, 'test image')}"
    several = f", as several folders may hold them ({listed([folder.name for folder in found])})" if found else ""
    return None, f"test images: none{several}"


def _is_visible_folder(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith((".", "__MACOSX"))


def _words(name: str) -> list[str]:
    """The words of a name: trainMasks_2 and train_masks2 give train, masks; trainannot gives train, annot."""
    found: list[str] = []
    for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name):
        lower = word.lower()
        joined = re.fullmatch(r"(train|valid|val|test)(mask|label|annot|image|img|seg|gt|photo|crop|set)(\w*)", lower)
        found += [joined[1], joined[2] + joined[3]] if joined else [lower]
    return found
