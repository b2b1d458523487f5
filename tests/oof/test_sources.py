"""Where OOF predictions made elsewhere are taken from: one Parquet file, a folder of them, or a folder of maps."""

from __future__ import annotations

import numpy as np
import pytest

from maskfold.errors import DataError
from maskfold.oof.sources import MapFolder, ParquetSource, open_source
from maskfold.oof.store import OofWriter


def write_parquet(path, names, fold=2):
    path.parent.mkdir(exist_ok=True)
    with OofWriter(path, 1) as writer:
        for number, name in enumerate(names):
            writer.write(name, fold, np.full((1, 3 + number, 5), 7, np.uint8))
    return path


def test_one_parquet_file_and_a_folder_of_them(tmp_path):
    first, second = write_parquet(tmp_path / "in/a.parquet", "ab"), write_parquet(tmp_path / "in/b.parquet", "c", 4)
    alone = open_source(first, ["mask"], ["a", "b"])
    assert isinstance(alone, ParquetSource) and alone.files == [first]
    assert alone.sizes() == {"a": (3, 5), "b": (4, 5)} and alone.fold_of() == {"a": 2, "b": 2}
    both = open_source(tmp_path / "in", ["mask"], ["a", "b", "c"])
    assert isinstance(both, ParquetSource) and both.files == [first, second]
    assert both.fold_of() == {"a": 2, "b": 2, "c": 4}
    assert [image.image_id for image in both.images()] == ["a", "b", "c"]
    write_parquet(second, "b")
    with pytest.raises(DataError, match=r"b\.parquet: image b is in another file of .*in too"):
        both.sizes()


@pytest.mark.parametrize("name", ["no.parquet", "no", "a.csv"])
def test_anything_else_is_refused(tmp_path, name):
    if name == "a.csv":
        (tmp_path / name).write_text("x")
    with pytest.raises(DataError, match=rf"{name}: expected a \.parquet file or a folder"):
        open_source(tmp_path / name, ["mask"], [])


@pytest.mark.parametrize("fold", ["", "x", "-1", "1.0", "²"])
def test_listed_folds_are_whole_numbers(tmp_path, fold):
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", np.zeros((3, 5), np.uint8))
    (tmp_path / "folds.csv").write_text("image_id,fold\na,0\nb,12\n")
    listed = open_source(tmp_path, ["mask"], ["a", "b"])
    assert isinstance(listed, MapFolder) and listed.fold_of() == {"a": 0, "b": 12}
    (tmp_path / "folds.csv").write_text(f"image_id,fold\na,0\nb,{fold}\n")
    with pytest.raises(DataError, match=rf"folds\.csv, row 3: fold '{fold}' is no whole number"):
        open_source(tmp_path, ["mask"], ["a", "b"])
