"""The OOF store: what is written comes back; a file that is not whole or not right does not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from maskfold.errors import DataError
from maskfold.oof.store import (
    OofReader,
    OofWriter,
    image_count,
    iter_oof,
    read_folds_of,
    read_image_ids,
    read_metadata,
    read_sizes,
)


def write(path, count=40, class_prob=True):
    rng = np.random.default_rng(0)
    images = {}
    with OofWriter(path, 3, {"checkpoint": "abc", "tta": "hflip"}) as writer:
        for number in range(count):
            prob = rng.integers(0, 256, (3, int(rng.integers(1, 30)), int(rng.integers(1, 30))), dtype=np.uint8)
            present = rng.random(3).astype(np.float32) if class_prob else None
            images[f"i{number}.png"] = (prob, present)
            writer.write(f"i{number}.png", 1, prob, present)
    return images


@pytest.mark.parametrize("class_prob", [True, False])
def test_round_trip(tmp_path, class_prob):
    path = tmp_path / "fold1.parquet"
    images = write(path, class_prob=class_prob)
    read = list(iter_oof(path))
    assert [image.image_id for image in read] == list(images) == read_image_ids(path)
    for image in read:
        prob, present = images[image.image_id]
        assert image.fold == 1 and np.array_equal(image.prob, prob)
        assert (image.class_prob is None) if present is None else np.array_equal(image.class_prob, present)
    assert read_metadata(path) == {"checkpoint": "abc", "tta": "hflip"}


@pytest.mark.parametrize(("classes", "count"), [(1, 5), (2, 3), (4, 1), (3, 0)])
def test_images_are_counted_not_rows(tmp_path, classes, count):
    path = tmp_path / "fold0.parquet"
    with OofWriter(path, classes) as writer:
        for number in range(count):
            writer.write(f"i{number}", 0, np.zeros((classes, 3, 2), np.uint8))
    assert image_count(path, classes) == count == len(read_image_ids(path)) == len(list(iter_oof(path)))


def test_sizes_and_folds_by_hand(tmp_path):
    path = tmp_path / "fold2.parquet"
    with OofWriter(path, 2) as writer:
        writer.write("tall", 2, np.zeros((2, 7, 3), np.uint8))
        writer.write("wide", 2, np.zeros((2, 1, 9), np.uint8))
    assert read_sizes(path) == {"tall": (7, 3), "wide": (1, 9)}
    assert read_folds_of(path) == {"tall": 2, "wide": 2}


def test_row_groups_are_written_while_images_come_and_hold_whole_images(tmp_path):
    path = tmp_path / "fold0.parquet"
    with OofWriter(path, 2) as writer:  # 9 MB an image: a row group of 32 MiB is full after four
        for number in range(9):
            writer.write(f"i{number}", 0, np.full((2, 1500, 3000), number, np.uint8))
    metadata = pq.ParquetFile(path).metadata
    assert [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)] == [8, 8, 2]
    assert [(image.image_id, image.prob.max()) for image in iter_oof(path)] == [(f"i{n}", n) for n in range(9)]


def test_an_image_may_lie_in_two_row_groups(tmp_path):
    path = tmp_path / "fold1.parquet"
    images = write(path, count=7)
    pq.write_table(pq.read_table(path), path, row_group_size=4)  # an image has three rows
    assert pq.ParquetFile(path).num_row_groups == 6
    read = {image.image_id: image.prob for image in iter_oof(path)}
    assert list(read) == list(images)
    assert all(np.array_equal(read[name], prob) for name, (prob, _) in images.items())


@pytest.mark.parametrize("row_group_size", [4, 1000])  # an image has three rows
def test_any_image_at_any_time_with_little_kept(tmp_path, row_group_size):
    path = tmp_path / "fold1.parquet"
    images = write(path, count=30)
    pq.write_table(pq.read_table(path), path, row_group_size=row_group_size)
    with OofReader(path, kept_bytes=5000) as reader:
        assert reader.image_ids == list(images)
        for name in np.random.default_rng(1).permutation([*images] * 3).tolist():
            image = reader.image(name)
            assert image.image_id == name and np.array_equal(image.prob, images[name][0])
            assert np.array_equal(image.class_prob, images[name][1])
            kept = [table.nbytes for table in reader._groups.values()]
            assert len(kept) == 1 or sum(kept) <= 5000
        with pytest.raises(DataError, match="no image nowhere"):
            reader.image("nowhere")


def test_nothing_is_left_of_an_interrupted_write(tmp_path):
    path = tmp_path / "fold0.parquet"
    with pytest.raises(KeyboardInterrupt), OofWriter(path, 1) as writer:
        writer.write("a", 0, np.zeros((1, 2, 2), np.uint8))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_wrong_arrays_are_refused(tmp_path):
    with OofWriter(tmp_path / "fold0.parquet", 2) as writer:
        for wrong in (np.zeros((2, 3, 3)), np.zeros((1, 3, 3), np.uint8), np.zeros((3, 3), np.uint8)):
            with pytest.raises(ValueError, match="must be"):
                writer.write("a", 0, wrong)


def rows(**changes):
    row = {"image_id": "a", "class_id": 0, "fold": 0, "height": 2, "width": 2, "prob": bytes(4), "class_prob": 0.5}
    return [{**row, **changes}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (rows(prob=[0.1, 0.2, 0.3, 0.4]), "column prob has type"),
        (rows(prob=bytes(5)), "expected 2 x 2 = 4 bytes"),
        (rows(class_prob=float("nan")), r"class_prob must be in 0..1"),
        (rows(class_prob=1.5), r"class_prob must be in 0..1"),
        (rows(class_id=1), r"of classes \[1\], expected 0, 1"),
        (rows() + rows(class_id=1, width=1), "disagree on width"),
        ([{key: value for key, value in rows()[0].items() if key != "fold"}], "column fold is missing"),
    ],
)
def test_malformed_files_are_refused(tmp_path, content, message):
    path = tmp_path / "fold0.parquet"
    pq.write_table(pa.Table.from_pylist(content), path)
    with pytest.raises(DataError, match=message):
        list(iter_oof(path))


@pytest.mark.parametrize("column", ["image_id", "class_id", "fold", "height", "width", "prob"])
def test_an_empty_cell_is_refused_by_every_reader(tmp_path, column):
    path = tmp_path / "fold0.parquet"
    content = [*rows(), *rows(class_id=1), *rows(class_id=2)]
    content[1][column] = None
    pq.write_table(pa.Table.from_pylist(content), path)
    readers = [lambda: list(iter_oof(path))]
    readers += [lambda: read_image_ids(path)] if column == "image_id" else []
    readers += [lambda: read_sizes(path)] if column in ("image_id", "height", "width") else []
    readers += [lambda: read_folds_of(path)] if column in ("image_id", "fold") else []
    for read in readers:
        with pytest.raises(DataError, match=f"column {column} has 1 empty row; every row needs a value"):
            read()


def test_truncated_file_is_refused(tmp_path):
    path = tmp_path / "fold0.parquet"
    write(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="not a readable Parquet file"):
        list(iter_oof(path))


def test_damage_in_the_middle_of_a_file_is_one_message(tmp_path):
    path = tmp_path / "fold1.parquet"
    write(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 64] = bytes(64)
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"fold1\.parquet: not a readable Parquet file, damaged or not whole"):
        list(iter_oof(path))
