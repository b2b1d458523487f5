"""The form a submission must have, and what was read from one."""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, replace

from maskfold.config import SubmissionConfig
from maskfold.config.submission import FOLDERS
from maskfold.data.competition import Competition
from maskfold.data.images.naming import image_names
from maskfold.data.sample_order import sample_order
from maskfold.data.sample_submission import SampleFile, read_sample_file
from maskfold.errors import DataError
from maskfold.submission.rle_store import MaskKey, RleStore


@dataclass
class ParsedSubmission:
    """What a submission file says, and what is wrong with it.

    runs: absolute run lengths of every image and class in the config's order, "" for an empty mask; problems: what
    cannot be read, or is missing; form_problems: what can be read, but differs from the sample file or the config.
    """

    runs: MutableMapping[MaskKey, str] = field(default_factory=RleStore)
    problems: list[str] = field(default_factory=list)
    form_problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class SubmissionForm:
    """What a submission to a competition looks like.

    sample: the sample file, or one as the config describes it; sizes: image_id -> (height, width) in px of the masks of
    every test image; ids: name in the file -> image_id.
    """

    sample: SampleFile
    class_names: tuple[str, ...]
    sizes: Mapping[str, tuple[int, int]]
    config: SubmissionConfig

    @property
    def ids(self) -> dict[str, str]:
        """Name in the file -> image_id."""
        return {name: image_id for image_id, name in self.sample.names.items()}

    def place(self, key: MaskKey) -> str:
        """An image and class in words."""
        return f"{self.sample.names.get(key[0], key[0])}, class {self.class_names[key[1]]}"


def submission_form(competition: Competition, config: SubmissionConfig) -> SubmissionForm:
    """The form of the sample file, or without one that of the config for all test images and classes.

    A csv's layout and columns are the sample's; a config that asks for json or a folder takes only the images from it.
    Raises DataError with all that does not fit.
    """
    sample = _sample(competition, config)
    classes = len(competition.class_names)
    sizes = competition.test_sizes()
    sizes = sizes if config.size is None else dict.fromkeys(sizes, config.size)
    problems = _order_problems(competition, sample, sizes, config)
    if sample.repeated and config.rows == "mask":
        hint = "if the competition wants a row for each object, set submission.rows: object"
        problems += [f"{line}; {hint}" for line in sample.repeated]
    if sample.layout == "image" and classes != 1:
        problems.append(f"submission.layout image has no room for {classes} classes")
    if sample.layout == "coco_json":
        sample, wrong = _with_categories(sample, config, classes)
        problems += wrong
    if sample.layout == "label_map":
        problems += _label_map_problems(competition, config)
    if len(set(sample.names.values())) < len(sample.names):
        problems.append(f"submission.image_names {config.image_names}: two test images get the same name")
    if problems:
        raise DataError(problems)
    return SubmissionForm(sample, competition.class_names, sizes, config)


def _order_problems(
    competition: Competition, sample: SampleFile, sizes: Mapping[str, tuple[int, int]], config: SubmissionConfig
) -> list[str]:
    """What is wrong where the run lengths in the sample file are clearly in another order than `submission.order`, or
    where nothing says their order and that of the labels is not the usual one."""
    file = competition.sample_submission
    shown = None if file is None else sample_order(file, sample, sizes)
    if shown is None and sample.rle_column and "order" not in config.model_fields_set:
        labels = json.loads(competition.reading or "{}").get("order", config.order)
        if labels != config.order:
            return [
                f"submission.order is not set, so it is {config.order}, but the run lengths of the labels have "
                f"data.order: {labels}; set submission.order: {labels}, or {config.order} if the competition says so"
            ]
    if shown in (None, config.order) or (config.order == "relative" and shown != "relative"):
        return []
    fix = f"set submission.order: {shown}"
    return [f"{file}: its run lengths are those of order {shown}, but submission.order is {config.order}; {fix}"]


def _sample(competition: Competition, config: SubmissionConfig) -> SampleFile:
    images = competition.test_files()
    file = competition.sample_submission
    given = config.layout == "coco_json" or config.layout in FOLDERS
    if file is not None:
        sample = read_sample_file(file, competition.class_names, images, config.image_names)
        if config.layout in FOLDERS and sample.layout == "coco_json":
            return replace(
                sample,
                layout=config.layout,
                names=image_names({image_id: images[image_id] for image_id in sample.names}, "stem"),
            )
        if given and sample.layout != config.layout:
            return replace(sample, layout=config.layout, columns=(), image_column="", class_column=None, rle_column="")
        if sample.layout == "coco_json" and not given:
            raise DataError([f"{file}: a json goes with submission.layout coco_json, found {config.layout}"])
        return sample
    columns = config.column_names
    rows = tuple((image_id, index) for image_id in images for index in range(len(competition.class_names)))
    naming = "stem" if config.layout in FOLDERS and config.image_names == "id" else config.image_names
    names = image_names(images, naming)
    if given:
        return SampleFile(config.layout, (), "", None, "", rows, names)
    class_column = columns[1] if config.layout == "image_class_columns" else None
    return SampleFile(config.layout, columns, columns[0], class_column, columns[-1], rows, names)


def _with_categories(sample: SampleFile, config: SubmissionConfig, classes: int) -> tuple[SampleFile, list[str]]:
    """The sample with a category for every class, and what is wrong with categories and image ids."""
    categories = config.category_ids or sample.category_ids or tuple(range(1, classes + 1))
    problems = []
    if len(categories) != classes:
        problems.append(f"submission.category_ids names {len(categories)} categories for {classes} classes")
    names = sample.names.values()
    if all(name.isdecimal() for name in names) and len(set(map(int, names))) < len(names):
        problems.append("submission.layout coco_json: two test images get the same number")
    return replace(sample, category_ids=categories), problems


def _label_map_problems(competition: Competition, config: SubmissionConfig) -> list[str]:
    """Why a competition's classes cannot be written as label maps, or as which values is not clear."""
    names = competition.class_names
    if len(names) > 1 and not competition.exclusive:
        return [
            "submission.layout label_map has room for one class a pixel; set data.exclusive: true, or another layout"
        ]
    if config.class_values is not None:
        expected, found = len(names), len(config.class_values)
        return [] if found == expected else [f"submission.class_values: expected {expected} values, found {found}"]
    if len(names) > 255:
        return [f"submission.layout label_map: 8 bits have room for 255 classes, found {len(names)}"]
    labels = json.loads(competition.reading or "{}").get("class_values")
    if labels is None or [labels[name] for name in names] == list(range(1, len(names) + 1)):
        return []
    return [
        f"submission.class_values is not set, so the classes would be written as 1 to {len(names)}, but the labels "
        f"have data.class_values {labels}; set submission.class_values to the value of each class, in order"
    ]
