"""Reader for photos in one folder and one mask image of the same stem a photo in another: the people layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maskfold.config import MaskFoldersData
from maskfold.data.competition import Competition
from maskfold.data.image_files import ImageHeader, check_images, image_table, read_image
from maskfold.data.problems import Problems, check_sample, checked_groups, data_root, images_by_id


@dataclass(frozen=True)
class FileMasks:
    """Reads the mask file of an image when asked; picklable. A pixel at `threshold` (1..255) or above is on."""

    files: Mapping[str, Path]
    threshold: int

    def __call__(self, image_id: str) -> np.ndarray:
        """(1, H, W) uint8 in {0, 1} of a training image; KeyError for any other."""
        grey = read_image(self.files[image_id], 1)
        return (grey[None, :, :, 0] >= self.threshold).astype(np.uint8)


def open_mask_folders(data: MaskFoldersData) -> Competition:
    """Read and check the whole competition; the image id is the file's stem.

    Raises DataError with all problems together: truncated or unreadable files, ambiguous stems, photos without a mask
    and masks without a photo, masks of another size, masks that are all off at the threshold, and what is wrong with
    the groups and the sample file.
    """
    root, problems = data_root(data.root), Problems()
    train = images_by_id(root / data.train_images, True, problems)
    masks = images_by_id(root / data.train_masks, True, problems)
    test = images_by_id(None if data.test_images is None else root / data.test_images, True, problems)
    headers, bad_images = check_images([*train.values(), *masks.values(), *test.values()])
    problems += bad_images
    problems += _pair_problems(train, masks, headers, data.mask_threshold)
    groups = checked_groups(root, data.groups_csv, train, problems)
    sample = check_sample(root, data.sample_submission, data.class_names, test, problems)
    problems.raise_any()
    return Competition(
        class_names=data.class_names,
        train=image_table(train, headers, groups),
        test=image_table(test, headers),
        masks=FileMasks(masks, data.mask_threshold),
        label_files=(*masks.values(), *(() if data.groups_csv is None else (root / data.groups_csv,))),
        sample_submission=sample,
    )


def _pair_problems(
    train: Mapping[str, Path], masks: Mapping[str, Path], headers: Mapping[Path, ImageHeader], threshold: int
) -> list[str]:
    """Photos and masks that do not match; `headers` lacks the files that cannot be read."""
    if not train or not masks:  # a folder is missing or empty, which is reported already
        return []
    problems = [f"{path}: no mask of this name in the mask folder" for key, path in train.items() if key not in masks]
    problems += [f"{path}: a mask without its photo" for key, path in masks.items() if key not in train]
    for key in train.keys() & masks.keys():
        photo, mask = headers.get(train[key]), headers.get(masks[key])
        if photo is not None and mask is not None and photo[:2] != mask[:2]:
            problems.append(
                f"{masks[key]}: the mask is {mask.height}x{mask.width} px (height x width), "
                f"its photo {photo.height}x{photo.width}"
            )
    peaks = [headers[path].peak for path in masks.values() if path in headers]
    if peaks and max(peaks) < threshold:
        problems.append(
            f"{next(iter(masks.values())).parent}: no mask shows anything: the brightest value of all is {max(peaks)}, "
            f"below data.mask_threshold={threshold}"
        )
    return sorted(problems)
