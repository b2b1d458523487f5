"""What every stage shares: its arguments, and errors that end in one readable message."""

import errno
import sqlite3

import pytest

from maskfold.command_line import (
    add_run_argument,
    config_of,
    run_stage,
    stage_parser,
)
from maskfold.errors import ConfigError, DataError, UsageError


def test_without_arguments_a_stage_runs_on_the_demo():
    args = stage_parser("x", "").parse_args([])
    assert config_of(args).name == "demo"


def test_overrides_may_come_in_one_group_or_several():
    args = stage_parser("x", "").parse_args(["--set", "train.epochs=3", "seed=4", "--set", "folds.count=2"])
    config = config_of(args)
    assert (config.train.epochs, config.seed, config.folds.count) == (3, 4, 2)


def test_a_run_may_be_called_by_its_name():
    parser = stage_parser("x", "")
    add_run_argument(parser)
    assert config_of(parser.parse_args([])).name == "demo"
    assert config_of(parser.parse_args(["--run", "people"])).name == "people"
    with pytest.raises(ConfigError, match=r"did you mean .*magnetic_tile\.yaml"):
        config_of(parser.parse_args(["--run", "magnetic_tiles"]))


def raised_from(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "code", "answer"),
    [
        (UsageError("that cannot be done"), 2, "error: that cannot be done"),
        (DataError(["a.csv, row 2: bad"]), 2, "the data has 1 problem; nothing was written:\n  a.csv, row 2: bad"),
        (OSError(errno.ENOSPC, "No space left on device", "x.csv"), 2, "the disk is full (x.csv)"),
        (
            raised_from(RuntimeError("enforce fail"), OSError(errno.ENOSPC, "No space")),
            2,
            "the disk is full; free some",
        ),
        (raised_from(RuntimeError("x"), sqlite3.OperationalError("database or disk is full")), 2, "the disk is full ("),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "x.csv"), 2, "the disk is full (x.csv)"),
        (PermissionError(errno.EACCES, "Permission denied", "runs/x"), 2, "no permission (runs/x)"),
        (raised_from(RuntimeError("x"), OSError(errno.EROFS, "Read-only", "y")), 2, "no permission (y)"),
        (KeyboardInterrupt(), 130, "start the same command again to continue"),
    ],
)
def test_what_a_user_can_cause_is_one_message(error, code, answer, capsys):
    def stage():
        raise error

    with pytest.raises(SystemExit) as ended:
        run_stage(stage)
    assert ended.value.code == code
    assert answer in capsys.readouterr().err


def test_our_own_mistakes_keep_their_traceback():
    def stage():
        raise AssertionError("ours")

    with pytest.raises(AssertionError):
        run_stage(stage)
