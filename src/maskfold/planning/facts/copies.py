"""Copies and further shots of one scene among the images, if they can be found quickly: groups for the folds."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from maskfold.audit.images.candidates import candidate_pairs
from maskfold.audit.images.duplicates import exact_copies, find_pairs
from maskfold.audit.images.grouping import linked, proposed_groups
from maskfold.audit.images.image_facts import ImageFacts, measure_image
from maskfold.data.competition import Competition
from maskfold.data.images.photo import photo_list
from maskfold.execution.jobs import map_threads
from maskfold.execution.progress import tracked
from maskfold.planning.constants import COPY_PAIR_SECONDS, LARGEST_GROUP, TILE_IMAGE_SECONDS

_TRIED = 16  # images whose time tells that of all


@dataclass(frozen=True)
class Copies:
    """What was found. groups: ImageId, GroupId of every training image, None if no two belong together or too many do;
    leaks: test images that copy a training image or show its scene; words: what was done and found."""

    groups: pd.DataFrame | None
    leaks: int
    words: str


def find_copies(competition: Competition, seconds: float, threads: int) -> Copies:
    """Look for copies among training and test images for about so many seconds at most.

    Where all pairs would take longer, only exact copies are looked for; where images alone would, none.
    """
    train, end = len(competition.train), time.monotonic() + seconds
    table = pd.concat([competition.train, competition.readable_test], ignore_index=True)
    jobs = list(zip(photo_list(table), table["height"].tolist(), table["width"].tolist(), strict=True))
    start = time.monotonic()
    facts = [measure_image(*job) for job in jobs[:_TRIED]]
    needed = (time.monotonic() - start) / max(1, len(facts)) * len(jobs) / threads
    if needed > seconds:
        words = f"copies among the images were not looked for, which would take {needed:.0f} s (src/audit_data.py does)"
        return Copies(None, 0, words)
    rest = map_threads(lambda job: measure_image(*job), jobs[_TRIED:], threads)
    facts += tracked(rest, len(jobs) - len(facts), "copies")
    known = [fact for fact in facts if isinstance(fact, ImageFacts)]
    if len(known) < len(jobs):
        return Copies(None, 0, "copies were not looked for, as some images cannot be decoded")
    pairs, kind = _pairs([photo.path for photo, _, _ in jobs], known, end - time.monotonic(), threads)
    return _found(competition, pairs, train, len(jobs), kind)


def _pairs(
    paths: list[Path], facts: list[ImageFacts], seconds: float, threads: int
) -> tuple[list[tuple[int, int]], str]:
    """The pairs of copies, and which kind was looked for."""
    candidates = sum(len(block) for block in candidate_pairs(np.stack([fact.fingerprint for fact in facts])))
    needed = candidates * COPY_PAIR_SECONDS / threads
    if needed > seconds:
        members = exact_copies(paths, facts).values()
        return [(own[0], other) for own in members for other in own[1:]], "exact copies"
    tiles = needed + len(facts) * TILE_IMAGE_SECONDS <= seconds
    kind = "copies, overlapping parts and shots of one scene" if tiles else "copies and shots of one scene"
    return [(pair.first, pair.second) for pair in find_pairs(paths, facts, threads, tiles)], kind


def _found(competition: Competition, pairs: list[tuple[int, int]], train: int, images: int, kind: str) -> Copies:
    sets = linked(images, pairs)
    own = sets[:train]
    leaks = int(np.isin(sets[train:], own).sum())
    also = f"; {leaks} of the test images look like training images" if leaks else ""
    sizes = np.unique(own, return_counts=True)[1]
    if sizes.max(initial=1) == 1:
        return Copies(None, leaks, f"{kind} among the training images: none{also}")
    words = f"{kind}: {int(sizes[sizes > 1].sum())} training images in {int((sizes > 1).sum())} groups"
    if sizes.max() > LARGEST_GROUP * train:
        return Copies(None, leaks, f"{words}, one of {sizes.max()}, which is too many to keep in one fold{also}")
    return Copies(proposed_groups(competition.train, own), leaks, words + also)
