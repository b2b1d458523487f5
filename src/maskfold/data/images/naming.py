"""What an answer file calls the test images: by their ids, without suffix, or by their place in the sorted order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

from maskfold.config import ImageNames


def image_names(image_ids: Sequence[str], naming: ImageNames) -> dict[str, str]:
    """image_id -> name.

    image_ids: sorted by file name; index counts them from 0. stem is unusable where two images share it: then the
    names are fewer than the images.
    """
    if naming == "index":
        return {image_id: str(number) for number, image_id in enumerate(image_ids)}
    return {image_id: without_suffix(image_id) if naming == "stem" else image_id for image_id in image_ids}


def without_suffix(image_id: str) -> str:
    """a/b.jpg -> a/b."""
    return str(PurePosixPath(image_id).with_suffix("")) if PurePosixPath(image_id).suffix else image_id


def ids_by_name(
    written: Collection[str], image_ids: Sequence[str], naming: ImageNames | None
) -> tuple[dict[str, str], str]:
    """Name -> image_id in the way that fits the names in a sample file, and a hint where none does.

    naming: what the config says; numbers are taken for places in the sorted order only if it says index, since "7" may
    as well be image_7.jpg. None allows every way: the reader checks files before the config's submission is known.
    """
    by_index = {str(number): image_id for number, image_id in enumerate(image_ids)}
    if naming == "index":
        return by_index, ""
    by_id = {image_id: image_id for image_id in image_ids}
    names = set(written)
    if not names & by_id.keys():
        stems = Counter(map(without_suffix, image_ids))
        by_stem = {without_suffix(image_id): image_id for image_id in image_ids if stems[without_suffix(image_id)] == 1}
        if names & by_stem.keys():
            return by_stem, ""
        by_file = {name: without_suffix(name) for name in names if without_suffix(name) in by_id}
        if by_file and len(set(by_file.values())) == len(by_file):
            return by_file, ""
        if names and names <= by_index.keys():
            if naming is None:
                return by_index, ""
            return by_id, (
                "; its images are numbers; if they count the test images from 0 in the order of their file names, set "
                "submission.image_names: index"
            )
    return by_id, ""


def unlisted(path: Path, image_ids: Sequence[str], listed: Collection[str | None], fault: str) -> list[str]:
    """One problem for each test image that a sample file does not list."""
    return [f"{path}: test image {image_id!r} {fault}" for image_id in image_ids if image_id not in listed]
