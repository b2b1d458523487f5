"""Finds folders of photos and the masks that belong to them, by the names of both."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from maskfold.data.ignored import is_void_name
from maskfold.data.images.suffixes import JPEG, without_image_suffix
from maskfold.data.recognition.folders import Folder, split_of
from maskfold.data.recognition.mask_names import MaskNames, paired_names, photo_pattern
from maskfold.data.recognition.masks import mask_section
from maskfold.data.recognition.proposal import counted
from maskfold.errors import DataError

FEW = 0.02  # of the photos that must have a mask where those without one are known to be empty or not labelled
_CLASS_SHARE = 0.3  # of the photos that must have a mask in the folder of some class; the others show none
_SHARE = 0.9  # of the folders in a folder that must each hold a photo and masks


@dataclass(frozen=True)
class Pair:
    """A folder of photos and the folder of their masks.

    photo_count: photos; files: the masks; names: how they are called; image_name: how the photos are.
    """

    photos: Folder
    masks: Folder
    photo_count: int
    files: tuple[Path, ...]
    names: MaskNames
    image_name: str = "{stem}"

    @property
    def split(self) -> str:
        """train where no name says so."""
        return self.photos.split or self.masks.split or "train"

    @property
    def agrees(self) -> bool:
        """Whether both folders name the same split, or none."""
        return self.photos.split == self.masks.split

    @property
    def image_ids(self) -> list[str]:
        """The stems of the photos, or the names of the images' folders."""
        if "/" in self.image_name:
            return [folder.path.name for folder in self.photos.inner]
        masks = {file.name for file in self.files} if self.photos.path == self.masks.path else set()
        return [without_image_suffix(name) for name in self.photos.images if name not in masks]

    def __str__(self) -> str:
        return f"{self.photos.name} with {self.masks.name}"


def partly_masked(folders: Sequence[Folder], void: Collection[Path], named: Collection[str]) -> list[str]:
    """What to say of folders of photos of which only some have a mask."""
    return [
        f"{pair.photos.path}: {counted(pair.photo_count, 'photo')}, but {counted(len(pair.files), 'mask')} in "
        f"{pair.masks.name}; `auto` does not guess what the others are: set data.missing_masks: empty if they show "
        "nothing, or skip if nobody labelled them"
        for pair in separate_folders(folders, void, FEW, named)
    ]


def separate_folders(
    folders: Sequence[Folder], void: Collection[Path], share: float, named: Collection[str]
) -> list[Pair]:
    """Photos in one folder and masks in another, of one split.

    void: folders of ignore masks; share: of the photos that must have a mask; named: folders that the config says hold
    masks, whatever they are called.
    """
    found: list[Pair] = []
    for photos in folders:
        for masks in folders if photos.images and not photos.is_mask else ():
            splits = {photos.split, masks.split} - {None}
            by_hand = masks.name in named and not photos.path.is_relative_to(masks.path)
            if by_hand or (masks.is_mask and len(splits) < 2):
                found += _pair(photos, masks, void, share)
    whole = {pair.masks.path for pair in found}
    found = [pair for pair in found if pair.masks.path.parent not in whole]  # one of a class
    taken = {folder.path for pair in found if pair.agrees for folder in (pair.photos, pair.masks)}
    return [pair for pair in found if pair.agrees or not taken & {pair.photos.path, pair.masks.path}]


def _pair(photos: Folder, masks: Folder, void: Collection[Path], share: float) -> list[Pair]:
    """The pair that two folders are, if they are one: masks right in their folder, or in one folder a class."""
    if masks.images:
        found = paired_names(photos.images, masks.images, share)
        files = tuple(masks.path / name for name in masks.images)
    else:
        inner = [folder for folder in masks.inner if folder.images and folder.path not in void]
        if not inner or any(split_of(folder.path.name) for folder in inner):
            return []
        if len(inner) == 1 and not _is_binary(inner[0]):
            return []  # no class: its masks show several
        every = sorted({name for folder in inner for name in folder.images})
        found = paired_names(photos.images, every, _CLASS_SHARE)
        if found is not None and (found[0].classes or found[0].several):
            return []
        if found is not None:
            classes = tuple(folder.path.name for folder in inner)
            found = MaskNames("{class}/" + found[0].pattern, classes), found[1]
        files = tuple(folder.path / name for folder in inner for name in folder.images)
    return [] if found is None else [Pair(photos, masks, len(photos.images), files, *found)]


def _is_binary(folder: Folder) -> bool:
    """Whether the masks in a folder show one class each."""
    try:
        labels, _ = mask_section([folder.path / name for name in folder.images], str(folder.path), {})
    except DataError:
        return False
    return labels.get("labels", "binary") == "binary"


