"""What a submission calls the test images: by their ids, without suffix, or by their place in the sorted order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from pathlib import Path, PurePosixPath

from maskfold.config import ImageNames
from maskfold.data.images.suffixes import without_image_suffix


def image_names(images: Mapping[str, Path], naming: ImageNames) -> dict[str, str]:
    """image_id -> name.

    images: image_id -> file, sorted by file name; index counts them from 0. stem is unusable where two images share it:
    then the names are fewer than the images.
    """
    if naming == "index":
        return {image_id: str(number) for number, image_id in enumerate(images)}
    return {image_id: stem_of(image_id, file) if naming == "stem" else image_id for image_id, file in images.items()}


def stem_of(image_id: str, file: Path) -> str:
    """An image's id without the suffix of an image file; an id that is the stem of its file stays as it is."""
    is_stem = PurePosixPath(image_id).name == without_image_suffix(file.name)
    return image_id if is_stem else without_image_suffix(image_id)


def written_names(images: Mapping[str, Path]) -> set[str]:
    """All that a file may call the images: ids, stems, file names, places in the sorted order."""
    stems = {stem_of(image_id, file) for image_id, file in images.items()}
    return {*images, *stems, *(file.name for file in images.values()), *map(str, range(len(images)))}


def name_in_folder(image_id: str, folder: str) -> str:
    """The file name in an id that is a path ending with the folder, or a part of it, and a name: train_images/a.png."""
    path = PurePosixPath(image_id.replace("\\", "/"))
    parents = path.parts[:-1]
    return path.name if parents and PurePosixPath(folder).parts[-len(parents) :] == parents else image_id


def ids_by_name(
    written: Collection[str], images: Mapping[str, Path], naming: ImageNames | None
) -> tuple[dict[str, str], str]:
    """Name -> image_id in the way that fits the names in a sample file, and a hint where none does.

    images: image_id -> file; naming: what the config says; numbers are taken for places in the sorted order only if it
    says index, since "7" may as well be image_7.jpg. None allows every way: the reader checks files before the config's
    submission is known.
    """
    by_index = {str(number): image_id for number, image_id in enumerate(images)}
    if naming == "index":
        return by_index, ""
    by_id = {image_id: image_id for image_id in images}
    stems = Counter(stem_of(image_id, file) for image_id, file in images.items())
    by_stem = {stem_of(image_id, file): image_id for image_id, file in images.items()}
    by_stem = {stem: image_id for stem, image_id in by_stem.items() if stems[stem] == 1}
    names = set(written)
    for known in (by_id, by_stem):
        if names & known.keys():
            return known, ""
    ways: list[Callable[[str], str]] = [without_image_suffix, _last_part, lambda n: without_image_suffix(_last_part(n))]
    for way in ways:
        for known in (by_id, by_stem):
            found = {name: known[way(name)] for name in names if way(name) in known}
            if found and len(set(found.values())) == len(found):
                return found, ""
    if names and names <= by_index.keys():
        if naming is None:
            return by_index, ""
        return by_id, (
            "; its images are numbers; if they count the test images from 0 in the order of their file names, set "
            "submission.image_names: index"
        )
    return by_id, ""


def _last_part(name: str) -> str:
    """test_images/a.png -> a.png."""
    return PurePosixPath(name.replace("\\", "/")).name


def unlisted(path: Path, image_ids: Collection[str], listed: Collection[str | None], fault: str) -> list[str]:
    """One problem for each test image that a sample file does not list."""
    return [f"{path}: test image {image_id!r} {fault}" for image_id in image_ids if image_id not in listed]
