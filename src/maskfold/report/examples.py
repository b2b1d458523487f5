"""The examples of the report: which OOF images it shows, and their pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from maskfold.data.competition import Competition
from maskfold.data.images.photo import photos_of
from maskfold.drawing.jpeg import write_jpeg
from maskfold.drawing.overlays import overlay
from maskfold.oof.store import OofImage, OofReader
from maskfold.rules.applying import apply_rules
from maskfold.rules.rules import AnyRule


@dataclass(frozen=True)
class Example:
    """One picture of a gallery: one image and class with its score; file is relative to the page."""

    image_id: str
    class_name: str
    fold: int
    score: float
    true_area_px: int
    predicted_area_px: int
    file: str


@dataclass(frozen=True)
class Gallery:
    """A titled row of pictures."""

    title: str
    caption: str
    examples: tuple[Example, ...]


def choose_examples(scores: pd.DataFrame, count: int) -> dict[str, pd.DataFrame]:
    """`count` rows of image_scores.csv for each gallery: best, worst and most wrong.

    Best and worst are among the non-empty images. Most wrong weighs the error by the pixels at stake, and includes
    false alarms.
    """
    shown = scores[scores["true_area"] > 0]
    at_stake = (1 - scores["adopted_score"]) * (scores["true_area"] + scores["adopted_area"])
    order = ["image_id", "class_name"]
    return {
        "best": shown.sort_values(["adopted_score", *order], ascending=[False, True, True]).head(count),
        "worst": shown.sort_values(["adopted_score", *order]).head(count),
        "wrong": scores.assign(at_stake=at_stake)[at_stake > 0]
        .sort_values(["at_stake", *order], ascending=[False, True, True])
        .head(count),
    }


_TITLES = {
    "worst": ("Worst", "Non-empty images, lowest score first."),
    "wrong": ("Most wrong", "Most pixels at stake: large misses and false alarms, also on empty images."),
    "best": ("Best", "Non-empty images, highest score first."),
}


def draw_galleries(
    oof_files: Sequence[Path],
    competition: Competition,
    rules: Sequence[AnyRule],
    scores: pd.DataFrame,
    count: int,
    folder: Path,
) -> list[Gallery]:
    """Draw the pictures of all galleries into `folder`/images; file names never come from image ids.

    oof_files: the OOF of each fold; rules: in use, one a class; scores: rows of image_scores.csv; count: pictures a
    gallery.
    """
    chosen = choose_examples(scores, count)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    examples: dict[str, list[Example]] = {key: [] for key in _TITLES}
    # Fold by fold, so that each OOF file is opened once.
    for fold, oof_file in enumerate(oof_files):
        with OofReader(oof_file, kept_bytes=0) as reader:
            for key, rows in chosen.items():
                ranked = rows.assign(rank=range(len(rows)))
                for row in ranked[ranked["fold"] == fold].itertuples():
                    file = f"images/{key}-{row.rank:03d}.jpg"
                    example = Example(
                        str(row.image_id),
                        str(row.class_name),
                        fold,
                        float(row.adopted_score),
                        int(row.true_area),
                        int(row.adopted_area),
                        file,
                    )
                    _draw(competition, rules, reader.image(example.image_id), example.class_name, folder / file)
                    examples[key].append(example)
    return [
        Gallery(title, caption, tuple(sorted(examples[key], key=lambda example: example.file)))
        for key, (title, caption) in _TITLES.items()
    ]


def _draw(competition: Competition, rules: Sequence[AnyRule], oof: OofImage, name: str, path: Path) -> None:
    index = competition.class_names.index(name)
    image = photos_of(competition.train)[oof.image_id].for_display()
    prediction = apply_rules(oof.prob, rules, oof.class_prob, competition.exclusive)[index]
    picture = overlay(image, competition.masks(oof.image_id)[index], prediction, competition.ignored_in(oof.image_id))
    write_jpeg(path, picture)
