"""What the masks of the training images show: areas, objects, borders touched, and classes that overlap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd

from maskfold.data.competition import Competition
from maskfold.errors import DataError
from maskfold.execution.jobs import map_threads
from maskfold.execution.progress import tracked
from maskfold.pixels.rle import RleError

AREA_COLUMNS = (
    "image_id",
    "class_name",
    "area_px",
    "coverage",
    "objects",
    "smallest_object_px",
    "largest_object_px",
    "objects_at_border",
)
NO_LABELS = "no labels that can be read"  # the reader left them out, and said why
_PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
_STRAY = 0.05  # of the fifth percentile


@dataclass(frozen=True)
class LabelFacts:
    """What all masks show.

    areas: one row an image and class that is shown, columns AREA_COLUMNS; an object is a connected component (8
    neighbours) and lies at the border when it has a pixel there. overlaps: image_id, class_name, other_class, pixels
    that both show. labelled: the images whose masks could be read. problems: image_id -> why the others' could not.
    """

    areas: pd.DataFrame
    overlaps: pd.DataFrame
    labelled: tuple[str, ...]
    problems: dict[str, str]

    @property
    def empty(self) -> list[str]:
        """The images whose masks are all blank."""
        shown = set(self.areas["image_id"])
        return [image_id for image_id in self.labelled if image_id not in shown]


def measure_labels(competition: Competition, threads: int) -> LabelFacts:
    """Read the masks of every training image once."""
    image_ids = competition.train["image_id"].tolist()
    found = map_threads(lambda image_id: read_masks(competition, image_id), image_ids, threads)
    areas: list[tuple[object, ...]] = []
    overlaps: list[tuple[object, ...]] = []
    labelled, problems = [], {}
    for image_id, masks in zip(image_ids, tracked(found, len(image_ids), "labels"), strict=True):
        if isinstance(masks, str):
            problems[image_id] = masks
            continue
        labelled.append(image_id)
        shown = np.flatnonzero(masks.any(axis=(1, 2))).tolist()
        names = competition.class_names
        areas += [(image_id, names[index], *_objects(masks[index])) for index in shown]
        overlaps += [
            (image_id, names[one], names[other], pixels)
            for place, one in enumerate(shown)
            for other in shown[place + 1 :]
            if (pixels := int(np.count_nonzero(masks[one] & masks[other])))
        ]
    return LabelFacts(
        pd.DataFrame(areas, columns=list(AREA_COLUMNS)).astype({"image_id": "str", "class_name": "str"}),
        pd.DataFrame(overlaps, columns=["image_id", "class_name", "other_class", "pixels"]),
        tuple(labelled),
        problems,
    )


def read_masks(competition: Competition, image_id: str) -> np.ndarray | str:
    """(C, H, W) uint8 in {0, 1}, or why the labels of the image cannot be read."""
    try:
        return competition.masks(image_id)
    except (DataError, RleError) as error:
        return error.problems[0] if isinstance(error, DataError) else str(error)
    except KeyError:
        return NO_LABELS


def _objects(mask: np.ndarray) -> Iterator[object]:
    """area_px and what follows it in AREA_COLUMNS; mask: (H, W) uint8, not blank."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    sizes = stats[1:, cv2.CC_STAT_AREA]
    area = int(sizes.sum())
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    yield from (area, area / mask.size, count - 1, int(sizes.min()), int(sizes.max()), len(set(edge.tolist()) - {0}))


def class_table(facts: LabelFacts, class_names: Sequence[str]) -> pd.DataFrame:
    """One row a class: how many images show it, percentiles of its area and of its smallest objects, borders touched.

    Columns: class_name, images, share (of the labelled), min_px, p1_px … p99_px, max_px (areas of masks),
    smallest_object_px, strays, natural_min_px, objects, objects_at_border (share). strays: masks with less than a
    twentieth of the area that 95 of 100 exceed; natural_min_px: the area that 99 of 100 masks exceed, strays left out.
    """
    rows = []
    for name in class_names:
        own = facts.areas[facts.areas["class_name"] == name]
        sizes = own["area_px"].to_numpy(dtype=np.float64)
        row: dict[str, object] = {
            "class_name": name,
            "images": len(own),
            "share": len(own) / max(1, len(facts.labelled)),
        }
        cuts = np.percentile(sizes, _PERCENTILES) if len(sizes) else [np.nan] * len(_PERCENTILES)
        row |= {"min_px": sizes.min() if len(sizes) else np.nan}
        row |= {f"p{percent}_px": cut for percent, cut in zip(_PERCENTILES, cuts, strict=True)}
        objects = int(own["objects"].sum())
        strays = sizes < _STRAY * cuts[1]
        row |= {
            "max_px": sizes.max() if len(sizes) else np.nan,
            "smallest_object_px": own["smallest_object_px"].min() if len(own) else np.nan,
            "strays": int(np.count_nonzero(strays)),
            "natural_min_px": int(np.percentile(sizes[~strays], 1)) if len(sizes) else np.nan,
            "objects": objects,
            "objects_at_border": own["objects_at_border"].sum() / objects if objects else np.nan,
        }
        rows.append(row)
    return pd.DataFrame(rows)


def overlap_table(facts: LabelFacts) -> pd.DataFrame:
    """One row a pair of classes that overlap somewhere: class_name, other_class, images, pixels; most images first."""
    if facts.overlaps.empty:
        return pd.DataFrame(columns=["class_name", "other_class", "images", "pixels"])
    grouped = facts.overlaps.groupby(["class_name", "other_class"], sort=False)["pixels"]
    table = grouped.agg(images="size", pixels="sum").reset_index()
    return table.sort_values("images", ascending=False, kind="stable")
