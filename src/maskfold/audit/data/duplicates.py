"""Exact copies, near copies and further shots of one scene among many images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np

from maskfold.audit.data.alignment import Fit, Small, best_fit
from maskfold.audit.data.candidates import BLOCK, Candidate, candidate_pairs
from maskfold.audit.data.fingerprint import FLIPS, unpacked
from maskfold.audit.data.image_facts import ImageFacts
from maskfold.data.images.decoding import read_stored
from maskfold.execution.jobs import map_threads
from maskfold.execution.progress import tracked

Kind = Literal["exact", "near", "scene"]

# Likeness (see Fit) of copies that were saved again, brightened, cropped a little or resized; and of copies that lost
# detail and of further shots. Between the pairs of magnetic tiles' shots and all others lies a valley at 0.5 to 0.6.
NEAR = 0.9
SCENE = 0.65
_SAME_PIXELS = 0.98  # likeness from which the whole pixels are compared: one image in two formats
_MOST_MEMBERS = 64  # pairs written down between two sets of exact copies
_CHUNK = 32  # pairs a task


@dataclass(frozen=True)
class Pair:
    """Two images, by their place in the list of all; the fit lays the second over the first."""

    first: int
    second: int
    kind: Kind
    fit: Fit


def find_pairs(paths: Sequence[Path], facts: Sequence[ImageFacts], threads: int) -> list[Pair]:
    """All pairs of copies and of shots of one scene, exact ones first.

    Of many exact copies of one image each is paired with the first only. Images without structure have exact copies
    alone. Flips are found, quarter turns are not.
    """
    members = exact_copies(paths, facts)
    pairs = [Pair(own[0], other, "exact", _unmoved(facts[own[0]])) for own in members.values() for other in own[1:]]
    for pair in _near_pairs(list(members), facts, threads):
        alike = pair.fit.likeness >= _SAME_PIXELS and _same_pixels(paths[pair.first], paths[pair.second])
        kind: Kind = "exact" if alike else pair.kind
        sides = members[pair.first], members[pair.second]
        few = len(sides[0]) * len(sides[1]) <= _MOST_MEMBERS
        pairs += [Pair(*both, kind, pair.fit) for both in (product(*sides) if few else [(pair.first, pair.second)])]
    order = {"exact": 0, "near": 1, "scene": 2}
    return sorted(pairs, key=lambda pair: (order[pair.kind], -pair.fit.likeness, pair.first, pair.second))


def exact_copies(paths: Sequence[Path], facts: Sequence[ImageFacts]) -> dict[int, list[int]]:
    """First image -> it and all others of the same pixels; every image is in one list.

    A digest of a large image is that of its reduced pixels, so the whole ones are compared before it is believed.
    """
    of_digest: dict[bytes, list[int]] = {}
    members: dict[int, list[int]] = {}
    for index, fact in enumerate(facts):
        heads = of_digest.setdefault(fact.digest, [])
        head = next((other for other in heads if _same_pixels(paths[other], paths[index])), None)
        if head is None:
            heads.append(index)
            members[index] = [index]
        else:
            members[head].append(index)
    return members


def _unmoved(fact: ImageFacts) -> Fit:
    return Fit(1.0, FLIPS[0], (float(fact.height), float(fact.width)), (0.0, 0.0))


def _same_pixels(first: Path, second: Path) -> bool:
    if first.stat().st_size == second.stat().st_size and first.read_bytes() == second.read_bytes():
        return True
    return bool(np.array_equal(_colours(first), _colours(second)))


def _colours(path: Path) -> np.ndarray:
    """(H, W, K) stored values; a grey image that is stored as RGB has one channel."""
    pixels = read_stored(path)
    grey = pixels.shape[2] == 3 and (pixels[:, :, :1] == pixels).all()
    return pixels[:, :, :1] if grey else pixels


def _near_pairs(heads: Sequence[int], facts: Sequence[ImageFacts], threads: int) -> list[Pair]:
    """The pairs among `heads` that are alike once laid over each other, each with its best fit."""
    if len(heads) < 2:
        return []
    blocks = candidate_pairs(np.stack([facts[head].fingerprint for head in heads]))
    chunks = (
        [(heads[first], heads[second], flip) for first, second, flip in found[start : start + _CHUNK]]
        for found in tracked(blocks, -(-len(heads) // BLOCK), "looking for copies")
        for start in range(0, len(found), _CHUNK)
    )
    best: dict[tuple[int, int], Fit] = {}
    for fits in map_threads(lambda chunk: _fitted(chunk, facts), chunks, threads):
        for first, second, fit in fits:
            if fit.likeness > best.get((first, second), _WORST).likeness:
                best[first, second] = fit
    return [Pair(*both, "near" if fit.likeness >= NEAR else "scene", fit) for both, fit in best.items()]


_WORST = Fit(-1.0, FLIPS[0], (0.0, 0.0), (0.0, 0.0))


def _fitted(chunk: Sequence[Candidate], facts: Sequence[ImageFacts]) -> list[tuple[int, int, Fit]]:
    """The candidates that are alike at the fit found."""
    fits: list[tuple[int, int, Fit]] = []
    for first, second, flip in chunk:
        fit = best_fit(_small(facts[first]), _small(facts[second]), FLIPS[flip])
        if fit.likeness >= SCENE:
            fits.append((first, second, fit))
    return fits


def _small(fact: ImageFacts) -> Small:
    return Small(unpacked(fact.small), (fact.height, fact.width))
