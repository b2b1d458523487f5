"""Tables in the console: every value can be read whole, however narrow the terminal."""

import re

from rich.table import Table

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


def test_a_table_that_fits_neither_way_is_printed_row_by_row(capsys, monkeypatch):
    text = printed(capsys, monkeypatch, table_of(12, 12), 60)
    assert re.findall(r"\d+\.\d{4}", text) == [f"{row}.{number:04d}" for row in range(12) for number in range(12)]
    assert "…" not in text and max(map(len, text.splitlines())) <= 60


def test_a_value_longer_than_the_console_takes_several_lines(capsys, monkeypatch):
    table = Table("rule")
    table.add_row("abcdefghij" * 8)
    text = printed(capsys, monkeypatch, table, 40)
    assert "".join(re.findall(r"[a-j]+", text.replace("rule", ""))) == "abcdefghij" * 8


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
