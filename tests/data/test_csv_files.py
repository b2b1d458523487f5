"""Csv files: rows keep their numbers, and what is no csv of the wanted form is named."""

from __future__ import annotations

import pytest

from maskfold.data.csv_files import header_of, read_csv, stream_csv
from maskfold.errors import DataError


def written(tmp_path, text):
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_blank_lines_are_left_out_and_rows_keep_their_numbers(tmp_path):
    table = read_csv(written(tmp_path, "\ufeff a , b \n 1 , 2 \n\n , \n3,4\n"))
    assert table.header == ("a", "b")
    assert table.rows == ((2, ("1", "2")), (5, ("3", "4")))
    assert table.select(["b", "a"]) == [(2, ("2", "1")), (5, ("4", "3"))]
    assert table.select(["b"]) == [(2, ("2",)), (5, ("4",))]


def test_exact_rows_keep_spaces_and_empty_fields(tmp_path):
    problems = []
    header, rows = stream_csv(written(tmp_path, " a ,b\n 1 ,\n\n,\n3\n"), problems, exact=True)
    assert header == (" a ", "b")
    assert list(rows) == [(2, (" 1 ", "")), (4, ("", ""))]
    assert [line.partition("a.csv")[2] for line in problems] == [", row 5: 1 fields, but the header has 2"]


def test_rows_of_the_wrong_length_are_all_named(tmp_path):
    path = written(tmp_path, "a,b\n1\n1,2\n1,2,3\n")
    with pytest.raises(DataError) as error:
        read_csv(path)
    told = [f"{path}, row 2: 1 fields, but the header has 2", f"{path}, row 4: 3 fields, but the header has 2"]
    assert error.value.problems == told
    problems = []
    assert read_csv(path, row_problems=problems).rows == ((3, ("1", "2")),)
    assert problems == told


@pytest.mark.parametrize(
    ("text", "forms", "message"),
    [
        ("", [("a", "b")], "empty; expected a header a,b"),
        ("", [], "empty; expected a header row"),
        ("a,a\n1,2\n", [], "row 1: found the header a,a"),
        ("a,c\n1,2\n", [("a", "b"), ("c", "d")], "row 1: found the header a,c; expected a,b or c,d"),
        (b"a,b\n1,\xff\n", [], "not a csv file in UTF-8"),
        ('a,b\n1,"2\n', [], "not a csv file in UTF-8"),
    ],
)
def test_what_is_no_such_csv_is_refused(tmp_path, text, forms, message):
    with pytest.raises(DataError, match=message):
        read_csv(written(tmp_path, text), forms)


@pytest.mark.parametrize("header", ["b,a", "a,c,b", "d,c"])
def test_the_columns_of_a_form_may_come_in_any_order_and_with_others(tmp_path, header):
    assert read_csv(written(tmp_path, f"{header}\n"), [("a", "b"), ("c", "d")]).header == tuple(header.split(","))


def test_a_long_field_is_read(tmp_path):
    runs = " ".join(["1 1"] * 100_000)
    assert read_csv(written(tmp_path, f"a\n{runs}\n")).rows == ((2, (runs,)),)


def test_the_header_alone(tmp_path):
    assert header_of(written(tmp_path, " a , b\n1\n")) == ("a", "b")
    assert header_of(written(tmp_path, "")) == ()
    assert header_of(written(tmp_path, b"\xff")) == ()
    assert header_of(tmp_path / "nowhere.csv") == ()
