"""The order that the run lengths in a sample submission show."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from maskfold.data.csv_files import read_csv
from maskfold.data.sample_submission import SampleFile
from maskfold.pixels.rle import RleError, absolute_runs, parse_runs
from maskfold.pixels.run_order import edges_by_order

_LOOKED_AT = 200  # rows with run lengths


def sample_order(
    path: Path, sample: SampleFile, sizes: Mapping[str, tuple[int, int]]
) -> Literal["column", "row", "relative"] | None:
    """The order in which the masks of a sample csv are whole, or their starts ascend; mostly None: it shows none.

    sizes: image_id -> (height, width) in px of the masks. Most samples hold no masks, or one run a row, which fits
    every order.
    """
    if not sample.rle_column:
        return None
    rows = read_csv(path).select([sample.rle_column])
    texts = [(text, *sizes[image_id]) for (_, (text,)), image_id in zip(rows, sample.image_of_row, strict=True)]
    masks = [mask for mask in texts if len(mask[0].split()) > 2][:_LOOKED_AT]
    if masks and not any(_is_good(text) for text, _, _ in masks):
        return "relative" if all(_is_good(text, True) for text, _, _ in masks) else None
    return edges_by_order(masks).clearer()


def _is_good(text: str, relative: bool = False) -> bool:
    try:
        return len(parse_runs(absolute_runs(text) if relative else text)) > 0
    except RleError:
        return False
