"""The page of the label audit: the piles in numbers, and pictures of the most suspicious labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from maskfold.audit.labels.ranking import FINE, PILES
from maskfold.data.competition import Competition
from maskfold.data.images.photo import photos_of
from maskfold.drawing.html import page_environment
from maskfold.drawing.jpeg import write_jpeg
from maskfold.drawing.overlays import overlay
from maskfold.execution.progress import tracked
from maskfold.oof.store import OofImage, OofReader
from maskfold.rules.applying import apply_rules
from maskfold.rules.rules import AnyRule

_TEMPLATE = Path(__file__).with_name("labels.html.j2")
_KEPT_BYTES = 64 * 2**20  # of OOF in memory while pictures are drawn


def write_page(
    name: str,
    oof_files: Sequence[Path],
    competition: Competition,
    ranked: pd.DataFrame,
    rules: Sequence[AnyRule],
    pictures: int,
    folder: Path,
    part: str = "fold",
) -> None:
    """Write index.html and its pictures into `folder`.

    name: of the run; oof_files: the OOF of each fold; ranked: as `ranking.rank` returns it; pictures: how many of the
    first rows that are not fine are shown; part: what one of the OOF files is called.
    """
    suspects = ranked[ranked["pile"] != FINE]
    shown = suspects.head(pictures).reset_index(drop=True)
    _draw(oof_files, competition, shown, rules, folder / "images")
    template = page_environment(_TEMPLATE.parent).get_template(_TEMPLATE.name)
    page = template.render(
        name=name,
        part=part,
        images=ranked["image_id"].nunique(),
        labels=len(ranked),
        piles={pile: int((ranked["pile"] == pile).sum()) for pile in PILES},
        class_names=competition.class_names,
        reasons=_reasons(suspects, competition.class_names),
        suspects=len(suspects),
        examples=[{**row, "file": _file(number)} for number, row in enumerate(shown.to_dict("records"))],
    )
    (folder / "index.html").write_text(page, encoding="utf-8")


def _reasons(suspects: pd.DataFrame, class_names: Sequence[str]) -> list[dict[str, Any]]:
    """One row a reason, the most frequent first: reason, its labels of each class, and of all."""
    rows = []
    for reason, own in suspects.groupby("reason", sort=True):
        counts = [int((own["class_name"] == name).sum()) for name in class_names]
        rows.append({"reason": reason, "counts": counts, "total": len(own)})
    return sorted(rows, key=lambda row: -int(str(row["total"])))


def _file(number: int) -> str:
    return f"images/{number:05d}.jpg"  # never from an image id


def _draw(
    oof_files: Sequence[Path],
    competition: Competition,
    shown: pd.DataFrame,
    rules: Sequence[AnyRule],
    folder: Path,
) -> None:
    """Draw label and prediction over each photo; an image is read once for all its classes."""
    folder.mkdir()
    photos = photos_of(competition.train)
    total = shown["image_id"].nunique()
    images = tracked(_images(oof_files, shown), total, "pictures")
    for oof, rows in images:
        image_id = oof.image_id
        predicted = apply_rules(oof.prob, rules, oof.class_prob, competition.exclusive)
        truth, ignored = competition.masks(image_id), competition.ignored_in(image_id)
        photo = photos[image_id].for_display()
        for number, class_name in zip(rows.index.tolist(), rows["class_name"].tolist(), strict=True):
            index = competition.class_names.index(class_name)
            write_jpeg(folder.parent / _file(number), overlay(photo, truth[index], predicted[index], ignored))


def _images(oof_files: Sequence[Path], shown: pd.DataFrame) -> Iterator[tuple[OofImage, pd.DataFrame]]:
    """The OOF of each image that is shown, and its rows."""
    for fold, own in shown.groupby("fold"):
        with OofReader(oof_files[int(str(fold))], _KEPT_BYTES) as oof:
            place = {image_id: index for index, image_id in enumerate(oof.image_ids)}
            grouped = {str(image_id): rows for image_id, rows in own.groupby("image_id")}
            for image_id in sorted(grouped, key=place.__getitem__):
                yield oof.image(image_id), grouped[image_id]
