"""One fold's OOF of a blend: the maps of its members, image by image."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from maskfold.artefacts.provenance import Provenance
from maskfold.blending.combining import combine_class_probs, combine_maps
from maskfold.config import Combine
from maskfold.execution.progress import tracked
from maskfold.oof.store import (
    OofReader,
    OofWriter,
    image_count,
    iter_oof,
)

_KEPT_BYTES = 2**28  # of all members' OOF files together


class BlendJob(NamedTuple):
    """One fold's OOF of a blend.

    title: what it is called on the screen; members: the members' OOF files of this fold; weights: one a member; path:
    the blend's OOF file; metadata: what it says about itself.
    """

    fold: int
    title: str
    members: tuple[Path, ...]
    weights: tuple[float, ...]
    combine: Combine
    class_count: int
    path: Path
    metadata: dict[str, str]
    made_from: Provenance


def blend_fold(job: BlendJob) -> Path:
    """Combine one fold's OOF of all members; returns its path. A few images are in memory at a time."""
    first, *others = job.members
    with ExitStack() as stack:
        # In the order of the first member; the others may hold the images in another one.
        readers = [stack.enter_context(OofReader(other, _KEPT_BYTES // len(others))) for other in others]
        writer = stack.enter_context(OofWriter(job.path, job.class_count, job.metadata))
        for image in tracked(iter_oof(first), image_count(first, job.class_count), job.title):
            parts = [image, *(reader.image(image.image_id) for reader in readers)]
            prob = combine_maps([part.prob for part in parts], job.weights, job.combine)
            writer.write(
                image.image_id, job.fold, prob, combine_class_probs([p.class_prob for p in parts], job.weights)
            )
    job.made_from.write(job.path)
    return job.path
