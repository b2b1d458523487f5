"""What rules leave on OOF images, measured on the masks themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from maskfold.execution.jobs import map_threads
from maskfold.mask_metrics.metric import MaskMetric
from maskfold.oof.with_truth import LabelledOof
from maskfold.pixels.geometry import without
from maskfold.pixels.metrics import mask_areas
from maskfold.rules.applying import apply_rule
from maskfold.rules.rules import AnyRule


def measured_rows(
    images: Iterable[LabelledOof], rules: Sequence[Sequence[AnyRule]], metric: MaskMetric, threads: int
) -> Iterator[tuple[str, list[np.ndarray]]]:
    """The image ids and for each class (rules, 5) float64, the rows of its rules (`mask_metrics.rows`), in order.

    rules: for each class the rules to apply; threads: used where the metric may run in several. A few images are in
    memory at a time. Ignored pixels are left out of the masks, though the rules see them.
    """

    def rows(image: LabelledOof) -> tuple[str, list[np.ndarray]]:
        """The id and the rows of one image."""
        return image.oof.image_id, [_class_rows(image, index, of_class, metric) for index, of_class in enumerate(rules)]

    yield from map_threads(rows, images, threads if metric.in_threads else 1)


def _class_rows(image: LabelledOof, index: int, rules: Sequence[AnyRule], metric: MaskMetric) -> np.ndarray:
    """The rows of one class of an image; masks that several rules share are measured once."""
    truth, present = image.truth[index], image.oof.class_prob
    pair_of = metric.of_truth(truth)
    known: dict[bytes, tuple[float, ...]] = {}
    found = []
    for rule in rules:
        mask = apply_rule(image.oof.prob[index], rule, None if present is None else float(present[index]))
        mask = without(mask, image.ignored)
        key = np.packbits(mask).tobytes()
        if key not in known:
            known[key] = (*mask_areas(mask, truth), *pair_of(mask))
        found.append(known[key])
    return np.array(found, dtype=np.float64)
