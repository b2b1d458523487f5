"""Tables in the console: every value can be read whole, however narrow the terminal."""

import re

from rich.table import Table

from maskfold.execution import console
from maskfold.execution.console import markdown_table, print_table


def table_of(rows, columns):
    table = Table(*[f"column{number}" for number in range(columns)], title="wide")
    for row in range(rows):
        table.add_row(*[f"{row}.{number:04d}" for number in range(columns)])
    return table


def printed(capsys, monkeypatch, table, width=None):
    monkeypatch.delenv("COLUMNS", raising=False)
    if width is not None:
        monkeypatch.setenv("COLUMNS", str(width))
    print_table(table)
    return capsys.readouterr().out


def values(rows, columns):
    return sorted(f"{row}.{number:04d}" for row in range(rows) for number in range(columns))


def test_a_table_that_fits_is_printed_as_it_is(capsys, monkeypatch):
    text = printed(capsys, monkeypatch, table_of(2, 3), 80)
    assert re.search(r"column0.*column1.*column2", text)
    assert re.search(r"1\.0000.*1\.0001.*1\.0002", text)


def test_a_wide_table_is_turned(capsys, monkeypatch):
    text = printed(capsys, monkeypatch, table_of(2, 12), 80)
    assert re.search(r"column0.*0\.0000.*1\.0000", text)
    assert re.search(r"column11.*0\.0011.*1\.0011", text)
    assert sorted(re.findall(r"\d\.\d{4}", text)) == values(2, 12)
    assert max(map(len, text.splitlines())) <= 80


def test_a_table_that_fits_neither_way_has_its_columns_in_several_tables(capsys, monkeypatch):
    text = printed(capsys, monkeypatch, table_of(12, 12), 60)
    # A column takes 7 and a frame of 3: beside the first, whose frame closes the table, there is room for four.
    headers = [re.findall(r"column\d+", line) for line in text.splitlines() if "column0" in line]
    assert [len(each) for each in headers] == [5, 5, 4]
    assert [name for each in headers for name in each[1:]] == [f"column{number}" for number in range(1, 12)]
    assert sorted(set(re.findall(r"\d+\.\d{4}", text))) == values(12, 12)
    assert "…" not in text and max(map(len, text.splitlines())) <= 60
    assert text.count("wide") == 1  # the title comes once


def test_a_long_text_is_wrapped_beside_its_numbers(capsys, monkeypatch):
    table = console.table_of(["class", "rule"], ["score", "honest gain, 95 %"])
    table.add_row(
        "b_name_of_29_letters_like_this", "threshold 0.50, at least 100 px", "0.1234", "+0.0001 [-0.001, +0.002]"
    )
    for name in "acd":
        table.add_row(name, "always empty", "0.2", "-")
    lines = printed(capsys, monkeypatch, table, 90).splitlines()
    assert max(map(len, lines)) <= 90
    [line] = [line for line in lines if "+0.0001 [-0.001, +0.002]" in line and "0.1234" in line]
    assert "threshold" in line
    columns = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]
    assert "".join(cells[0] for cells in columns) == "b_name_of_29_letters_like_thisacd"
    assert (
        " ".join(cells[1] for cells in columns if cells[1]) == "threshold 0.50, at least 100 px" + 3 * " always empty"
    )


def test_a_value_that_does_not_fit_beside_the_first_column_is_printed_row_by_row(capsys, monkeypatch):
    table, number = console.table_of(["class"], ["n"]), "0123456789" * 3
    for name in ("first_class", "second_class"):
        table.add_row(name, number)
    text = printed(capsys, monkeypatch, table, 44)
    assert re.findall(r"\w+_class|\d{30}", text) == ["first_class", number, "second_class", number]
    assert max(map(len, text.splitlines())) <= 44


def test_a_log_has_room_for_160_columns(capsys, monkeypatch):
    lines = printed(capsys, monkeypatch, table_of(3, 14)).splitlines()
    assert 80 < max(map(len, lines)) <= 160
    assert any(re.search("column0.*column13", line) for line in lines)


def test_a_class_name_is_no_markup_and_no_emoji(capsys, monkeypatch):
    table = Table("class")
    table.add_row("[/red] :car:")
    assert "[/red] :car:" in printed(capsys, monkeypatch, table)


def test_a_markdown_table_aligns_numbers_right_and_escapes_bars():
    assert markdown_table(["name", "n"], [["a|b", "1"]]) == "| name | n |\n|---|---:|\n| a\\|b | 1 |\n"
