"""Random competitions, drawn from known masks: what is read equals what was drawn, or an error names the file.

MASKFOLD_RANDOM_COMPETITIONS sets how many are drawn (300 without it), MASKFOLD_FIRST_SEED with which seed they start.
"""

import os
import shutil

import numpy as np
import pytest
import yaml

from maskfold.config import AutoData, load_config
from maskfold.data.images.photo import photo_list
from maskfold.data.opening import open_competition
from maskfold.errors import DataError
from support.random_formats import random_competition

COUNT = int(os.environ.get("MASKFOLD_RANDOM_COMPETITIONS", "300"))
FIRST = int(os.environ.get("MASKFOLD_FIRST_SEED", "0"))
CHUNK = 50


def section_of(drawn):
    """The data section, from a config file as a user writes it."""
    file = drawn.root.with_suffix(".yaml")
    file.write_text(yaml.safe_dump({"name": "x", "data": drawn.section}, allow_unicode=True), encoding="utf-8")
    return load_config(file).data


def equal(first, second):
    """Whether two arrays have one type and the same values."""
    return first.dtype == second.dtype and np.array_equal(first, second)


def differences(drawn, competition, class_names):
    """What was read differently from what was drawn, in words."""
    found = set(competition.train["image_id"])
    wrong = [f"images {sorted(found ^ set(drawn.masks))}"] if found != set(drawn.masks) else []
    tests = sorted(competition.test["image_id"])
    wrong += [f"test images {tests}"] if tests != sorted(drawn.test_ids) else []
    photos = [*photo_list(competition.train), *photo_list(competition.test)]
    wrong += [
        f"{photo.path}: other pixels"
        for photo in photos
        if str(photo.path) in drawn.photos and not equal(photo.pixels(1)[:, :, 0], drawn.photos[str(photo.path)])
    ]
    if sorted(competition.class_names) != sorted(class_names):
        return [*wrong, f"classes {competition.class_names}, expected {class_names}"]
    order = [competition.class_names.index(name) for name in class_names]
    for image_id in sorted(found & set(drawn.masks)):
        masks = competition.masks(image_id)[order]
        if not np.array_equal(masks, drawn.masks[image_id]):
            areas = [array.sum(axis=(1, 2)).tolist() for array in (masks, drawn.masks[image_id])]
            wrong.append(f"{image_id}: areas {areas[0]}, drawn {areas[1]}")
        ignored = competition.ignored_in(image_id)
        if not np.array_equal(0 if ignored is None else ignored, drawn.ignored.get(image_id, 0)):
            wrong.append(f"{image_id}: other pixels are ignored than drawn")
    return wrong


def attempt(drawn, data, class_names, may_refuse):
    """What went wrong in reading a competition, in words; None where it was refused as it should or may be."""
    try:
        found = differences(drawn, open_competition(data), class_names)
    except DataError as error:
        named = drawn.fault in str(error) if drawn.fault and not may_refuse else str(drawn.root) in str(error)
        return None if named and (drawn.fault or may_refuse) else [str(error)]
    return [*found, f"{drawn.fault} was not refused"] if drawn.fault else found


@pytest.mark.parametrize("first", range(FIRST, FIRST + COUNT, CHUNK))
def test_what_is_read_equals_what_was_drawn(tmp_path, first):
    """Read with its own section every competition gives its masks; `auto` gives them too, or names the file."""
    wrong, recognised, count = [], 0, min(CHUNK, FIRST + COUNT - first)
    for seed in range(first, first + count):
        drawn = random_competition(seed, tmp_path / str(seed))
        found = attempt(drawn, section_of(drawn), list(drawn.section["class_names"]), False)
        by_auto = attempt(drawn, AutoData(root=str(drawn.root)), drawn.auto_names, True)
        wrong += [f"{line}; {drawn.choices}" for line in found or []]
        wrong += [f"auto: {line}; {drawn.choices}" for line in by_auto or []]
        recognised += by_auto == []
        shutil.rmtree(drawn.root)
    assert not wrong, "\n".join(wrong)
    assert recognised >= 0.5 * count
