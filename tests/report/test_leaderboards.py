"""Public scores against honest ones: what is shown of the competitions that a run was submitted to."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from maskfold.artefacts.paths import RunPaths, leaderboard_csv
from maskfold.errors import DataError
from maskfold.on_kaggle.leaderboard import read_leaderboard, with_row, write_leaderboard
from maskfold.report.leaderboards import board_files, boards
from maskfold.stages.make_report import make_report
from support.synthetic_run import write_run

HONEST = {"honest": 0.8, "honest_low": 0.7, "honest_high": 0.9}
ROWS = (
    {"date": "2026-01-01 10:00:00", "run": "x", "message": "<b>first", "public": 0.75, "private": 0.7, **HONEST},
    {"date": "2026-01-02 10:00:00", "run": "y", "message": "another", "public": 0.6, **HONEST},
    {"date": "2026-01-03 10:00:00", "run": "x", "message": "by hand", "public": 0.95},
    {"date": "2026-01-04 10:00:00", "run": "x", "message": "above", "public": 0.92, **HONEST},
)


def write_board(root, competition, rows):
    table = pd.DataFrame()
    for row in rows:
        table = with_row(table, row)
    path = leaderboard_csv(Path(root), competition)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_leaderboard(table, path, competition)
    return path


def test_a_run_has_the_boards_that_it_was_submitted_to(tmp_path):
    mine = write_board(tmp_path, "steel", ROWS)
    write_board(tmp_path, "salt", ROWS[1:2])
    assert board_files(tmp_path, "x") == [mine]
    (board,) = boards(tmp_path, "x")
    assert (board.competition, board.others) == ("steel", 1)
    assert [row["message"] for row in board.rows] == ["above", "by hand", "<b>first"]
    assert [row["inside"] for row in board.rows] == [False, None, True]
    assert board.rows[0]["gap"] == pytest.approx(0.12) and board.rows[2]["gap"] == pytest.approx(-0.05)
    assert str(board.chart).count("<circle") == 3  # the one by hand has no honest score
    assert [each.competition for each in boards(tmp_path, "y")] == ["salt", "steel"]
    assert boards(tmp_path, "z") == []


def test_a_board_without_a_public_score_has_no_chart(tmp_path):
    write_board(tmp_path, "steel", [{"date": "2026-01-01 10:00:00", "run": "x", **HONEST}])
    assert boards(tmp_path, "x")[0].chart is None


def test_a_broken_board_is_named(tmp_path):
    path = write_board(tmp_path, "steel", ROWS)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"leaderboard\.csv: (has the columns|cannot be read)"):
        board_files(tmp_path, "x")


def test_the_report_shows_a_score_that_came_since(tmp_path, capsys):
    config, competition = write_run(tmp_path, 8, 2)
    page = RunPaths.of(config).report / "index.html"
    make_report(config, competition)
    assert "Leaderboard of" not in page.read_text()
    path = write_board(tmp_path, "steel", ROWS)
    make_report(config, competition)
    html = page.read_text()
    assert "Leaderboard of steel" in html and "&lt;b&gt;first" in html and "+0.1200" in html
    table = read_leaderboard(path)
    table.loc[0, "private"] = 0.7123
    write_leaderboard(table, path, "steel")
    make_report(config, competition)
    assert "steel.kaggle/leaderboard.csv changed" in capsys.readouterr().out
    assert "0.7123" in page.read_text()
