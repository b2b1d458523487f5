"""OOF predictions made elsewhere, copied into the OOF store so that they can be tuned."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from pathlib import Path

import pandas as pd

from maskfold.artefacts.code_version import code_version
from maskfold.artefacts.files import folder_fingerprint
from maskfold.artefacts.paths import RunPaths, display
from maskfold.artefacts.provenance import Provenance, forget
from maskfold.config import Config, FoldsConfig, RleCsvData
from maskfold.data.competition import Competition
from maskfold.data.formats.ignore_masks import with_ignore_masks
from maskfold.data.formats.rle_csv import masks_of_rows, order_problems
from maskfold.data.ignored import is_void_name
from maskfold.data.images.orientation import undecided_orientation
from maskfold.data.images.suffixes import SUFFIXES, without_image_suffix
from maskfold.data.label_rows import RowRules, read_label_rows, usable_rows
from maskfold.data.problems import Problems
from maskfold.data.unused import report_unused
from maskfold.errors import DataError
from maskfold.oof.sources import MAP_SUFFIXES, Source, open_source
from maskfold.oof.store import OofWriter


def labelled_competition(
    labels: Path, source: Path, rules: RowRules, ignore_masks: str | None = None
) -> tuple[Competition, Source]:
    """The competition that a label csv and a source of OOF predictions make, without any image.

    Classes are those of the csv, in order. ignore_masks: as `data.ignore_masks`, from the folder at work. Raises
    DataError with what is wrong with any of them.
    """
    rows = read_label_rows(labels, known=_names_in(source))
    named = {row.class_name for row in rows} - {""}
    if rules.ignore_class is not None and rules.ignore_class not in named:
        raise DataError([f"{labels}: no row is of class {rules.ignore_class!r}; it has {', '.join(sorted(named))}"])
    class_names = tuple(sorted(named - {rules.ignore_class}, key=lambda name: (len(name), name)))
    if not class_names:
        raise DataError([f"{labels}: no rows, so no classes"])
    problems = Problems()
    problems += [
        f"{labels}: the class {name!r} may be the pixels that nobody labelled; if so, give --ignore-class {name}, else "
        "call it something else"
        for name in class_names
        if is_void_name(name)
    ]
    opened = open_source(source, class_names, [row.image_id for row in rows])
    sizes = opened.sizes()
    problems += [
        f"{labels}, row {row.number}: image {row.image_id!r} is not in the OOF"
        for row in rows
        if row.image_id not in sizes
    ]
    usable = usable_rows(labels, rows, class_names, sizes, rules, problems)
    shown = [(row.rle, *sizes[row.image_id]) for row in usable if row.rle and row.image_id in sizes]
    problems += order_problems(labels, shown, rules.order, "--order")
    problems.raise_any()
    table = pd.DataFrame(
        [(name, "", *size) for name, size in sizes.items()], columns=["image_id", "path", "height", "width"]
    )
    masks, ignored, _ = masks_of_rows(usable, class_names, sizes, rules)
    settings = {"order": rules.order, "empty_token": rules.empty_token, "several_rows": rules.several_rows}
    settings |= {} if rules.ignore_class is None else {"ignore_class": rules.ignore_class}
    reading = json.dumps(settings)
    competition = Competition(class_names, table, table.iloc[:0], masks, (labels,), reading=reading, ignored=ignored)
    return competition if ignore_masks is None else _with_ignore_masks(competition, ignore_masks), opened


def _with_ignore_masks(competition: Competition, place: str) -> Competition:
    """The competition with ignore masks in files, found and checked as those of `data.ignore_masks`."""
    problems = Problems(tolerated=True)
    root = Path.cwd()
    data = RleCsvData(root=str(root), class_names=competition.class_names, ignore_masks=place)
    found = with_ignore_masks(competition, data, problems)
    nothing = competition.test
    problems += undecided_orientation(nothing, nothing, found.ignore_files, ())
    if problems:
        raise DataError([line.replace("data.ignore_masks", "--ignore-masks") for line in problems])
    report_unused(found, problems.unused, root)
    return found


def _names_in(source: Path) -> set[str]:
    """What the maps of a source are called, without suffix and, where they have one, with the suffix of the image."""
    if not source.is_dir():
        return set()
    names = {path.stem for path in (*source.iterdir(), *source.glob("*/*")) if path.suffix.lower() in MAP_SUFFIXES}
    return {f"{without_image_suffix(name)}{suffix}" for name in names for suffix in ("", *SUFFIXES)} | names


def import_oof(config: Config, source: Path, opened: Source, class_count: int) -> Config:
    """Copy a source into the OOF store. Returns the config of its run, `foreign-<name of the source>`, with its folds.

    Raises DataError when the source is malformed; then nothing is written.
    """
    name = "foreign-" + re.sub(r"[^A-Za-z0-9_-]+", "_", source.resolve().stem)
    folds = sorted(set(opened.fold_of().values()))
    if len(folds) < 2:
        raise DataError([f"{source}: all images are of fold {folds}; an honest score needs at least two folds"])
    run = config.model_copy(
        update={
            "name": name,
            "data": config.data.model_copy(update={"exclude": None}),
            "folds": FoldsConfig().model_copy(update={"count": len(folds)}),  # checked above
        }
    )
    paths = [RunPaths.of(run).oof_parquet(fold) for fold in range(len(folds))]
    files = {"files": folder_fingerprint(opened.files)}
    made_from = [
        Provenance("tune_thresholds --oof", {"folds": folds}, files, code_version("imported oof"), f"fold{fold}", name)
        for fold in range(len(folds))
    ]
    if not any(made.staleness(path) for made, path in zip(made_from, paths, strict=True)):
        print(f"tune_thresholds: {display(paths[0].parent)} holds {source.name} already")
        return run
    for path in paths:
        forget(path)
    with ExitStack() as stack:
        metadata = {"source": source.name, "tta": ""}
        writers = [stack.enter_context(OofWriter(path, class_count, metadata)) for path in paths]
        for image in opened.images():
            if len(image.prob) != class_count:
                found = f"{len(image.prob)} classes, the labels have {class_count}"
                raise DataError([f"{source}: image {image.image_id} has {found}"])
            fold = folds.index(image.fold)
            writers[fold].write(image.image_id, fold, image.prob, image.class_prob)
    for made, path in zip(made_from, paths, strict=True):
        made.write(path)
    return run
