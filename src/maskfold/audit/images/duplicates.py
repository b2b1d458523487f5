"""Exact copies, near copies, further shots of one scene and overlapping tiles of one photo among many images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np

from maskfold.audit.images.alignment import MOST_SHIFT, Fit, Small, best_fit
from maskfold.audit.images.candidates import BLOCK, Candidate, candidate_pairs
from maskfold.audit.images.fingerprint import unpacked
from maskfold.audit.images.image_facts import ImageFacts
from maskfold.audit.images.shared_features import tile_candidates
from maskfold.audit.images.tile_alignment import tile_fit
from maskfold.audit.images.tile_evidence import show_one_photo
from maskfold.audit.images.turns import TURNS, UPRIGHT, Turn
from maskfold.data.images.decoding import read_stored
from maskfold.execution.jobs import map_threads
from maskfold.execution.progress import tracked

Kind = Literal["exact", "near", "scene", "tile"]
KINDS: tuple[Kind, ...] = ("exact", "near", "tile", "scene")

# Likeness (see Fit) of copies that were saved again, brightened, cropped a little or resized; and of copies that lost
# detail and of further shots. Between the pairs of magnetic tiles' shots and all others lies a valley at 0.5 to 0.6.
NEAR = 0.9
SCENE = 0.65
# Of parts of one photo, under any turn and shift: there are so many that chance reaches more than 0.65.
TILE = 0.8
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


def find_pairs(paths: Sequence[Path], facts: Sequence[ImageFacts], threads: int, tiles: bool = True) -> list[Pair]:
    """All pairs of copies, of shots of one scene and, if asked for, of tiles that overlap, in the order of KINDS.

    Of many exact copies of one image each is paired with the first only. Images without structure have exact copies
    alone. Flips are found, quarter turns with the tiles.
    """
    members = exact_copies(paths, facts)
    pairs = [Pair(own[0], other, "exact", _unmoved(facts[own[0]])) for own in members.values() for other in own[1:]]
    for pair in _near_pairs(list(members), facts, threads, tiles):
        alike = pair.fit.likeness >= _SAME_PIXELS and _same_pixels(paths[pair.first], paths[pair.second])
        kind: Kind = "exact" if alike else pair.kind
        sides = members[pair.first], members[pair.second]
        few = len(sides[0]) * len(sides[1]) <= _MOST_MEMBERS
        pairs += [Pair(*both, kind, pair.fit) for both in (product(*sides) if few else [(pair.first, pair.second)])]
    return sorted(pairs, key=lambda pair: (KINDS.index(pair.kind), -pair.fit.likeness, pair.first, pair.second))


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
    return Fit(1.0, UPRIGHT, (float(fact.height), float(fact.width)), (0.0, 0.0))


def _same_pixels(first: Path, second: Path) -> bool:
    if first.stat().st_size == second.stat().st_size and first.read_bytes() == second.read_bytes():
        return True
    return bool(np.array_equal(_colours(first), _colours(second)))


def _colours(path: Path) -> np.ndarray:
    """(H, W, K) stored values; a grey image that is stored as RGB has one channel."""
    pixels = read_stored(path)
    grey = pixels.shape[2] == 3 and (pixels[:, :, :1] == pixels).all()
    return pixels[:, :, :1] if grey else pixels


def _near_pairs(heads: Sequence[int], facts: Sequence[ImageFacts], threads: int, tiles: bool) -> list[Pair]:
    """The pairs among `heads` that are alike once laid over each other, each with its best fit."""
    if len(heads) < 2:
        return []
    own = [facts[head] for head in heads]
    best: dict[tuple[int, int], Fit] = {}
    for fits in map_threads(lambda job: _fitted(*job, own), _jobs(own, tiles), threads):
        for first, second, fit in fits:
            both = heads[first], heads[second]
            if both not in best or fit.likeness > best[both].likeness:
                best[both] = fit
    return [Pair(*both, _kind(fit, facts[both[0]]), fit) for both, fit in best.items()]


_Fitting = Callable[[ImageFacts, ImageFacts, Turn], Fit | None]


def _jobs(facts: Sequence[ImageFacts], tiles: bool) -> Iterator[tuple[_Fitting, list[Candidate]]]:
    """How to lay images over each other, and some candidates for it."""
    blocks = candidate_pairs(np.stack([fact.fingerprint for fact in facts]))
    for found in tracked(blocks, -(-len(facts) // BLOCK), "looking for copies"):
        for start in range(0, len(found), _CHUNK):
            yield _as_copy, found[start : start + _CHUNK]
    parts = tile_candidates(facts) if tiles else []
    for start in tracked(range(0, len(parts), _CHUNK), -(-len(parts) // _CHUNK), "comparing parts"):
        yield _as_tile, parts[start : start + _CHUNK]


def _fitted(
    fitting: _Fitting, candidates: Sequence[Candidate], facts: Sequence[ImageFacts]
) -> list[tuple[int, int, Fit]]:
    """The candidates that are alike at the fit found."""
    fits = ((first, second, fitting(facts[first], facts[second], TURNS[turn])) for first, second, turn in candidates)
    return [(first, second, fit) for first, second, fit in fits if fit is not None]


def _as_copy(first: ImageFacts, second: ImageFacts, turn: Turn) -> Fit | None:
    """How the second lies over the first, if it is a copy or a further shot."""
    fit = best_fit(_small(first), _small(second), turn)
    return fit if fit.likeness >= SCENE else None


def _as_tile(first: ImageFacts, second: ImageFacts, turn: Turn) -> Fit | None:
    """How the second lies over the first, if both are parts of one photo."""
    fit = tile_fit(_small(first), _small(second), turn)
    alike = fit.likeness >= TILE and show_one_photo(first.thumb, second.thumb, (first.height, first.width), fit)
    return fit if alike else None


def _small(fact: ImageFacts) -> Small:
    return Small(unpacked(fact.small), (fact.height, fact.width))


def _kind(fit: Fit, first: ImageFacts) -> Kind:
    """tile: each shows what the other does not, a strip of more than MOST_SHIFT of a side at least."""
    for own, frame, moved in zip((first.height, first.width), fit.frame, fit.shift, strict=True):
        reach = MOST_SHIFT * min(own, frame)
        if not min(0.0, own - frame) - reach <= moved <= max(0.0, own - frame) + reach:
            return "tile"
    return "near" if fit.likeness >= NEAR else "scene"
