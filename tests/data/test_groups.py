"""The groups file: every row checked against the training images."""

from __future__ import annotations

import pytest

from maskfold.data.groups import read_groups
from maskfold.errors import DataError


def test_groups_by_hand(tmp_path):
    path = tmp_path / "groups.csv"
    path.write_text("GroupId,ImageId\nx,b\ny,a\nx,c\n")
    assert read_groups(path, ["a", "b", "c"]) == {"b": "x", "a": "y", "c": "x"}


def test_every_bad_row_is_named(tmp_path):
    path = tmp_path / "groups.csv"
    path.write_text("ImageId,GroupId\na,x\nb,\na,y\nz,x\n")
    with pytest.raises(DataError) as error:
        read_groups(path, ["a", "b", "c"])
    assert [line.partition("groups.csv")[2] for line in error.value.problems] == [
        ", row 3: 'b' has no GroupId",
        ", row 4: 'a' is in row 2 already",
        ", row 5: there is no training image 'z'",
        ": training image 'c' has no row",
    ]
