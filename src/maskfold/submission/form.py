"""The form an answer file must have, and what was read from one."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, replace

from maskfold.config import SubmissionConfig
from maskfold.data.competition import Competition
from maskfold.data.images.naming import image_names
from maskfold.data.sample_submission import SampleFile, read_sample_file
from maskfold.errors import DataError
from maskfold.submission.rle_store import AnswerKey, RunTexts


@dataclass
class Answers:
    """What an answer file says, and what is wrong with it.

    runs: run lengths of every image and class in the config's order, "" for an empty mask; problems: what no judge can
    read, or what is missing; form_problems: what can be read, but is not as the sample file or the config have it.
    """

    runs: MutableMapping[AnswerKey, str] = field(default_factory=RunTexts)
    problems: list[str] = field(default_factory=list)
    form_problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class AnswerFile:
    """What an answer to a competition looks like, for those who read and write it.

    sizes: image_id -> (height, width) in px of every test image; ids: name in the file -> image_id.
    """

    form: SampleFile
    class_names: tuple[str, ...]
    sizes: Mapping[str, tuple[int, int]]
    config: SubmissionConfig

    @property
    def ids(self) -> dict[str, str]:
        """Name in the file -> image_id."""
        return {name: image_id for image_id, name in self.form.names.items()}

    def place(self, key: AnswerKey) -> str:
        """An image and class in words."""
        return f"{self.form.names.get(key[0], key[0])}, class {self.class_names[key[1]]}"


def answer_file(competition: Competition, config: SubmissionConfig) -> AnswerFile:
    """The form of the sample file, or without one that of the config for all test images and classes.

    A csv's layout and columns are the sample's; a config that asks for json or a folder takes only the images from it.
    Raises DataError with all that does not fit.
    """
    form = _form(competition, config)
    classes = len(competition.class_names)
    problems = []
    if form.layout == "image" and classes != 1:
        problems.append(f"submission.layout image has no room for {classes} classes")
    if form.layout == "coco_json":
        form, wrong = _with_categories(form, config, classes)
        problems += wrong
    if len(set(form.names.values())) < len(form.names):
        problems.append(f"submission.image_names {config.image_names}: two test images get the same name")
    if problems:
        raise DataError(problems)
    return AnswerFile(form, competition.class_names, competition.test_sizes(), config)


def _form(competition: Competition, config: SubmissionConfig) -> SampleFile:
    images = competition.test_files()
    sample = competition.sample_submission
    given = config.layout in ("coco_json", "mask_folder")
    if sample is not None:
        form = read_sample_file(sample, competition.class_names, images, config.image_names)
        if config.layout == "mask_folder" and form.layout == "coco_json":
            return replace(
                form,
                layout="mask_folder",
                names=image_names({image_id: images[image_id] for image_id in form.names}, "stem"),
            )
        if given and form.layout != config.layout:
            return replace(form, layout=config.layout, columns=(), image_column="", class_column=None, rle_column="")
        if form.layout == "coco_json" and not given:
            raise DataError([f"{sample}: a json goes with submission.layout coco_json, found {config.layout}"])
        return form
    columns = config.column_names
    rows = tuple((image_id, index) for image_id in images for index in range(len(competition.class_names)))
    naming = "stem" if config.layout == "mask_folder" and config.image_names == "id" else config.image_names
    names = image_names(images, naming)
    if given:
        return SampleFile(config.layout, (), "", None, "", rows, names)
    class_column = columns[1] if config.layout == "image_class_columns" else None
    return SampleFile(config.layout, columns, columns[0], class_column, columns[-1], rows, names)


def _with_categories(form: SampleFile, config: SubmissionConfig, classes: int) -> tuple[SampleFile, list[str]]:
    """The form with a category for every class, and what is wrong with categories and image ids."""
    categories = config.category_ids or form.category_ids or tuple(range(1, classes + 1))
    problems = []
    if len(categories) != classes:
        problems.append(f"submission.category_ids names {len(categories)} categories for {classes} classes")
    names = form.names.values()
    if all(name.isdecimal() for name in names) and len(set(map(int, names))) < len(names):
        problems.append("submission.layout coco_json: two test images get the same number")
    return replace(form, category_ids=categories), problems
