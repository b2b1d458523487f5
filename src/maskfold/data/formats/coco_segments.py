"""The segmentation of one COCO annotation: checked in words, and turned into a mask by pycocotools."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask


def segment_problem(annotation: Mapping[str, Any], height: int, width: int) -> str | None:
    """What is wrong with the segmentation of an annotation of an image of height x width px; None when it is good.

    Everything that reaches pycocotools has passed here: it does not check its input, and writes where it should not.
    """
    segment = annotation.get("segmentation")
    if isinstance(segment, dict):
        return _runs_problem(segment, height, width)
    if not isinstance(segment, list) or not segment:
        found = "only a box" if annotation.get("bbox") else "no pixels"
        return f"has no segmentation, {found}; export the masks, or remove the annotation"
    for number, polygon in enumerate(segment, 1):
        problem = _polygon_problem(polygon, height, width)
        if problem is not None:
            return f"polygon {number} of {len(segment)} {problem}"
    return None


def draw_segments(annotations: Sequence[Mapping[str, Any]], height: int, width: int) -> np.ndarray:
    """(height, width) uint8 in {0, 1}: the union of what the annotations show; all must have passed segment_problem."""
    runs: list[Any] = []
    for annotation in annotations:
        segment = annotation["segmentation"]
        if isinstance(segment, list):
            runs += coco_mask.frPyObjects(segment, height, width)
        elif isinstance(segment["counts"], str):
            runs.append({"size": segment["size"], "counts": segment["counts"].encode()})
        else:
            runs.append(coco_mask.frPyObjects(segment, height, width))
    return np.ascontiguousarray(coco_mask.decode(coco_mask.merge(runs)))


def _polygon_problem(polygon: Any, height: int, width: int) -> str | None:
    # Plain Python: on the few numbers of most polygons it takes a third of numpy's time.
    if not isinstance(polygon, list):
        return "is no list of numbers"
    if len(polygon) < 6 or len(polygon) % 2:
        return f"has {len(polygon)} numbers, but x and y of at least three corners are needed"
    try:
        finite = math.isfinite(sum(polygon))
    except TypeError:
        return "is no list of numbers"
    except OverflowError:  # a whole number beyond all floats
        finite = False
    if not finite:
        return "has a number that is not finite"
    left, right, top, bottom = min(polygon[::2]), max(polygon[::2]), min(polygon[1::2]), max(polygon[1::2])
    if left < -width or top < -height or right > 2 * width or bottom > 2 * height:
        return (
            f"reaches from x {left:g}, y {top:g} to x {right:g}, y {bottom:g}, far out of its image of "
            f"{width}x{height} px (width x height); was the image resized after it was labelled?"
        )
    if max(right, bottom) <= 1 and min(height, width) > 2:
        return "is within the first pixel; if the numbers are shares of the image, multiply them by width and height"
    return None


def _runs_problem(segment: Mapping[str, Any], height: int, width: int) -> str | None:
    size, counts = segment.get("size"), segment.get("counts")
    if size != [height, width]:
        return f"has run lengths of size {size}, but its image is {[height, width]} (height, width)"
    if isinstance(counts, str):
        try:
            lengths = _decoded_counts(counts)
        except ValueError as error:
            return f"has broken run lengths: {error}"
    elif isinstance(counts, list) and all(type(count) is int for count in counts):
        lengths = np.array(counts, dtype=object)
    else:
        return "has run lengths whose counts are neither a text nor a list of whole numbers"
    if len(lengths) and min(lengths) < 0:
        return "has a run length below zero"
    total = int(sum(lengths.tolist()))
    if total != height * width:
        return f"has run lengths of {total} pixels together, but its image has {height * width}"
    return None


def _decoded_counts(text: str) -> np.ndarray:
    """(runs,) int64: the run lengths of COCO's compressed text.

    Five bits a character above 48, the lowest first, 32 for one more; signed; from the fourth on each is the difference
    to the one two before (pycocotools, rleFrString). Raises ValueError.
    """
    try:
        codes = np.frombuffer(text.encode("ascii"), dtype=np.uint8).astype(np.int64) - 48
    except UnicodeEncodeError:
        raise ValueError("a character that is not ASCII") from None
    if not len(codes):
        return codes
    if codes.min() < 0 or codes.max() > 63:
        raise ValueError(f"the character {text[int(np.argmax((codes < 0) | (codes > 63)))]!r}")
    more = codes & 32 != 0
    if more[-1]:
        raise ValueError("the text ends within a number")
    starts = np.r_[0, np.flatnonzero(~more)[:-1] + 1]
    lengths = np.diff(np.r_[starts, len(codes)])
    if lengths.max() > 7:  # 35 bits: more than any image has pixels
        raise ValueError("a number out of any image's range")
    place = np.arange(len(codes)) - np.repeat(starts, lengths)
    values = np.add.reduceat((codes & 31) << (5 * place), starts)
    negative = codes[starts + lengths - 1] & 16 != 0
    values[negative] -= 1 << (5 * lengths[negative])
    for first in (1, 2):  # the second and the third start the two chains of differences
        values[first::2] = np.cumsum(values[first::2])
    return values
