"""Neighbours that are missing: refused, or repeated from the nearest image and counted."""

from __future__ import annotations

import pandas as pd

from maskfold.config import NeighboursConfig
from maskfold.data.images.stacks import Volume, volumes_of
from maskfold.errors import DataError

_SHOWN = 5


def missing_neighbours(images: pd.DataFrame, neighbours: NeighboursConfig, what: str) -> str | None:
    """How many neighbours of the images of a table are missing, in one line; None where none is.

    what: the images in words, such as `training images`. Raises DataError where neighbours beyond the ends of a volume
    are missing but must not be, and where no image has a neighbour that is there.
    """
    rows = list(zip(images["volume"], images["volume_index"].tolist(), strict=True))
    counts = [volume.missing(index, neighbours) for volume, index in rows]
    beyond, between = (sum(numbers) for numbers in zip(*counts, strict=True)) if counts else (0, 0)
    wanted = len(rows) * (neighbours.images - 1)
    if wanted and beyond + between == wanted:
        raise DataError([_no_neighbour(volumes_of(images), neighbours, what)])
    if beyond and neighbours.at_ends == "refuse":
        names = [image_id for image_id, count in zip(images["image_id"], counts, strict=True) if count[0]]
        shown = ", ".join(map(repr, names[:_SHOWN])) + (" …" if len(names) > _SHOWN else "")
        raise DataError(
            [
                f"model.neighbours: {len(names)} {what} have neighbours beyond the first or last image of their volume "
                f"({shown}); add those images, or set model.neighbours.at_ends: repeat"
            ]
        )
    if not beyond + between:
        return None
    return (
        f"neighbours of {len(rows)} {what}: {between} of {wanted} are missing inside their volumes and {beyond} lie "
        "beyond the ends; the nearest image stands for each"
    )


def _no_neighbour(volumes: list[Volume], neighbours: NeighboursConfig, what: str) -> str:
    """That nothing would be gained, and the step that would find neighbours."""
    gaps = {
        after - before for volume in volumes for before, after in zip(volume.photos, [*volume.photos][1:], strict=False)
    }
    hint = f"set model.neighbours.step to it: {min(gaps)}" if gaps else "each volume has one image: see data.volumes"
    near = f"indices lie at least {min(gaps)} apart; " if gaps else ""
    return f"model.neighbours: not one of the {what} has a neighbour {neighbours.step} before or after it; {near}{hint}"
