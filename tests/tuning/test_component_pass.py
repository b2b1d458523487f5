"""The component pass: hand-counted tables, and equality with brute force to the last bit."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from maskfold.pixels.metrics import (
    DICE,
    INTERSECTION,
    IOU,
    PREDICTED_AREA,
    TGS_PRECISION,
    plane_sum,
)
from maskfold.tuning.tables.component_pass import (
    RING,
    ComponentAreas,
    ComponentPass,
    link_tables,
)
from maskfold.tuning.tables.score_tables import area_grid
from support.brute_force import KINDS, brute_areas, random_map

PLANES = (DICE, IOU, TGS_PRECISION, INTERSECTION, PREDICTED_AREA)
LARGEST = 60 * 70
GRID = area_grid(LARGEST, 40, 1.3)
PASSES = {connectivity: ComponentPass(GRID, connectivity, PLANES) for connectivity in (4, 8)}


def tables(maps, connectivity=8):
    """(planes, 256, bins) of the maps, from the pass."""
    differences = np.zeros((len(PLANES), 256, len(GRID)), np.int64)
    blank = np.zeros(len(PLANES), np.int64)
    for prob, truth in maps:
        PASSES[connectivity].add(prob, truth, differences)
        blank += [plane_sum(plane, 0, 0, int(truth.sum())) for plane in PLANES]
    return differences[:, ::-1, ::-1].cumsum(axis=1).cumsum(axis=2)[:, ::-1, ::-1] + blank[:, None, None]


def brute_values(maps, threshold, min_area_px, connectivity=8):
    """(planes,) sums at one setting, one map at a time."""
    sums = np.zeros(len(PLANES), np.int64)
    for prob, truth in maps:
        areas = brute_areas(prob, truth, threshold, min_area_px, connectivity)
        sums += [plane_sum(plane, *areas) for plane in PLANES]
    return sums


def test_hand_counted_map():
    prob = np.array([[9, 0, 5, 5], [0, 9, 0, 0], [0, 0, 0, 7]], np.uint8)
    truth = np.array([[1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]], np.uint8)
    area = tables([(prob, truth)])[PLANES.index(PREDICTED_AREA)]
    overlap = tables([(prob, truth)])[PLANES.index(INTERSECTION)]
    assert list(GRID[:4]) == [0, 2, 3, 4]
    assert area[5, :4].tolist() == [5, 4, 4, 4]  # the diagonal pair and the two fives are one component of four
    assert area[6, :4].tolist() == [3, 2, 0, 0]
    assert overlap[5, :4].tolist() == [3, 3, 3, 3]
    assert tables([(prob, truth)], connectivity=4)[PLANES.index(PREDICTED_AREA), 5, :4].tolist() == [5, 2, 0, 0]


@pytest.mark.parametrize("connectivity", [4, 8])
def test_every_setting_equals_brute_force_on_a_small_map(connectivity):
    rng = np.random.default_rng(0)
    prob = random_map("noise", rng, 7, 9)
    truth = (random_map("blobs", rng, 7, 9) > 60).astype(np.uint8)
    table = tables([(prob, truth)], connectivity)
    for threshold in range(1, 256):
        for column, min_area_px in enumerate(GRID[:64]):
            expected = brute_values([(prob, truth)], threshold, min_area_px, connectivity)
            assert table[:, threshold, column].tolist() == expected.tolist()


@pytest.mark.parametrize("connectivity", [4, 8])
def test_mixed_maps_equal_brute_force_at_random_settings(connectivity):
    rng = np.random.default_rng(connectivity)
    maps = []
    for kind in KINDS * 2:
        height, width = rng.integers(1, 60), rng.integers(1, 70)
        truth = (random_map("blobs", rng, height, width) > rng.choice([60, 250])).astype(np.uint8)
        maps.append((random_map(kind, rng, height, width), truth))
    table = tables(maps, connectivity)
    for _ in range(60):
        threshold, column = int(rng.integers(1, 256)), int(rng.integers(len(GRID)))
        expected = brute_values(maps, threshold, GRID[column], connectivity)
        assert table[:, threshold, column].tolist() == expected.tolist()


@settings(max_examples=150, deadline=None)
@given(
    data=st.data(),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    connectivity=st.sampled_from([4, 8]),
    threshold=st.integers(1, 255),
    column=st.integers(0, 45),
)
def test_any_map_equals_brute_force(data, shape, connectivity, threshold, column):
    levels = st.sampled_from([0, 1, threshold - 1, threshold, 254, 255])
    prob = data.draw(hnp.arrays(np.uint8, shape, elements=levels))
    truth = data.draw(hnp.arrays(np.uint8, shape, elements=st.integers(0, 1)))
    found = tables([(prob, truth)], connectivity)[:, threshold, column]
    assert found.tolist() == brute_values([(prob, truth)], threshold, GRID[column], connectivity).tolist()


@pytest.mark.parametrize("connectivity", [4, 8])
def test_link_tables_hold_one_member_of_every_group(connectivity):
    lead, count, links = link_tables(connectivity)
    for pattern in range(256):
        ring = np.zeros((3, 3), np.uint8)
        for index, (row, column) in enumerate(RING):
            ring[row + 1, column + 1] = pattern >> index & 1
        _, labels = cv2.connectedComponents(ring, connectivity=connectivity)
        touching = [step for step in RING if connectivity == 8 or 0 in step]
        groups = {labels[row + 1, column + 1] for row, column in touching} - {0}
        members = [*links[pattern, : count[pattern]], *([lead[pattern]] if lead[pattern] < 8 else [])]
        found = [labels[RING[member][0] + 1, RING[member][1] + 1] for member in members]
        assert sorted(found) == sorted(groups)


def test_map_larger_than_the_grid_is_refused():
    prob = np.ones((61, 70), np.uint8)
    with pytest.raises(ValueError, match="more pixels than the area grid reaches"):
        PASSES[8].add(prob, prob, np.zeros((len(PLANES), 256, len(GRID)), np.int64))


def test_areas_of_several_settings_from_one_pass():
    rng = np.random.default_rng(7)
    settings_ = [(128, 0), (40, 3), (41, 3), (200, 5000), (1, 1)]
    for connectivity in (4, 8):
        component_areas = ComponentAreas(settings_, connectivity, LARGEST)
        for kind in KINDS:
            prob = random_map(kind, rng, int(rng.integers(1, 60)), int(rng.integers(1, 70)))
            truth = (random_map("blobs", rng, *prob.shape) > 60).astype(np.uint8)
            expected = [brute_areas(prob, truth, *setting, connectivity)[:2] for setting in settings_]
            assert component_areas.areas(prob, truth) == expected
