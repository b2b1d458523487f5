"""Finds folders of photos with masks in another folder, among the photos, or in one folder an image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from maskfold.data.ignored import is_void_name
from maskfold.data.images.suffixes import without_image_suffix
from maskfold.data.recognition.folders import Folder, split_of, test_images
from maskfold.data.recognition.ignored import void_classes_problem
from maskfold.data.recognition.mask_names import MaskNames, mask_names
from maskfold.data.recognition.masks import mask_section
from maskfold.data.recognition.proposal import Proposal, counted, listed
from maskfold.errors import DataError

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


def mask_folder_proposals(
    root: Path, folders: Sequence[Folder], given: Mapping[str, object], void: Collection[Path]
) -> list[Proposal]:
    """A proposal for each folder of training photos that masks belong to; the validation folders join it.

    Numbered parts (fold0, fold1, …) are joined. given: keys that the config sets, which are not guessed; void: folders
    of ignore masks. Raises DataError where it is not clear how.
    """
    places = [Folder(root, root), *folders]
    pairs = [*_separate(places, void), *_shared(places), *_one_folder_an_image(places)]
    named = _named(pairs, given, "train")
    valid = _named(pairs, given, "valid") or [pair for pair in pairs if pair.split == "valid" and pair not in named]
    if given.get("valid_images", "") is None:
        valid = []
    if len(valid) > 1:
        shown = listed([str(pair) for pair in valid])
        raise DataError(
            [f"{root}: several folders may hold the validation images: {shown}; set data.valid_images and valid_masks"]
        )
    if "train_images" in given:
        return _of_named(named, valid, folders, given)
    train = [pair for pair in pairs if pair.split == "train"]
    parts = [pair for pair in pairs if pair.split not in ("train", "valid", "test")]
    if parts:
        problem = _parts_problem(parts, train)
        if problem:
            shown = listed([str(pair) for pair in (*train, *parts)])
            raise DataError([f"{root}: the images are in several parts ({shown}), but {problem}"])
        return [_proposal(parts, valid, folders, given)]
    return [_proposal([pair], valid, folders, given) for pair in train] or [
        _proposal([pair], [], folders, given) for pair in valid
    ]


def _of_named(
    pairs: Sequence[Pair], valid: Sequence[Pair], folders: Sequence[Folder], given: Mapping[str, object]
) -> list[Proposal]:
    """The proposals for the pairs that the config names: one folder of photos, or a list of them, which are joined."""
    if isinstance(given["train_images"], str):
        return [_proposal([pair], valid, folders, given) for pair in pairs]
    if len({pair.photos.name for pair in pairs}) < len(pairs):
        shown = listed([str(pair) for pair in pairs])
        raise DataError([f"data.train_images: several folders may hold the masks ({shown}); set data.train_masks too"])
    return [_proposal(pairs, valid, folders, given)] if pairs else []


def _named(pairs: Sequence[Pair], given: Mapping[str, object], split: str) -> list[Pair]:
    """The pairs that the config names with its folders of photos, in that order, and of masks where it names them."""
    photos, masks = (
        [own] if isinstance(own := given.get(f"{split}_{key}"), str) else own for key in ("images", "masks")
    )
    if not isinstance(photos, list):
        return []
    wanted = zip(photos, masks, strict=False) if isinstance(masks, list) else ((name, None) for name in photos)
    return [
        pair for name, own in wanted for pair in pairs if pair.photos.name == name and own in (None, pair.masks.name)
    ]


def _parts_problem(parts: Sequence[Pair], train: Sequence[Pair]) -> str:
    """Why numbered parts are not joined; "" if they are."""
    name_them = "name those to read in data.train_images and data.train_masks, as two lists in the same order"
    if train or len({pair.split for pair in parts}) < len(parts):
        return f"it is not clear which belong together; {name_them}"
    if len({(pair.names, pair.image_name) for pair in parts}) > 1:
        return "their masks are called differently; rename them, or name one part in data.train_images and train_masks"
    counts = Counter(name for pair in parts for name in pair.image_ids)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        return f"{counted(len(twice), 'image name')} ({listed(twice, 3)}) in more than one; rename them, or {name_them}"
    return ""


def _separate(folders: Sequence[Folder], void: Collection[Path]) -> list[Pair]:
    """Photos in one folder and masks in another, of one split."""
    found: list[Pair] = []
    for photos in folders:
        for masks in folders if photos.images and not photos.is_mask else ():
            named = {photos.split, masks.split} - {None}
            if masks.is_mask and len(named) < 2:
                found += _pair(photos, masks, void)
    whole = {pair.masks.path for pair in found}
    found = [pair for pair in found if pair.masks.path.parent not in whole]  # one of a class
    taken = {folder.path for pair in found if pair.agrees for folder in (pair.photos, pair.masks)}
    return [pair for pair in found if pair.agrees or not taken & {pair.photos.path, pair.masks.path}]


def _pair(photos: Folder, masks: Folder, void: Collection[Path]) -> list[Pair]:
    """The pair that two folders are, if they are one: masks right in their folder, or in one folder a class."""
    if masks.images:
        names = mask_names(photos.images, masks.images)
        files = tuple(masks.path / name for name in masks.images)
    else:
        inner = [folder for folder in masks.inner if folder.images and folder.path not in void]
        if not inner or any(split_of(folder.path.name) for folder in inner):
            return []
        names = mask_names(photos.images, sorted({name for folder in inner for name in folder.images}), _CLASS_SHARE)
        if names is not None and (names.classes or names.several):
            return []
        if names is not None:
            classes = tuple(folder.path.name for folder in inner)
            names = MaskNames("{class}/" + names.pattern, classes)
        files = tuple(folder.path / name for folder in inner for name in folder.images)
    return [] if names is None else [Pair(photos, masks, len(photos.images), files, names)]


def _shared(folders: Sequence[Folder]) -> list[Pair]:
    """Photos and masks in one folder: x.png, x_mask.png, and perhaps x_mask_1.png."""
    found = []
    for folder in folders:
        masks = [
            name for name in folder.images if Folder(folder.root / without_image_suffix(name), folder.root).is_mask
        ]
        void = [name for name in folder.images if name not in masks and is_void_name(without_image_suffix(name))]
        photos = sorted(set(folder.images) - set(masks) - set(void))
        names = mask_names(photos, masks) if masks and photos else None
        if names is not None and void and not folder.is_mask:
            raise DataError(
                [
                    f"{folder.path / void[0]}: is called like an ignore mask (of pixels that nobody labelled), as "
                    f"{counted(len(void), 'file')} in this folder; move them into a folder of their own and set "
                    "data.ignore_masks to it"
                ]
            )
        if names is not None and names.pattern not in ("{stem}", "{name}") and not folder.is_mask:
            files = tuple(folder.path / name for name in masks)
            found.append(Pair(folder, folder, len(photos), files, names))
    return found


def _one_folder_an_image(folders: Sequence[Folder]) -> list[Pair]:
    """<id>/images/x.png and <id>/masks/*.png: a mask file an object, or one."""
    found = []
    for folder in folders:
        inside = [(_only(own.inner, False), _only(own.inner, True), own) for own in folder.inner]
        whole = [(photo, mask, own) for photo, mask, own in inside if photo is not None and mask is not None]
        if len(whole) < 2 or len(whole) < _SHARE * len(inside):
            continue
        if len({(photo.path.name, mask.path.name) for photo, mask, _ in whole}) > 1:
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
    """The one folder of masks, or of photos, among some."""
    found = [folder for folder in folders if folder.images and (folder.is_mask if masks else folder.is_photo)]
    return found[0] if len(found) == 1 else None


def _proposal(
    parts: Sequence[Pair], valid: Sequence[Pair], folders: Sequence[Folder], given: Mapping[str, object]
) -> Proposal:
    """What to propose for the training photos and masks of some parts, one of them the usual case."""
    pair, photos, masks = parts[0], tuple(part.photos.name for part in parts), tuple(part.masks.name for part in parts)
    inside = pair.image_name.split("/")[1] if "/" in pair.image_name else ""
    test, test_note = test_images(folders, pair.photos, inside)
    section: dict[str, object] = {
        "format": "mask_folders",
        "train_images": photos[0] if len(parts) == 1 else photos,
        "train_masks": masks[0] if len(parts) == 1 else masks,
        "test_images": test,
    }
    notes = [_pair_note(part, "training") for part in parts]
    files = [file for part in parts for file in part.files]
    for other in valid:
        if (other.names.pattern, other.image_name) != (pair.names.pattern, pair.image_name):
            raise DataError([f"{pair.photos.root}: masks are called differently in {pair} and {other}"])
        section |= {"valid_images": other.photos.name, "valid_masks": other.masks.name}
        notes.append(_pair_note(other, "validation"))
        files += other.files
    notes.append(test_note)
    section |= {"image_name": pair.image_name} if pair.image_name != "{stem}" else {}
    section |= {"mask_name": pair.names.pattern} if pair.names.pattern != "{stem}" else {}
    section |= {"several_masks": "union"} if pair.names.several else {}
    labels, found = mask_section(files, str(pair.masks.path), given)
    if pair.names.classes:
        fix = "move them into a folder of their own and set data.ignore_masks to it"
        problem = void_classes_problem(str(pair.masks.path), pair.names.classes, given, fix)
        if problem:
            raise DataError([problem])
        if labels.get("labels", "binary") != "binary":
            raise DataError([f"{pair.masks.path}: a folder or name for each class, but masks of several values each"])
        threshold = {key: labels[key] for key in ("mask_threshold",) if key in labels}
        labels = {"class_names": pair.names.classes, "missing_masks": "empty", **threshold}
        notes.append(f"classes by name: {listed(list(pair.names.classes))}")
    words = f"photos in {listed([*photos])} with masks in {listed([*masks])}"
    return Proposal(words, {**section, **labels}, (*notes, *found))


def _pair_note(pair: Pair, split: str) -> str:
    several = ", several a photo are joined" if pair.names.several else ""
    return (
        f"{pair.photos.name}: {counted(pair.photo_count, f'{split} photo')}; "
        f"{pair.masks.name}: {counted(len(pair.files), 'mask')} called {pair.names.pattern}{several}"
    )
