"""In which order run lengths number the pixels: down the columns or along the rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from maskfold.data.csv_files import CsvTable
from maskfold.data.images.decoding import read_stored
from maskfold.data.images.headers import read_declared
from maskfold.data.images.naming import name_in_folder
from maskfold.data.images.suffixes import without_image_suffix
from maskfold.data.recognition.csv_columns import ImageColumn, Runs, class_behind
from maskfold.errors import DataError
from maskfold.pixels.intensity import to_eight_bits
from maskfold.pixels.rle import RleError, absolute_runs, parse_runs
from maskfold.pixels.run_order import decoded_both_ways, edges_by_order

_DECODED = 60  # masks whose shape shows the pixel order
_BY_IMAGES = 200  # masks whose edges are compared with those of the images
_ERRORS = 4.0  # standard errors by which the edges must fit the images better in one order
_SMOOTHED_PX = 1.5


def pixel_order(table: CsvTable, runs: Sequence[Runs], image: ImageColumn) -> str:
    """`column` or `row`: the order in which the masks have clearly fewer edges, or else in which their edges lie on
    edges of the images; `relative` where starts do not ascend, if the runs then end within their images.

    Read in the wrong order, runs that lie side by side are torn apart, and every one of them has edges of its own. In a
    square image the wrong order only exchanges rows and columns: there the images must tell. Raises DataError where the
    masks differ by the order, but neither tells which is right.
    """
    masks = _masks_to_look_at(table, runs, image, _DECODED)
    if runs[0].relative:
        if all(_ends_within(*mask) for mask in masks):
            return "relative"
        raise DataError(
            [
                f"{table.path}: column {runs[0].column} holds pairs of numbers that are neither starts and lengths in "
                "order nor relative ones that end within their images; are they starts and ends, or do starts count "
                "from 0? Write them as starts, counted from 1, and lengths"
            ]
        )
    edges = edges_by_order((text, *size) for text, _, size in masks)
    clear = edges.clearer()
    if clear is not None or not edges.differ:
        return clear or "column"
    clearer = _errors_of_column(_masks_to_look_at(table, runs, image, _BY_IMAGES))
    if abs(clearer) >= _ERRORS:
        return "column" if clearer > 0 else "row"
    raise DataError(
        [
            f"{table.path}: the masks do not show whether their run lengths go down the columns (as on Kaggle) or "
            f"along the rows ({edges.column} edges against {edges.row}); set data.order: column or row"
        ]
    )


def _ends_within(text: str, _: Path, size: tuple[int, int]) -> bool:
    try:
        parse_runs(absolute_runs(text), size[0] * size[1])
    except RleError:
        return False
    return True


def _errors_of_column(masks: Iterator[tuple[str, Path, tuple[int, int]]]) -> float:
    """By how many standard errors the images change more at the edges of masks in column order than in row order."""
    gains = []
    for text, path, (height, width) in masks:
        both = decoded_both_ways(text, height, width)
        if both is None or np.array_equal(both["column"], both["row"]):
            continue
        grey = to_eight_bits(read_stored(path)).mean(axis=2, dtype=np.float32)
        if grey.shape != (height, width):
            continue
        smooth = cv2.GaussianBlur(grey, (0, 0), _SMOOTHED_PX)
        column, row = (_contrast(smooth, both[order]) for order in ("column", "row"))
        gains.append((column - row) / max(column + row, 1e-6))
    error = np.std(gains) / len(gains) ** 0.5 if len(gains) > 1 else 0.0
    return float(np.mean(gains) / error) if error > 0 else 0.0


def _contrast(grey: np.ndarray, mask: np.ndarray) -> float:
    """The mean change of the image across the edges of a mask."""
    signed, total, count = mask.astype(np.int8), 0.0, 0
    for axis in (0, 1):
        on_edge = np.diff(signed, axis=axis) != 0
        total += float(np.abs(np.diff(grey, axis=axis))[on_edge].sum())
        count += int(on_edge.sum())
    return total / max(1, count)


def _masks_to_look_at(
    table: CsvTable, runs: Sequence[Runs], image: ImageColumn, most: int
) -> Iterator[tuple[str, Path, tuple[int, int]]]:
    """Run lengths with the file and the size of their image, evenly spread over the csv."""
    files = {without_image_suffix(name): image.folder.path / name for name in image.folder.images}
    files |= {name: image.folder.path / name for name in image.folder.images}
    known = set(files)
    for found in runs:
        rows = table.select([image.column, found.column])
        shown = [fields for _, fields in rows if fields[1] and fields[1] != found.token]
        for text, rle in shown[:: max(1, len(shown) // most)]:
            own = name_in_folder(text, image.folder.name)
            if image.classes:
                own = own.removesuffix(f"_{class_behind(own, known)}")
            declared = read_declared(files[own]) if own in files else None
            if declared is not None:
                yield rle, files[own], (declared.height, declared.width)
