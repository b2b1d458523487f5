"""The OOF store: 8-bit probabilities of every training image by a model that has not seen it.

One Parquet file a fold, one row per (image, class), the classes of an image next to each other and in order; see
docs/reference/formats.md. Read and written in batches, so memory does not grow with the number of images.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from maskfold.artefacts.files import whole_file
from maskfold.errors import DataError

SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("class_id", pa.int32(), nullable=False),
        pa.field("fold", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("prob", pa.binary(), nullable=False),
        pa.field("class_prob", pa.float32()),
    ]
)
_ROW_GROUP_BYTES = 32 * 2**20
_BATCH_ROWS = 32


@dataclass(frozen=True)
class OofImage:
    """One image's OOF probabilities.

    prob: (C, H, W) uint8, q stands for q/255; class_prob: (C,) float32 in 0..1, or None without a classification head.
    """

    image_id: str
    fold: int
    prob: np.ndarray
    class_prob: np.ndarray | None


class OofWriter(AbstractContextManager["OofWriter"]):
    """Writes one OOF file under a temporary name and renames it when the block ends well."""

    def __init__(self, path: Path, class_count: int, metadata: Mapping[str, str] | None = None) -> None:
        """metadata: what the file was predicted with, kept in its Parquet schema: {"checkpoint": …, "tta": "hflip"}."""
        self.path = path
        self.class_count = class_count
        self.schema = SCHEMA.with_metadata(dict(metadata or {}))
        self._stack = ExitStack()
        self._rows: list[dict[str, Any]] = []
        self._bytes = 0

    def __enter__(self) -> OofWriter:
        temporary = self._stack.enter_context(whole_file(self.path))
        self._writer = self._stack.enter_context(pq.ParquetWriter(temporary, self.schema, compression="zstd"))
        return self

    def write(self, image_id: str, fold: int, prob: np.ndarray, class_prob: np.ndarray | None = None) -> None:
        """Add one image. prob: (C, H, W) uint8; class_prob: (C,) float32 in 0..1 or None."""
        if prob.dtype != np.uint8 or prob.ndim != 3 or len(prob) != self.class_count:
            expected = f"({self.class_count}, H, W) uint8"
            raise ValueError(f"{image_id}: probabilities must be {expected}, found {prob.shape} {prob.dtype}")
        present = [None] * len(prob) if class_prob is None else np.asarray(class_prob, dtype=np.float32).tolist()
        for class_id, (values, in_image) in enumerate(zip(prob, present, strict=True)):
            row = (image_id, class_id, fold, *values.shape, values.tobytes(), in_image)
            self._rows.append(dict(zip(SCHEMA.names, row, strict=True)))
        self._bytes += prob.nbytes
        if self._bytes >= _ROW_GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self.schema))
        self._rows, self._bytes = [], 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        self._stack.__exit__(kind, error, trace)


def read_metadata(path: Path) -> dict[str, str]:
    """What an OOF file says it was predicted with; empty when it says nothing."""
    stored = _open(path).schema_arrow.metadata or {}
    return {key.decode(): value.decode() for key, value in stored.items() if not key.startswith(b"ARROW")}


def image_count(path: Path, class_count: int) -> int:
    """How many images an OOF file holds."""
    return int(_open(path).metadata.num_rows) // class_count


def iter_oof(path: Path) -> Iterator[OofImage]:
    """The images of an OOF file in its order, a few in memory at a time. Raises DataError when it is malformed."""
    rows: list[dict[str, Any]] = []
    try:
        for row in _rows(_batches(_open(path), path), path):
            if rows and row["image_id"] != rows[0]["image_id"]:
                yield _image(rows, path)
                rows = []
            rows.append(row)
        if rows:
            yield _image(rows, path)
    finally:
        rows.clear()
        # Else pyarrow keeps the memory that reading used.
        pa.default_memory_pool().release_unused()


def _batches(file: pq.ParquetFile, path: Path) -> Iterator[pa.RecordBatch]:
    """The rows of a file, a few at a time.

    Row group by row group: asked for all, pyarrow holds several at once; measured, 175 MB against 96.
    """
    with _readable(path):
        for group in range(file.num_row_groups):
            yield from file.iter_batches(batch_size=_BATCH_ROWS, row_groups=[group])


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Raise DataError for what pyarrow says of a damaged file."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError([f"{path}: not a readable Parquet file, damaged or not whole: {reason}"]) from None


class OofReader(AbstractContextManager["OofReader"]):
    """Random access to the images of an OOF file; the row groups read last stay in memory."""

    def __init__(self, path: Path, kept_bytes: int) -> None:
        """kept_bytes: how much stays in memory; one image's row groups at least. Raises DataError when malformed."""
        self.path = path
        self.kept_bytes = kept_bytes
        self._file = _open(path)
        with _readable(path):
            names = self._file.read(columns=["image_id"]).column("image_id").to_pylist()
        self._rows_of: dict[str, list[int]] = {}
        for row, name in enumerate(names):
            self._rows_of.setdefault(name, []).append(row)
        metadata = self._file.metadata
        self._ends = np.cumsum([metadata.row_group(group).num_rows for group in range(self._file.num_row_groups)])
        self._groups: OrderedDict[int, pa.Table] = OrderedDict()

    @property
    def image_ids(self) -> list[str]:
        """The images, in the order of the file."""
        return list(self._rows_of)

    def image(self, image_id: str) -> OofImage:
        """One image. Raises DataError when it is not there."""
        if image_id not in self._rows_of:
            raise DataError([f"{self.path}: no image {image_id}"])
        rows = [row for index in self._rows_of[image_id] for row in _rows(self._row(index).to_batches(), self.path)]
        return _image(rows, self.path)

    def _row(self, index: int) -> pa.Table:
        group = int(np.searchsorted(self._ends, index, side="right"))
        if group in self._groups:
            self._groups.move_to_end(group)
        else:
            with _readable(self.path):
                self._groups[group] = self._file.read_row_group(group)
            while len(self._groups) > 1 and sum(table.nbytes for table in self._groups.values()) > self.kept_bytes:
                self._groups.popitem(last=False)
        table = self._groups[group]
        return table.slice(index - int(self._ends[group]) + table.num_rows, 1)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._groups.clear()
        self._file.close()
        pa.default_memory_pool().release_unused()


