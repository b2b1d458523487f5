"""Which pairs of images are worth a closer look: the nearest fingerprints, found in blocks of a matrix product."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from maskfold.audit.images.fingerprint import flip_signs
from maskfold.audit.images.turns import FLIPS

NEAREST = 10  # of each image and flip
LEAST_PRODUCT = 0.6  # of two fingerprints; few pairs that turn out to fit lie below
BLOCK = 128  # images; memory is BLOCK x images x 4 bytes, and progress is told after each

Candidate = tuple[int, int, int]  # first < second, index into TURNS, of which FLIPS are the first


def candidate_pairs(fingerprints: np.ndarray) -> Iterator[list[Candidate]]:
    """The pairs to look at, for block after block of BLOCK images.

    fingerprints: (n, FINGERPRINT) float32. A pair comes up once a flip, when either is among the other's nearest.
    """
    turned = [np.ascontiguousarray((fingerprints * flip_signs(flip)).T) for flip in FLIPS]
    seen: set[Candidate] = set()
    for start in range(0, len(fingerprints), BLOCK):
        block = fingerprints[start : start + BLOCK]
        found: list[Candidate] = []
        for flip, others in enumerate(turned):
            products = block @ others
            products[np.arange(len(block)), np.arange(start, start + len(block))] = -1  # an image with itself
            for row, column in _nearest(products):
                pair = (min(start + row, column), max(start + row, column), flip)
                if pair not in seen:
                    seen.add(pair)
                    found.append(pair)
        yield found


def _nearest(products: np.ndarray) -> list[tuple[int, int]]:
    """(row, column) of the NEAREST highest products of each row that reach LEAST_PRODUCT."""
    rows, columns = np.nonzero(products >= LEAST_PRODUCT)
    order = np.lexsort((columns, -products[rows, columns], rows))
    rows, columns = rows[order], columns[order]
    first = np.searchsorted(rows, rows)  # where each row's own begin
    near = np.arange(len(rows)) - first < NEAREST
    return list(zip(rows[near].tolist(), columns[near].tolist(), strict=True))
