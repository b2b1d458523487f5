"""Shards of rows: every row comes back, a few at a time, and a file is whole or absent."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from maskfold.submission.shards import read_shard, write_shard
from maskfold.submission.writing import SubmissionRow

ROWS = [
    SubmissionRow(f"é,{image}.png", index, "1 3 10 2" * index, image / 7) for image in range(50) for index in range(3)
]


def test_rows_come_back_in_order_from_several_groups(tmp_path):
    path = tmp_path / "shards" / "shard00000.parquet"
    write_shard(path, iter(ROWS))
    assert pq.ParquetFile(path).num_row_groups == 3
    assert list(read_shard(path)) == ROWS


def test_a_shard_may_be_without_rows(tmp_path):
    write_shard(tmp_path / "x.parquet", [])
    assert list(read_shard(tmp_path / "x.parquet")) == []


def test_rows_are_written_as_they_come_and_a_shard_cut_off_leaves_nothing(tmp_path):
    seen = []

    def rows():
        for row in ROWS:
            seen.append(sum(file.stat().st_size for file in tmp_path.iterdir()))
            yield row._replace(runs=" ".join(map(str, np.random.default_rng(len(seen)).integers(1, 10**6, 20_000))))
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write_shard(tmp_path / "x.parquet", rows())
    assert seen[-1] > 5 * 10**6, "the first groups were on disk before the last came"
    assert list(tmp_path.iterdir()) == []
