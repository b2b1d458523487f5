"""Proposes how to read folders of photos with masks in another folder, among the photos, or in one folder an image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from maskfold.data.formats.name_patterns import NamePattern
from maskfold.data.images.suffixes import without_image_suffix
from maskfold.data.recognition.folders import Folder, test_images
from maskfold.data.recognition.ignored import void_classes_problem
from maskfold.data.recognition.mask_names import SHARE, photo_pattern
from maskfold.data.recognition.mask_values import NoLabelsError
from maskfold.data.recognition.masks import mask_section, same_in_all
from maskfold.data.recognition.pairs import (
    FEW,
    Pair,
    joined_as_classes,
    one_folder_an_image,
    partly_masked,
    separate_folders,
    shared_folders,
)
from maskfold.data.recognition.proposal import Proposal, counted, listed
from maskfold.errors import DataError

_SAME = "the masks are the same in all files that were looked at, as those of a field of view are"


def mask_folder_proposals(
    root: Path, folders: Sequence[Folder], misses: list[str], given: Mapping[str, object], void: Collection[Path]
) -> list[Proposal]:
    """A proposal for each folder of training photos that masks belong to; the validation folders join it.

    Numbered parts (fold0, fold1, …) are joined. misses: folders of photos of which only some have a mask are added;
    given: keys that the config sets, which are not guessed; void: folders of ignore masks. Raises DataError where it is
    not clear how.
    """
    places = [Folder(root, root), *folders]
    refuse = given.get("missing_masks", "refuse") == "refuse"
    set_by_hand = {value for key in ("train_masks", "valid_masks") if isinstance(value := given.get(key), str)}
    separate = separate_folders(places, void, SHARE if refuse else FEW, set_by_hand)
    pairs = [*separate, *shared_folders(places), *one_folder_an_image(places)]
    misses += partly_masked(places, void, set_by_hand) if refuse and not pairs else []
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
    return _of_pairs(train, valid, folders, given) or [_proposal([pair], [], folders, given) for pair in valid]


def _of_pairs(
    train: Sequence[Pair], valid: Sequence[Pair], folders: Sequence[Folder], given: Mapping[str, object]
) -> list[Proposal]:
    """A proposal for each pair; masks that are hardly labels give way to others of the same photos, which is noted."""
    proposals: dict[Pair, Proposal] = {}
    left: dict[Pair, NoLabelsError] = {}
    rivals = Counter(pair.photos.path for pair in train)
    for pair in train:
        try:
            if rivals[pair.photos.path] > 1 and same_in_all(pair.files):
                raise NoLabelsError([f"{pair.masks.path}: {_SAME}"])
            proposals[pair] = _proposal([pair], valid, folders, given)
        except NoLabelsError as error:
            left[pair] = error
    for pair, reason in left.items():
        better = [other for other in proposals if other.photos.path == pair.photos.path]
        if not better:
            raise reason
        note = f"{pair.masks.name}: not used: {reason.problems[0].removeprefix(f'{pair.masks.path}: ')}"
        proposals |= {other: replace(proposals[other], notes=(*proposals[other].notes, note)) for other in better}
    classes = joined_as_classes(list(proposals)) if len(proposals) > 1 else None
    binary = not any("labels" in proposal.section for proposal in proposals.values())
    joined = [] if classes is None or not binary else [_proposal([classes], valid, folders, given)]
    return [*proposals.values(), *joined]


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
    notes += [f"note: {_SAME}"] if same_in_all(files) else []
    notes.append(test_note)
    section |= {"image_name": pair.image_name} if pair.image_name != "{stem}" else {}
    section |= {"image_id": "file"} if not inside and without_image_suffix(pair.image_name) != "{stem}" else {}
    section |= _test_name(pair, test)
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


def _test_name(pair: Pair, test: str | None) -> dict[str, object]:
    """data.test_name where the test photos are not called like the training photos."""
    if test is None or "/" in pair.image_name:
        return {}
    names = Folder(pair.photos.root / test, pair.photos.root).images
    fitting = {without_image_suffix(name) for name in names if NamePattern(pair.image_name).match(name)}
    if all(without_image_suffix(name) in fitting for name in names):  # x.png next to x.jpg is its mask
        return {}
    return {"test_name": photo_pattern(names) or "{stem}"}


def _pair_note(pair: Pair, split: str) -> str:
    several = ", several a photo are joined" if pair.names.several else ""
    photos = f" called {pair.image_name}" if pair.image_name != "{stem}" else ""
    return (
        f"{pair.photos.name}: {counted(pair.photo_count, f'{split} photo')}{photos}; "
        f"{pair.masks.name}: {counted(len(pair.files), 'mask')} called {pair.names.pattern}{several}"
    )
