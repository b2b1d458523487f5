"""Submissions with a row for each object: masks taken apart into objects, and put together when they are read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maskfold.pixels.objects import numbered_objects, object_runs
from maskfold.pixels.rle import decode, parse_runs, runs_text
from maskfold.submission.form import MaskKey, SubmissionForm


def texts_of(runs: str, key: MaskKey, form: SubmissionForm) -> list[str]:
    """The run lengths of the rows of one image and class: of the mask, or of each of its objects; [] if it is empty."""
    if not runs:
        return []
    if form.config.rows == "mask":
        return [runs]
    order = form.config.pixel_order
    return object_runs(numbered_objects(decode(runs, *form.sizes[key[0]], order), order), order)


def scores_of(scores: Sequence[float], texts: Sequence[str], form: SubmissionForm) -> Sequence[float]:
    """A score for each row; scores: of the mask first, then of its objects, where rows are of objects.

    Raises ValueError if objects and their scores differ in number.
    """
    if form.config.rows != "object":
        return [scores[0]] * len(texts)
    if len(scores) != 1 + len(texts):
        raise ValueError(f"a mask of {len(texts)} objects has {len(scores) - 1} scores of objects")
    return scores[1:]


class ObjectParts:
    """The rows of one image and class so far."""

    def __init__(self) -> None:
        self._runs: list[np.ndarray] = []
        self._rows: list[int] = []

    def add(self, text: str, row: int) -> None:
        """Add the run lengths of row number `row`, which are in range; "": the row is of an empty mask."""
        self._runs.append(parse_runs(text))
        self._rows.append(row)

    def united(self) -> tuple[str, tuple[int, str] | None]:
        """The run lengths of all rows together, and the number of a row that does not fit the others, with the reason.

        An empty mask has no other rows, and no two objects share a pixel.
        """
        if blank := [row for row, runs in zip(self._rows, self._runs, strict=True) if not len(runs)]:
            others = next(row for row in self._rows if row not in blank)
            return "", (blank[0], f"is empty here, but row {others} has an object of it")
        runs, rows = np.concatenate(self._runs), np.repeat(self._rows, [len(runs) for runs in self._runs])
        by_start = np.argsort(runs[:, 0], kind="stable")
        runs, rows = runs[by_start], rows[by_start]
        meeting = np.flatnonzero(runs[1:, 0] < runs[:-1].sum(axis=1))
        if len(meeting):
            first, second = sorted((int(rows[meeting[0]]), int(rows[meeting[0] + 1])))
            return "", (second, f"shares pixels with the object in row {first}")
        return runs_text(runs), None
