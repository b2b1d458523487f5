"""The audit's page: what is shown of each table, and which pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from maskfold.audit.data import charts
from maskfold.audit.data.audit import TEST, Audit
from maskfold.audit.data.findings import across, findings, within_train
from maskfold.audit.data.label_facts import class_table, overlap_table
from maskfold.audit.data.pictures import Album, Picture
from maskfold.audit.data.separability import LEAST_IMAGES
from maskfold.audit.data.tables import FILES, problem_rows
from maskfold.audit.data.unusual import KINDS as UNUSUAL
from maskfold.audit.images.duplicates import KINDS, NEAR, SCENE, TILE
from maskfold.drawing.class_colours import hex_colour
from maskfold.drawing.html import page_environment
from maskfold.execution.text import class_words

_TEMPLATE = Path(__file__).with_name("data_audit.html.j2")
_MOST_PROBLEMS = 200
_MOST_CLASSES = 8  # with pictures of their smallest and largest mask
_GROUPS = 4
_EMPTIES = 4


def write_page(audit: Audit, name: str, examples: int, groups_csv: str, fold_word: str, folder: Path) -> None:
    """Write index.html with its pictures into `folder`.

    examples: pictures of a kind; groups_csv: where it will lie; fold_word: what a fold is called (or a part),
    "" where there are none yet.
    """
    classes = class_table(audit.labels, audit.competition.class_names)
    _draw_charts(audit, classes, folder)
    found = audit.separability
    values = {
        "name": name,
        "counts": _counts(audit),
        "findings": findings(audit),
        "problems": problem_rows(audit.problems[:_MOST_PROBLEMS]),
        "modes": _modes(audit.images),
        "unusual": _unusual_counts(audit),
        "classes": classes.to_dict("records"),
        "overlaps": overlap_table(audit.labels).head(50).to_dict("records"),
        "colours": [(name, hex_colour(index)) for index, name in enumerate(audit.competition.class_names)],
        "near": NEAR,
        "scene": SCENE,
        "tile": TILE,
        "fold_word": fold_word,
        "given_groups": "group" in audit.competition.train,
        "groups_csv": groups_csv,
        "named": audit.name_groups,
        "split": found,
        "least_images": LEAST_IMAGES,
        "statistics": [] if found is None else found.statistics.to_dict("records"),
        "files": FILES,
        **_galleries(audit, examples, folder, fold_word),
    }
    page = page_environment(_TEMPLATE.parent).get_template(_TEMPLATE.name).render(values)
    (folder / "index.html").write_text(page, encoding="utf-8")


def _counts(audit: Audit) -> dict[str, int]:
    sizes = audit.groups["GroupId"].value_counts()
    return {
        "train": len(audit.competition.train),
        "test": len(audit.competition.test),
        "labelled": len(audit.labels.labelled),
        "empty": len(audit.labels.empty),
        "problems": len(audit.problems),
        "pairs": len(audit.pairs),
        "exact": int((audit.pairs["kind"] == "exact").sum()),
        "conflicts": len(audit.conflicts.drop_duplicates(["first", "second"])),
        "changed": len(audit.changed.drop_duplicates(["first", "second"])),
        "groups": len(sizes),
        "largest": int(sizes.max()),
    }


def _modes(images: pd.DataFrame) -> list[dict[str, Any]]:
    """One row a split, form, mode and bit depth, most images first."""
    rows = []
    for kind, own in images.groupby(["split", "form", "mode", "channels", "bits"], sort=False):
        row = dict(zip(("split", "form", "mode", "channels", "bits"), kind, strict=True))
        row |= {"images": len(own), "heights": _range(own["height"]), "widths": _range(own["width"])}
        rows.append({**row, "kilobytes": own["file_bytes"].median() / 1000})
    return sorted(rows, key=lambda row: -row["images"])


def _unusual_counts(audit: Audit) -> list[tuple[str, int]]:
    """(kind in words, number of images) of the kinds that there are."""
    counts = audit.unusual["kind"].value_counts()
    return [(words, int(counts[kind])) for kind, words in UNUSUAL.items() if kind in counts]


def _unusual(audit: Audit, album: Album, examples: int) -> list[Picture]:
    """The first images of each kind; the furthest from what is usual come first where the kind has one end."""
    rows = audit.unusual.groupby("kind", sort=False).head(examples).to_dict("records")
    found = []
    for row in rows:
        caption = f"{row['image_id']} ({row['split']}) · {row['value']:.4g}, usual {_usual(row['low'], row['high'])}"
        found += album.images([(row["image_id"], UNUSUAL[row["kind"]], caption)], row["split"] == TEST)
    return found


def _usual(low: float, high: float) -> str:
    if low == low and high == high:
        return f"{low:.4g} to {high:.4g}"
    return f"{low:.4g} or more" if low == low else f"{high:.4g} or less"


def _range(values: pd.Series) -> str:
    low, high = int(values.min()), int(values.max())
    return str(low) if low == high else f"{low} to {high}"


def _draw_charts(audit: Audit, classes: pd.DataFrame, folder: Path) -> None:
    charts.draw_sizes(audit.images, folder / "sizes.png")
    charts.draw_coverage(audit.labels, folder / "coverage.png")
    charts.draw_areas(audit.labels, classes, folder / "areas.png")
    if len(audit.pairs):
        charts.draw_likeness(audit.pairs, SCENE, folder / "likeness.png")
    if audit.separability is not None and len(audit.separability.statistics):
        charts.draw_statistics(audit.images, audit.separability, folder / "statistics.png")


def _galleries(audit: Audit, examples: int, folder: Path, fold_word: str) -> dict[str, list[Picture]]:
    album = Album(audit, folder, fold_word)
    own = within_train(audit.pairs)
    scenes = own[own["kind"] == "scene"].sort_values("likeness", kind="stable")  # the most doubtful first
    return {
        "unusual_images": _unusual(audit, album, examples),
        "extremes": album.images(_extremes(audit)),
        "empties": album.images(
            (image_id, "empty", image_id) for image_id in audit.labels.empty[: min(_EMPTIES, examples)]
        ),
        "overlapping": album.images(_overlapping(audit, examples)),
        "copies": album.pairs(own[own["kind"].isin(("exact", "near"))], examples),
        "tiles": album.pairs(own[own["kind"] == "tile"].sort_values("likeness", kind="stable"), examples),
        "scenes": album.pairs(scenes, examples),
        "crossing": album.pairs(across(audit.pairs), examples),
        "folds": album.pairs(own[own["folds"] != ""], examples),
        "conflicts": _conflicts(audit, album, examples),
        "groups": _groups(audit, album),
    }


def _extremes(audit: Audit) -> Iterator[tuple[str, str, str]]:
    """The smallest and the largest mask of the first classes."""
    for name in audit.competition.class_names[:_MOST_CLASSES]:
        own = audit.labels.areas[audit.labels.areas["class_name"] == name].sort_values("area_px", kind="stable")
        for word, row in zip(
            ("smallest", "largest"), own.iloc[[0, -1]].to_dict("records") if len(own) else (), strict=False
        ):
            yield row["image_id"], f"{row['area_px']} px", f"{word} of {class_words(name)} · {row['image_id']}"


def _overlapping(audit: Audit, examples: int) -> Iterator[tuple[str, str, str]]:
    for row in audit.labels.overlaps.sort_values("pixels", ascending=False).head(examples).to_dict("records"):
        yield (
            row["image_id"],
            f"{row['pixels']} px",
            f"{row['class_name']} over {row['other_class']} · {row['image_id']}",
        )


def _conflicts(audit: Audit, album: Album, examples: int) -> list[Picture]:
    """The pairs whose labels agree least, exact copies first."""
    rows = audit.conflicts.sort_values("agreement", kind="stable").drop_duplicates(["first", "second"])
    rows = pd.concat([rows[rows["kind"] == kind] for kind in KINDS])
    train = audit.images[audit.images["split"] != TEST]
    split = dict(zip(train["image_id"], train["split"], strict=True))
    table = rows.assign(first_split=rows["first"].map(split), second_split=rows["second"].map(split))
    captions = [
        f"{class_words(row['class_name'])} {row['why']}: {row['first_px']} against {row['second_px']} px"
        for row in rows.to_dict("records")
    ]
    return album.pairs(table, examples, captions)


def _groups(audit: Audit, album: Album) -> list[Picture]:
    """The largest groups, for a look at whether they hold together."""
    sizes = audit.groups["GroupId"].value_counts()
    chosen = sizes[sizes > 1].head(_GROUPS).index
    members = {group: audit.groups.loc[audit.groups["GroupId"] == group, "ImageId"].tolist() for group in chosen}
    return [album.group(own, f"{group}: {len(own)} images") for group, own in members.items()]