def shared_folders(folders: Sequence[Folder]) -> list[Pair]:
    """Photos and masks in one folder: x.png, x_mask.png, and perhaps x_mask_1.png."""
    found = []
    for folder in folders:
        doubles = [] if folder.is_mask else _by_suffix(folder)
        if doubles:
            found += doubles
            continue
        masks = [
            name for name in folder.images if Folder(folder.root / without_image_suffix(name), folder.root).is_mask
        ]
        void = [name for name in folder.images if name not in masks and is_void_name(without_image_suffix(name))]
        photos = sorted(set(folder.images) - set(masks) - set(void))
        pair = paired_names(photos, masks) if masks and photos else None
        if pair is not None and void and not folder.is_mask:
            raise DataError(
                [
                    f"{folder.path / void[0]}: is called like an ignore mask (of pixels that nobody labelled), as "
                    f"{counted(len(void), 'file')} in this folder; move them into a folder of their own and set "
                    "data.ignore_masks to it"
                ]
            )
        if pair is not None and pair[0].pattern not in ("{stem}", "{name}") and not folder.is_mask:
            files = tuple(folder.path / name for name in masks)
            found.append(Pair(folder, folder, len(photos), files, *pair))
    return found


def joined_as_classes(pairs: Sequence[Pair]) -> Pair | None:
    """Folders of masks for the same photos, mask_a and mask_b, as those of classes a and b; None where they are not."""
    first = pairs[0]
    names = [pair.masks.path.name for pair in pairs]
    pattern = photo_pattern(names)
    same = len({(pair.photos.path, pair.masks.path.parent, pair.names, pair.image_name) for pair in pairs}) == 1
    if len(pairs) < 2 or pattern is None or not same or first.names.classes or first.names.several:
        return None
    before, behind = pattern.split("{stem}")
    classes = tuple(name[len(before) : len(name) - len(behind)] for name in names)
    mask_names = MaskNames(f"{before}{{class}}{behind}/{first.names.pattern}", classes)
    files = tuple(file for pair in pairs for file in pair.files)
    parent = Folder(first.masks.path.parent, first.masks.root)
    return Pair(first.photos, parent, first.photo_count, files, mask_names, first.image_name)


def _by_suffix(folder: Folder) -> list[Pair]:
    """x.jpg and x.png in one folder: a photo and its mask, as masks are no jpg."""
    by_suffix: dict[str, list[str]] = {}
    for name in folder.images:
        by_suffix.setdefault(PurePath(name).suffix, []).append(name)
    photos = [suffix for suffix in by_suffix if suffix.lower() in JPEG]
    if len(by_suffix) != 2 or len(photos) != 1:
        return []
    [photo], [mask] = photos, by_suffix.keys() - photos
    stems = {name.removesuffix(photo) for name in by_suffix[photo]}
    if stems != {name.removesuffix(mask) for name in by_suffix[mask]}:
        return []
    files = tuple(folder.path / name for name in by_suffix[mask])
    return [Pair(folder, folder, len(stems), files, MaskNames(f"{{stem}}{mask}"), f"{{stem}}{photo}")]


def one_folder_an_image(folders: Sequence[Folder]) -> list[Pair]:
    """<id>/images/x.png and <id>/masks/*.png: a mask file an object, or one."""
    found = []
    for folder in folders:
        inside = [(_only(own.inner, False), _only(own.inner, True), own) for own in folder.inner]
        whole = [(photo, mask, own) for photo, mask, own in inside if photo is not None and mask is not None]
        if len(whole) < 2 or len(whole) < _SHARE * len(inside):
            continue
        if len({(photo.path.name, mask.path.name) for photo, mask, _ in whole}) > 1:
            continue
        if sum(bool(mask.images) for _, mask, _ in whole) < 2:
            continue
        if any(len(photo.images) != 1 for photo, _, _ in whole):
            continue
        photo_name, mask_name = whole[0][0].path.name, whole[0][1].path.name
        files = tuple(mask.path / name for _, mask, _ in whole for name in mask.images)
        several = any(len(mask.images) > 1 for _, mask, _ in whole)
        names = MaskNames(f"{{stem}}/{mask_name}/*", several=several)
        found.append(Pair(folder, folder, len(whole), files, names, f"{{stem}}/{photo_name}/*"))
    return found


def _only(folders: Sequence[Folder], masks: bool) -> Folder | None:
    """The one folder of masks, which holds none where the image is empty, or of photos, among some."""
    found = [folder for folder in folders if (folder.is_mask if masks else folder.is_photo and folder.images)]
    return found[0] if len(found) == 1 else None
