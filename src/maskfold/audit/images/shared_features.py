"""Which pairs of images may share a part: patches that look alike vote for a turn and a shift of the whole image.

Alike patches are found by locality-sensitive hashing (Charikar 2002): vectors on one side of the same random planes
share a key, and only patches that share a key in one of some tables are compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.fft import dctn

from maskfold.audit.images.candidates import NEAREST, Candidate
from maskfold.audit.images.image_facts import ImageFacts
from maskfold.audit.images.tile_alignment import LEAST_OVERLAP
from maskfold.audit.images.turns import FLIPS, TURNS, UPRIGHT, Turn, turned
from maskfold.execution.progress import tracked

EVERY_PAIR = 32  # images; of so few every pair is looked at
_FREQUENCIES = 6
_TABLES = 6
_SPARE_BITS = 4  # of a key, beyond those that number all patches; keeps chance meetings in proportion to the images
_MOST_IN_BUCKET = 200  # patches; what so many share tells no images apart
_ALIKE = 0.8  # product of two vectors of length 1
_CELL = 6.0  # px of the first image's thumbnail: votes for shifts that differ less are for one
_CELLS = 1024  # along a side; more than a shift can be
_LEAST_VOTES, _LEAST_OF_MANY = 2, 3
_MANY = 2000  # images; among so many, two patches often agree by chance
_BLOCK = 1 << 16  # patches


@dataclass(frozen=True)
class _Patches:
    """All patches of all images. image: (n,) whose; place: (n, 2) its centre and size: (n, 2) of its image, px;
    step: (n,) px of the image in one of its thumbnail; values: (n, PATCH, PATCH) int8."""

    image: np.ndarray
    place: np.ndarray
    size: np.ndarray
    step: np.ndarray
    values: np.ndarray


def tile_candidates(facts: Sequence[ImageFacts]) -> list[Candidate]:
    """The pairs that may show parts of one photo; among few images every pair under every turn.

    A pair comes up once a turn, when either is among the NEAREST with which the other shares the most patches.
    """
    if len(facts) <= EVERY_PAIR:
        pairs = combinations(range(len(facts)), 2)
        return [(first, second, turn) for first, second in pairs for turn in range(len(TURNS))]
    patches = _gathered(facts)
    if not len(patches.image):
        return []
    scale = _scale(patches.values)
    vectors = _vectors(patches.values, scale)
    tables = list(_hashed(vectors))
    votes: list[tuple[int, int, int, int]] = []
    turns = TURNS if _may_be_quarter_turned(facts) else FLIPS
    for number, turn in enumerate(tracked(turns, len(turns), "looking for overlaps")):
        other = vectors if turn == UPRIGHT else _vectors(_turned_patches(patches.values, turn), scale)
        first, second = _alike(patches.image, vectors, other, tables)
        votes += [(*pair, number, count) for pair, count in _votes(patches, first, second, turn).items()]
    return _nearest(votes, len(facts))


def _may_be_quarter_turned(facts: Sequence[ImageFacts]) -> bool:
    """Whether two of the images can share enough where one is turned by a quarter; long strips cannot."""
    sizes = {(fact.height, fact.width) for fact in facts}
    return any(
        min(one[0], other[1]) * min(one[1], other[0]) >= LEAST_OVERLAP * min(math.prod(one), math.prod(other))
        for one in sizes
        for other in sizes
    )


def _gathered(facts: Sequence[ImageFacts]) -> _Patches:
    counts = [len(fact.local.places) for fact in facts]
    steps = np.repeat([(fact.height * fact.width / fact.small.size) ** 0.5 for fact in facts], counts)
    places = np.concatenate([fact.local.places for fact in facts]).astype(np.float32)
    return _Patches(
        np.repeat(np.arange(len(facts)), counts),
        ((places + 0.5) * steps[:, None]).astype(np.float32),
        np.repeat(np.array([(fact.height, fact.width) for fact in facts], np.float32), counts, axis=0),
        steps.astype(np.float32),
        np.concatenate([fact.local.patches for fact in facts]),
    )


def _turned_patches(values: np.ndarray, turn: Turn) -> np.ndarray:
    return turned(values.transpose(1, 2, 0), turn).transpose(2, 0, 1)


def _frequencies(values: np.ndarray) -> np.ndarray:
    """(n, _FREQUENCIES² - 1) float32: the low frequencies of each patch but its mean."""
    blocks = [
        dctn(values[start : start + _BLOCK].astype(np.float32), axes=(1, 2), norm="ortho")[
            :, :_FREQUENCIES, :_FREQUENCIES
        ].reshape(-1, _FREQUENCIES**2)[:, 1:]
        for start in range(0, len(values), _BLOCK)
    ]
    return np.concatenate(blocks)


def _scale(values: np.ndarray) -> np.ndarray:
    """(_FREQUENCIES² - 1,) float32: the spread of each frequency, one for both directions, so that turns keep it."""
    spread = np.zeros(_FREQUENCIES**2, np.float32)
    spread[1:] = _frequencies(values).std(axis=0) + 1e-6
    square = spread.reshape(_FREQUENCIES, _FREQUENCIES)
    return ((square + square.T) / 2).ravel()[1:]


def _vectors(values: np.ndarray, scale: np.ndarray) -> np.ndarray:
    vectors = _frequencies(values)
    vectors /= scale
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-6
    return vectors


_Table = tuple[np.ndarray, np.ndarray, np.ndarray]  # planes, the order of the keys, the keys in that order


def _hashed(vectors: np.ndarray) -> Iterator[_Table]:
    bits = math.ceil(math.log2(len(vectors))) + _SPARE_BITS
    rng = np.random.default_rng(0)
    for _ in range(_TABLES):
        planes = rng.standard_normal((vectors.shape[1], bits), dtype=np.float32)
        keys = _keys(vectors, planes)
        order = np.argsort(keys, kind="stable")
        yield planes, order, keys[order]


def _keys(vectors: np.ndarray, planes: np.ndarray) -> np.ndarray:
    """(n,) int64: a bit for each plane."""
    powers = 1 << np.arange(planes.shape[1], dtype=np.int64)
    blocks = range(0, len(vectors), _BLOCK)
    return np.concatenate([(vectors[start : start + _BLOCK] @ planes > 0) @ powers for start in blocks])


def _alike(
    image: np.ndarray, vectors: np.ndarray, other: np.ndarray, tables: Sequence[_Table]
) -> tuple[np.ndarray, np.ndarray]:
    """The patches (of vectors, of other) that share a key and are alike, each pair once, the first image's first."""
    found = []
    for planes, order, keys in tables:
        wanted = _keys(other, planes)
        low = np.searchsorted(keys, wanted, "left")
        count = np.searchsorted(keys, wanted, "right") - low
        count[count > _MOST_IN_BUCKET] = 0
        second = np.repeat(np.arange(len(other)), count)
        own = np.arange(len(second)) - np.repeat(np.cumsum(count) - count, count)
        first = order[np.repeat(low, count) + own]
        ordered = image[first] < image[second]
        first, second = first[ordered], second[ordered]
        for start in range(0, len(first), _BLOCK):
            one, two = first[start : start + _BLOCK], second[start : start + _BLOCK]
            alike = np.einsum("ij,ij->i", vectors[one], other[two]) >= _ALIKE
            found.append(one[alike] * len(other) + two[alike])
    both = np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)
    return both // len(other), both % len(other)


