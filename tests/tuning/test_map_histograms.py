"""Histograms on disk: what was spilled comes back in the order of the images, and little of it is in memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from maskfold.tuning.tables import map_histograms
from maskfold.tuning.tables.map_histograms import CHUNK_MAPS, HistogramSpill, record
from maskfold.tuning.tables.score_tables import FoldTables
from maskfold.tuning.tables.table_filling import fold_tables
from support.oof_images import GRID, images


def all_maps(histograms, class_index):
    return np.concatenate([np.zeros(0, record(2)), *histograms.chunks(class_index)])


def spilled(folder, maps, seed=0):
    """The histograms of two classes, the second with two maps of every three, and the records that went in."""
    rng = np.random.default_rng(seed)
    spill, records = HistogramSpill(folder, 2), []
    for number in range(maps):
        histograms = rng.integers(0, 9, (2, 256), dtype=np.int32)
        records.append((min(number % 3, 1), number % 33, number, histograms))
        spill.add(*records[-1])
    return spill.finish(), records


@pytest.mark.parametrize("maps", [0, 1, 3 * CHUNK_MAPS, 3 * CHUNK_MAPS + 2])
def test_what_was_spilled_comes_back_in_chunks(tmp_path, maps):
    histograms, records = spilled(tmp_path, maps)
    for class_index in range(2):
        expected = np.array([entry[1:] for entry in records if entry[0] == class_index], dtype=record(2))
        assert np.array_equal(all_maps(histograms, class_index), expected)
        assert all(0 < len(chunk) <= CHUNK_MAPS for chunk in histograms.chunks(class_index))


def test_nothing_is_left_behind(tmp_path):
    histograms, _ = spilled(tmp_path, 5)
    assert len(all_maps(histograms, 0)) == 2
    assert not list(tmp_path.iterdir())


def test_memory_does_not_grow_with_the_maps(tmp_path):
    def peak(maps):
        tracemalloc.start()
        spill = HistogramSpill(tmp_path, 1)
        histograms = np.ones((2, 256), dtype=np.int32)
        for number in range(maps):
            spill.add(0, 0, number, histograms)
        total = sum(int(chunk["true_area"].sum()) for chunk in spill.finish().chunks(0))
        assert total == maps * (maps - 1) // 2
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(1)  # what is imported and cached the first time
    grown = peak(40 * CHUNK_MAPS) - peak(5 * CHUNK_MAPS)
    assert grown < 35 * CHUNK_MAPS * 16  # bytes: what an archive knows of its members; a histogram has 2048


def test_tables_of_shards_hold_the_maps_of_both_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(map_histograms, "CHUNK_MAPS", 3)
    whole = fold_tables([*images(1), *images(2)], "dice", GRID, 8, 2, 1)
    shards = fold_tables(images(1), "dice", GRID, 8, 2, 1)
    shards.add(fold_tables(images(2), "dice", GRID, 8, 2, 1))
    shards.save(tmp_path / "fold0.npz")
    both, second = FoldTables.load(tmp_path / "fold0.npz"), FoldTables.load(tmp_path / "fold0.npz", [1])
    assert len(all_maps(whole.histograms, 1)) > 9
    for class_index in range(2):
        assert np.array_equal(all_maps(both.histograms, class_index), all_maps(whole.histograms, class_index))
    assert np.array_equal(all_maps(second.histograms, 0), all_maps(whole.histograms, 1))


def test_any_number_of_threads_writes_the_same_bytes(tmp_path):
    labelled = images(4, count=30, class_prob=True)
    for threads in (1, 3):
        fold_tables(labelled, "dice", GRID, 8, 2, threads, tmp_path).save(tmp_path / f"{threads}.npz")
    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "3.npz").read_bytes()


def test_a_save_that_fails_leaves_the_old_file(tmp_path):
    path = Path(tmp_path / "fold0.npz")
    path.write_bytes(b"old")
    tables = fold_tables(images(1), "dice", GRID, 8, 2, 1)
    tables.histograms.parts[0][0].file.close()
    with pytest.raises(ValueError, match="closed file"):
        tables.save(path)
    assert path.read_bytes() == b"old" and [file.name for file in tmp_path.iterdir()] == ["fold0.npz"]
