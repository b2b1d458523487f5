"""Text that is data: never a command to a terminal, a spreadsheet or a file system."""

import csv
import io

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from maskfold.artefacts.paths import display
from maskfold.config import REPOSITORY
from maskfold.execution.text import chart_text, class_words, controls, file_name, spreadsheet, visible
from maskfold.media.legend import write_legend


@pytest.mark.parametrize(
    ("text", "found"),
    [("large bowel", ""), ("désert ☃ عربى", ""), ("\x1b[31mred", "\x1b"), ("a\nb\x00", "\x00\n"), ("\x9b2J", "\x9b"),
     ("a\u2028b", "\u2028"), ("\ud800", "\ud800")],
)  # fmt: skip
def test_what_a_terminal_or_a_csv_takes_for_commands(text, found):
    assert controls(text) == found


def test_messages_and_paths_show_control_characters_as_escapes():
    assert visible("error: \x1b]0;x\x07 in «ä»,\nnext \x9b") == "error: \\x1b]0;x\\x07 in «ä»,\nnext \\x9b"
    assert display(REPOSITORY / "a\x1b[2J") == "a\\x1b[2J"


def test_file_names_are_short_plain_and_told_apart():
    names = ["a_b", "a b", "a/b", "..", "", "ä", "x" * 300, "x" * 301, "x" * 60, "con\x00", "\ud800"]
    files = [file_name(name) for name in names]
    assert len({name.lower() for name in files}) == len(names)
    assert all(len(name) <= 69 and set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-") for name in files)
    assert file_name("a_b") == "a_b"


def test_a_chart_shows_dollars_and_names_that_begin_with_an_underscore():
    names = ["$x^2$", "_hidden", r"a\$b", "$$", "plain"]
    figure = Figure()
    FigureCanvasAgg(figure)
    figure.legend(handles=[Patch(label=chart_text(name)) for name in names])
    figure.suptitle(chart_text("cost $1 to $2"))
    figure.savefig(io.BytesIO())
    shown = figure.legends[0].get_texts()
    assert [text.get_text().strip() for text in shown] == [name.replace("$", r"\$") for name in names]
    for text, name in zip(shown, names, strict=True):  # what is drawn, and whether as a formula
        assert text._preprocess_math(text.get_text()) == (name if name != "_hidden" else " _hidden", False)


def test_no_cell_of_a_csv_for_people_is_a_formula():
    table = pd.DataFrame(
        {"image_id": ["=1", "b"], "class": ["=cmd|' /C calc'!A0", "-x"], "area": [-1.5, 2], "@n": ["+3e5", "-7"]}
    )
    assert spreadsheet(table, exact=["image_id"]).to_dict("list") == {
        "image_id": ["=1", "b"],
        "class": ["'=cmd|' /C calc'!A0", "'-x"],
        "area": [-1.5, 2],
        "'@n": ["+3e5", "-7"],
    }
    assert table["class"].tolist() == ["=cmd|' /C calc'!A0", "-x"]


def test_the_legend_of_colours_holds_no_formula(tmp_path):
    write_legend(tmp_path / "legend.csv", ["a", "=1+1"], [1])
    with (tmp_path / "legend.csv").open(newline="") as file:
        assert next(csv.DictReader(file))["class"] == "'=1+1"


def test_a_class_in_a_sentence_is_not_called_class_twice():
    assert [class_words(name) for name in ("6", "crack", "class_1", "Class A")] == [
        "class 6",
        "class crack",
        "class_1",
        "Class A",
    ]
