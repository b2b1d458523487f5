"""The table of objects: how many true ones are found, missed and made up, and the scores of objects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maskfold.pixels.object_scores import ObjectCounts


def object_rows(counts: ObjectCounts, class_names: Sequence[str]) -> list[dict[str, object]]:
    """One row a class: name, true, found, missed, false (objects at IoU 0.5), precision, recall, panoptic_quality,
    mean_precision and f2 (0..1, NaN where there are no objects)."""
    found = counts.found[:, 0]
    with np.errstate(invalid="ignore"):
        precision, recall = found / counts.predicted, found / counts.true
    return [
        {
            "name": name,
            "true": int(counts.true[index]),
            "found": int(found[index]),
            "missed": int(counts.true[index] - found[index]),
            "false": int(counts.predicted[index] - found[index]),
            "precision": float(precision[index]),
            "recall": float(recall[index]),
            "panoptic_quality": float(counts.panoptic_quality[index]),
            "mean_precision": float(counts.mean_precision[index]),
            "f2": float(counts.f2[index]),
        }
        for index, name in enumerate(class_names)
    ]
