"""Everything the audit finds out about a competition, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from maskfold.audit.data.conflicts import compare_labels
from maskfold.audit.data.label_facts import NO_LABELS, LabelFacts, measure_labels
from maskfold.audit.data.name_groups import NameGroups, groups_by_name
from maskfold.audit.data.separability import Separability, separability
from maskfold.audit.data.unusual import unusual_images
from maskfold.audit.images.duplicates import Pair, find_pairs
from maskfold.audit.images.grouping import linked, proposed_groups
from maskfold.audit.images.image_facts import STATISTICS, ImageFacts, measure_image
from maskfold.audit.images.turns import in_words
from maskfold.config import DataConfig
from maskfold.data.competition import Competition
from maskfold.data.images.orientation import undecided_orientation
from maskfold.data.images.photo import photo_list, photos_of
from maskfold.data.opening import open_competition
from maskfold.data.problems import Problems
from maskfold.errors import DataError
from maskfold.execution.jobs import map_threads
from maskfold.execution.progress import tracked

TEST = "test"


@dataclass(frozen=True)
class Audit:
    """What was found.

    competition: of the images that could be read; problems: what the reader and the decoder complained about; images:
    one row an image (training images first): image_id, split (train, valid or test), path, height, width, channels,
    form, mode, bits, file_bytes, turned, entropy, and STATISTICS; unusual: see `unusual_images`; pairs: see
    `_pair_table`; found_pairs: the same as objects;
    groups: ImageId, GroupId; name_groups: what names suggest on top; conflicts, changed: see `compare_labels`;
    separability: None with too few images; undecided: the other stages refuse the orientations of the files.
    """

    competition: Competition
    problems: tuple[str, ...]
    images: pd.DataFrame
    unusual: pd.DataFrame
    labels: LabelFacts
    found_pairs: tuple[Pair, ...]
    pairs: pd.DataFrame
    groups: pd.DataFrame
    name_groups: NameGroups | None
    conflicts: pd.DataFrame
    changed: pd.DataFrame
    separability: Separability | None
    undecided: bool = False


def open_tolerantly(data: DataConfig) -> tuple[Competition, list[str]]:
    """The competition without what has problems, and the problems. Raises DataError when there is no training image."""
    problems = Problems(tolerated=True)
    competition = open_competition(data, problems=problems)
    if competition.train.empty:
        raise DataError(list(problems) or [f"{data.root}: no training image"])
    sample = competition.sample_submission
    files = tuple(path for path in competition.label_files if path.is_file())
    sample = sample if sample is not None and sample.is_file() else None
    return replace(competition, label_files=files, sample_submission=sample), list(problems)


def audit_competition(
    competition: Competition, problems: Sequence[str], folds: pd.Series | None, seed: int, threads: int
) -> Audit:
    """Look at every image and mask once, then at pairs of images.

    problems: those of `open_tolerantly`; folds: image_id -> fold, where there are folds already.
    """
    orientation = undecided_orientation(
        competition.train, competition.readable_test, competition.label_images, competition.sized
    )
    competition, images, facts, undecodable = _measure(competition, threads)
    labels = measure_labels(competition, threads)
    paths = [Path(path) for path in images["path"]]
    pairs = find_pairs(paths, facts, threads)
    sets = linked(len(images), [(pair.first, pair.second) for pair in pairs])
    table = _pair_table(pairs, images, folds)
    in_train = [pair for pair in pairs if max(pair.first, pair.second) < len(competition.train)]
    names = images["image_id"].tolist()
    named = [(names[pair.first], names[pair.second], pair) for pair in in_train]
    is_test = (images["split"] == TEST).to_numpy()
    photos = photos_of(competition.train)
    compared = compare_labels(
        competition, named, len(named), lambda name: cv2.cvtColor(photos[name].for_display(), cv2.COLOR_RGB2GRAY)
    )
    own_sets = sets[: len(competition.train)]
    return Audit(
        competition,
        (*problems, *undecodable, *_unnamed(labels.problems, problems)),
        images,
        unusual_images(images),
        labels,
        tuple(pairs),
        table,
        proposed_groups(competition.train, own_sets),
        groups_by_name(competition.train, own_sets),
        compared.conflicts,
        compared.changed,
        separability(images[list(STATISTICS)], is_test, sets, seed),
        not set(orientation).isdisjoint(problems),
    )


def _unnamed(unreadable: Mapping[str, str], problems: Sequence[str]) -> list[str]:
    """A line for each image whose labels cannot be read, but for those the reader has named already, with their row."""
    named = "\n".join(problems)
    return [
        f"image {image_id}: {reason}"
        for image_id, reason in unreadable.items()
        if reason != NO_LABELS and repr(image_id) not in named and reason.partition(": ")[0] not in named
    ]


def _measure(competition: Competition, threads: int) -> tuple[Competition, pd.DataFrame, list[ImageFacts], list[str]]:
    """The competition without the images that cannot be decoded, a row and the facts of every other, the problems."""
    train = competition.train.assign(split=competition.train.get("split", "train"))
    table = pd.concat([train, competition.test.assign(split=TEST)], ignore_index=True)
    jobs = list(zip(photo_list(table), table["height"].tolist(), table["width"].tolist(), strict=True))
    found = map_threads(lambda job: measure_image(*job), jobs, threads)
    measured = list(tracked(found, len(jobs), "images"))
    problems = [line for fact in measured if isinstance(fact, DataError) for line in fact.problems]
    facts = [fact for fact in measured if isinstance(fact, ImageFacts)]
    whole = np.array([isinstance(fact, ImageFacts) for fact in measured], dtype=bool)
    trains = len(competition.train)
    competition = replace(
        competition,
        train=competition.train[whole[:trains]].reset_index(drop=True),
        test=competition.test[whole[trains:]].reset_index(drop=True),
    )
    kept = ["image_id", "split", "path", "height", "width", "orientation"]
    images = table.loc[whole, table.columns.intersection(kept)].reset_index(drop=True)
    for name in ("channels", "form", "mode", "bits", "file_bytes", "turned", "entropy"):
        images[name] = [getattr(fact, name) for fact in facts]
    values = np.stack([fact.statistics for fact in facts]) if facts else np.zeros((0, len(STATISTICS)))
    extra = [name for name in STATISTICS if name not in images]
    columns = {name: values[:, STATISTICS.index(name)] for name in extra}
    return competition, pd.concat([images, pd.DataFrame(columns)], axis=1), facts, problems


def _pair_table(pairs: Sequence[Pair], images: pd.DataFrame, folds: pd.Series | None) -> pd.DataFrame:
    """One row a pair: first, first_split, second, second_split, kind, likeness, flip, down_px, right_px, folds.

    kind: exact, near (a copy that was saved again or changed a little), tile (overlapping parts of one photo) or scene
    (another shot of the same view). flip: how the second is turned, see `in_words`. folds: "0|2" where the two lie in
    different folds, "" where not, or where there are no folds yet.
    """
    names, splits = images["image_id"].tolist(), images["split"].tolist()
    fold_of = {} if folds is None else folds.to_dict()
    rows = []
    for pair in pairs:
        both = [None if splits[end] == TEST else fold_of.get(names[end]) for end in (pair.first, pair.second)]
        apart = both[0] is not None and both[1] is not None and both[0] != both[1]
        rows.append(
            (
                *(value for end in (pair.first, pair.second) for value in (names[end], splits[end])),
                pair.kind,
                round(pair.fit.likeness, 4),
                in_words(pair.fit.turn),
                round(pair.fit.shift[0]),
                round(pair.fit.shift[1]),
                f"{both[0]}|{both[1]}" if apart else "",
            )
        )
    columns = ["first", "first_split", "second", "second_split", "kind", "likeness", "flip", "down_px", "right_px"]
    return pd.DataFrame(rows, columns=[*columns, "folds"])