def _votes(patches: _Patches, first: np.ndarray, second: np.ndarray, turn: Turn) -> dict[tuple[int, int], int]:
    """(image, image) -> the most patches that agree on a shift, where there are as many as it takes."""
    images = int(patches.image.max()) + 1
    least = _LEAST_OF_MANY if images >= _MANY else _LEAST_VOTES
    size, place = patches.size[second], patches.place[second]
    if turn.transposed:
        size, place = size[:, ::-1], place[:, ::-1]
    flips = np.array([turn.top_bottom, turn.left_right])
    shift = (patches.place[first] - np.where(flips, size - place, place)) / (_CELL * patches.step[first, None])
    pair = patches.image[first] * images + patches.image[second]
    best: dict[tuple[int, int], int] = {}
    # Four grids, half a cell apart: a shift near the edge of one cell lies well inside another.
    for down, right in ((0.0, 0.0), (0.0, 0.5), (0.5, 0.0), (0.5, 0.5)):
        cell = np.floor(shift + np.array([down, right])).astype(np.int64) % _CELLS
        found, count = np.unique((pair * _CELLS + cell[:, 0]) * _CELLS + cell[:, 1], return_counts=True)
        enough = count >= least
        for key, votes in zip(found[enough].tolist(), count[enough].tolist(), strict=True):
            both = divmod(key // _CELLS**2, images)
            best[both] = max(votes, best.get(both, 0))
    return best


def _nearest(votes: Sequence[tuple[int, int, int, int]], images: int) -> list[Candidate]:
    """(first, second, turn) of (first, second, turn, votes): those among the NEAREST of either image."""
    taken = [0] * images
    kept = []
    for first, second, turn, _ in sorted(votes, key=lambda vote: (-vote[3], vote)):
        if min(taken[first], taken[second]) < NEAREST:
            kept.append((first, second, turn))
            taken[first] += 1
            taken[second] += 1
    return kept
