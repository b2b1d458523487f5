"""Proposes which training images must stay in one fold."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def linked(count: int, pairs: Iterable[tuple[int, int]]) -> np.ndarray:
    """(count,) int: the number of the set each of `count` images belongs to, where every pair is in one set."""
    ends = np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
    links = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    return np.asarray(connected_components(links, directed=False)[1])


def proposed_groups(train: pd.DataFrame, sets: np.ndarray) -> pd.DataFrame:
    """ImageId, GroupId of every training image, as data.groups_csv wants it.

    train: with image_id and, where groups are given, group; sets: (images,) as `linked` numbers them. Images of one set
    or of one given group share a group. Numbers follow the order of the images.
    """
    links = [(index, len(train) + int(number)) for index, number in enumerate(sets)]
    nodes = len(train) + int(sets.max(initial=-1)) + 1
    if "group" in train:
        own = pd.factorize(train["group"])[0]
        links += [(index, nodes + int(number)) for index, number in enumerate(own)]
        nodes += int(own.max(initial=-1)) + 1
    numbers = pd.factorize(linked(nodes, links)[: len(train)])[0]
    return pd.DataFrame({"ImageId": train["image_id"].to_numpy(), "GroupId": [f"g{n + 1}" for n in numbers]})
