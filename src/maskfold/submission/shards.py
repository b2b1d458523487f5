"""Masks of some of the test images in a Parquet file: written and read a few images at a time, whole or absent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from maskfold.artefacts.files import whole_file
from maskfold.submission.writing import SubmissionRow

_SCHEMA = pa.schema(
    [
        *(("image_id", pa.string()), ("class_index", pa.int32()), ("runs", pa.string()), ("score", pa.float64())),
        ("object_scores", pa.list_(pa.float64())),
    ]
)
_GROUP_ROWS = 64  # run lengths of a large, noisy mask take half a megabyte


def write_shard(path: Path, rows: Iterable[SubmissionRow]) -> None:
    """Write rows as they come; the file gets its name when all are in it."""
    rest = iter(rows)
    with whole_file(path) as temporary, pq.ParquetWriter(temporary, _SCHEMA, compression="zstd") as writer:
        while group := list(islice(rest, _GROUP_ROWS)):
            columns = dict(zip(SubmissionRow._fields, zip(*group, strict=True), strict=True))
            writer.write_table(pa.table(columns, schema=_SCHEMA))


def read_shard(path: Path) -> Iterator[SubmissionRow]:
    """The rows of a shard, in order."""
    with pq.ParquetFile(path) as file:
        # Group by group: asked for all, pyarrow holds several at once.
        for number in range(file.num_row_groups):
            for row in file.read_row_group(number).to_pylist():
                yield SubmissionRow(**{**row, "object_scores": tuple(row["object_scores"])})
