"""Submissions as COCO results: a json list of {image_id, category_id, segmentation: {size, counts}, score}.

https://cocodataset.org/#format-results. Empty masks have no entry. An entry is a mask, or with
`submission.rows: object` an object; several entries of one image and category are read as one mask.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from maskfold.artefacts.paths import display
from maskfold.data.formats.coco_segments import draw_segments, segment_problem
from maskfold.pixels.rle import encode, parse_runs
from maskfold.submission.form import MaskKey, ParsedSubmission, SubmissionForm
from maskfold.submission.object_rows import scores_of, texts_of


def write_coco(
    path: Path, runs: Mapping[MaskKey, str], scores: Mapping[MaskKey, tuple[float, ...]], form: SubmissionForm
) -> None:
    """Write one result for every mask that is not empty, or for each of its objects, one a line, in the form's order.

    scores: that of the mask, then of its objects where they are known.
    """
    numbers = all(name.isdecimal() for name in form.sample.names.values())
    separator = ""
    with path.open("w", encoding="utf-8") as file:
        file.write("[")
        for key in form.sample.rows:
            name, texts = form.sample.names[key[0]], texts_of(runs[key], key, form)
            for text, score in zip(texts, scores_of(scores[key], texts, form), strict=True):
                result = {
                    "image_id": int(name) if numbers else name,
                    "category_id": form.sample.category_ids[key[1]],
                    "segmentation": coco_runs(text, *form.sizes[key[0]]),
                    "score": round(score, 6),
                }
                file.write(separator + json.dumps(result))
                separator = ",\n"
        file.write("]\n")


def coco_runs(text: str, height: int, width: int) -> dict[str, Any]:
    """{size: [height, width], counts: compressed text} of column-major run lengths that fit the image."""
    runs = parse_runs(text, height * width)
    edges = np.zeros(2 * len(runs) + 2, dtype=np.int64)
    edges[1:-1:2], edges[2:-1:2], edges[-1] = runs[:, 0] - 1, runs.sum(axis=1) - 1, height * width
    size = [height, width]
    packed = coco_mask.frPyObjects({"size": size, "counts": np.diff(edges).tolist()}, height, width)
    return {"size": size, "counts": packed["counts"].decode("ascii")}


def read_coco(path: Path, form: SubmissionForm) -> ParsedSubmission:
    """Read a results json, and report every problem with the number of its entry, counted from 1."""
    found, shown = ParsedSubmission(), display(path)
    try:
        entries = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        found.problems.append(f"{shown}: not a json file in UTF-8: {error}")
        return found
    if not isinstance(entries, list):
        found.problems.append(f"{shown}: expected a list of results, found {type(entries).__name__}")
        return found
    parts: dict[MaskKey, list[Any]] = {}
    ids, categories = form.ids, form.sample.category_ids or tuple(range(1, len(form.class_names) + 1))
    by_number = {int(name): image_id for name, image_id in ids.items() if name.isdecimal()}
    known: dict[Any, str] = {**by_number, **({} if len(by_number) == len(ids) else ids)}
    for number, entry in enumerate(entries, 1):
        where = f"{shown}, result {number}:"
        key = _key(entry, known, categories)
        problem = key if isinstance(key, str) else _result_problem(entry, *form.sizes[key[0]])
        if problem is not None:
            found.problems.append(f"{where} {problem}")
        else:
            parts.setdefault((key[0], int(key[1])), []).append(entry)
    for key in form.sample.rows:
        mask = draw_segments(parts[key], *form.sizes[key[0]]) if key in parts else None
        found.runs[key] = "" if mask is None else encode(mask, form.config.pixel_order)
    return found


def _key(entry: Any, ids: Mapping[Any, str], categories: tuple[int, ...]) -> tuple[str, int] | str:
    """Image and class of a result, or what is wrong with them."""
    if not isinstance(entry, dict):
        return f"expected an object, found {type(entry).__name__}"
    missing = [name for name in ("image_id", "category_id", "segmentation", "score") if name not in entry]
    if missing:
        return f"has no {', '.join(missing)}"
    image, category = entry["image_id"], entry["category_id"]
    if isinstance(image, bool) or not isinstance(image, int | str) or image not in ids:
        return f"there is no test image with the image_id {image!r}"
    if isinstance(category, bool) or category not in categories:
        return f"unknown category_id {category!r}; there are {', '.join(map(str, categories))}"
    return ids[image], categories.index(category)


def _result_problem(entry: Mapping[str, Any], height: int, width: int) -> str | None:
    score, segment = entry["score"], entry["segmentation"]
    if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
        return f"score is {score!r}, expected a number"
    if not isinstance(segment, dict) or not isinstance(segment.get("counts"), str):
        return "segmentation: expected {size, counts} with the counts as a compressed text, the only form results have"
    return segment_problem(entry, height, width)