def _open(path: Path) -> pq.ParquetFile:
    """The file, its columns and their types checked."""
    with _readable(path):
        file = pq.ParquetFile(path)
        found = {field.name: field.type for field in file.schema_arrow}
    problems = []
    for field in SCHEMA:
        if field.name not in found:
            if not field.nullable:
                problems.append(f"{path}: column {field.name} is missing; columns found: {', '.join(found)}")
        elif not _same_kind(found[field.name], field.type):
            hint = "; write 8-bit values, row-major, as bytes" if field.name == "prob" else ""
            problems.append(f"{path}: column {field.name} has type {found[field.name]}, not {field.type}{hint}")
    if problems:
        raise DataError(problems)
    return file


def _same_kind(found: pa.DataType, expected: pa.DataType) -> bool:
    """Whether a column of type `found` can be read as `expected`: any integer, any float, any text, any bytes."""
    kinds = [
        pa.types.is_integer,
        pa.types.is_floating,
        lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind),
        lambda kind: pa.types.is_binary(kind) or pa.types.is_large_binary(kind),
    ]
    return any(kind(found) and kind(expected) for kind in kinds)


def _rows(batches: Iterable[pa.RecordBatch], path: Path) -> Iterator[dict[str, Any]]:
    """The rows of record batches; probabilities as flat uint8 arrays that share the batch's memory."""
    for batch in batches:
        _check_filled(batch, path)
        prob = batch.column("prob")
        names = [name for name in batch.schema.names if name != "prob" and name in SCHEMA.names]
        with _readable(path):
            columns = {name: batch.column(name).to_pylist() for name in names}
        for index in range(batch.num_rows):
            row = {name: values[index] for name, values in columns.items()}
            row["prob"] = np.frombuffer(prob[index].as_buffer(), dtype=np.uint8)
            yield row


def _check_filled(part: pa.RecordBatch | pa.Table, path: Path) -> None:
    """Raise DataError for an empty cell in a column that every row needs."""
    needed = [field.name for field in SCHEMA if not field.nullable and field.name in part.schema.names]
    problems = [
        f"{path}: column {name} has {empty} empty row{'s' if empty > 1 else ''}; every row needs a value"
        for name in needed
        if (empty := part.column(name).null_count)
    ]
    if problems:
        raise DataError(problems)


def _image(rows: list[dict[str, Any]], path: Path) -> OofImage:
    """One image from its rows, checked."""
    first = rows[0]
    where = f"{path}: image {first['image_id']}"
    classes = [row["class_id"] for row in rows]
    if classes != list(range(len(rows))):
        raise DataError([f"{where}: its rows are of classes {classes}, expected 0, 1, … once each and in order"])
    for key in ("fold", "height", "width"):
        if len({row[key] for row in rows}) > 1:
            raise DataError([f"{where}: its rows disagree on {key}: {[row[key] for row in rows]}"])
    height, width = first["height"], first["width"]
    sizes = [len(row["prob"]) for row in rows]
    if any(size != height * width for size in sizes):
        raise DataError([f"{where}: expected {height} x {width} = {height * width} bytes a class, found {sizes}"])
    prob = np.stack([row["prob"].reshape(height, width) for row in rows])
    present = [row.get("class_prob") for row in rows]
    class_prob = None
    if any(value is not None for value in present):
        class_prob = np.array([np.nan if value is None else value for value in present], dtype=np.float32)
        if not (np.all(class_prob >= 0) and np.all(class_prob <= 1)):
            raise DataError([f"{where}: class_prob must be in 0..1 for every class, found {class_prob.tolist()}"])
    return OofImage(first["image_id"], first["fold"], prob, class_prob)


def read_image_ids(path: Path) -> list[str]:
    """The images of an OOF file, in its order, without reading any probability."""
    return list(dict.fromkeys(_without_probabilities(path, "image_id")["image_id"]))


def read_sizes(path: Path) -> dict[str, tuple[int, int]]:
    """image_id -> (height, width) in px, without reading any probability."""
    table = _without_probabilities(path, "image_id", "height", "width")
    return dict(zip(table["image_id"], zip(table["height"], table["width"], strict=True), strict=True))


def read_folds_of(path: Path) -> dict[str, int]:
    """image_id -> fold, without reading any probability."""
    table = _without_probabilities(path, "image_id", "fold")
    return dict(zip(table["image_id"], table["fold"], strict=True))


def _without_probabilities(path: Path, *columns: str) -> dict[str, list[Any]]:
    """Some columns of an OOF file, each a list of its values."""
    _open(path)
    with _readable(path):
        table = pq.read_table(path, columns=list(columns))
    _check_filled(table, path)
    return dict(table.to_pydict())
