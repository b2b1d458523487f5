"""What every stage shares: its arguments, and errors that end in one readable message."""

import errno
import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from maskfold.artefacts.files import whole_file
from maskfold.command_line import (
    add_run_argument,
    config_of,
    run_stage,
    stage_parser,
)
from maskfold.config import REPOSITORY
from maskfold.drawing.class_colours import class_colour
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
        (OSError(errno.EMFILE, "Too many open files", "z"), 2, "too many files are open (z); raise the limit"),
        (MemoryError(), 2, "the memory this process may use is full"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), 2, "is full; end other"),
        (RuntimeError("unable to write to file </torch_12_3_0>: No space left"), 2, "(/dev/shm) is full"),
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


PACKAGE = {**os.environ, "PYTHONPATH": ":".join(sys.path), "PYTHONUNBUFFERED": ""}
ENDING = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]


@pytest.mark.parametrize(("number", "code"), ENDING)
def test_a_signal_ends_a_stage_with_its_code_after_temporary_files_are_removed(tmp_path, capsys, number, code):
    before = signal.getsignal(number)

    def stage():
        with whole_file(tmp_path / "x.csv") as temporary:
            temporary.write_text("half")
            try:
                signal.raise_signal(number)
            finally:
                signal.raise_signal(number)  # impatient: must not interrupt what cleans up

    with pytest.raises(SystemExit) as ended:
        run_stage(stage)
    assert ended.value.code == code
    by = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
    assert f"stopped{by}; start the same command again" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(("number", "code"), ENDING)
def test_a_signal_that_meets_a_finaliser_ends_the_stage_all_the_same(capsys, number, code):
    class Finalised:
        def __del__(self):
            signal.raise_signal(number)  # Python drops what is raised here

    def stage():
        Finalised()
        time.sleep(60)

    with pytest.raises(SystemExit) as ended:
        run_stage(stage)
    said = capsys.readouterr().err
    assert (ended.value.code, said.count("\n")) == (code, 1) and "start the same command again" in said
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


LOGGED = """\
import signal
from sqlalchemy import create_engine, event, text
from maskfold.command_line import run_stage

def stage():
    engine = create_engine("sqlite://")
    event.listen(engine, "reset", lambda *_: signal.raise_signal(signal.SIGTERM))
    with engine.connect() as connection:
        connection.execute(text("select 1"))

run_stage(stage)
"""


def test_a_library_that_logs_what_passes_through_it_does_not_log_a_signal():
    result = subprocess.run([sys.executable, "-c", LOGGED], capture_output=True, text=True, env=PACKAGE)
    stopped = "error: stopped by SIGTERM; start the same command again to continue\n"
    assert (result.returncode, result.stderr) == (143, stopped)


UNREAD = """\
import sys
from rich.table import Table
from maskfold.command_line import run_stage
from maskfold.errors import UsageError
from maskfold.execution.console import print_table

def stage():
    {}

run_stage(stage)
"""


@pytest.mark.parametrize(
    ("work", "code", "said"),
    [
        ("print('x')", 141, ""),
        ("print('x', flush=True)", 141, ""),
        ("print_table(Table('class', 'Dice'))", 141, ""),
        ("print('x'); sys.exit(3)", 3, ""),
        ("print('x'); raise UsageError('no')", 2, "error: no\n"),
        ("raise BrokenPipeError(32, 'of a library')", 141, ""),
    ],
)
def test_a_script_whose_output_nobody_reads_ends_without_a_word(work, code, said):
    script = [sys.executable, "-c", UNREAD.format(work)]
    with subprocess.Popen(script, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=PACKAGE) as process:
        process.stdout.close()
        assert process.stderr.read() == said
    assert process.returncode == code


def test_a_broken_pipe_of_a_library_is_an_error_where_the_output_is_read():
    script = [sys.executable, "-c", UNREAD.format("raise BrokenPipeError(32, 'of a library')")]
    result = subprocess.run(script, capture_output=True, text=True, env=PACKAGE)
    assert result.returncode == 1 and "Traceback" in result.stderr


@pytest.mark.parametrize(("number", "code"), ENDING)
def test_a_signal_while_a_script_imports_ends_it_with_one_sentence(number, code):
    script = [sys.executable, "-X", "importtime", "src/make_folds.py"]
    with subprocess.Popen(script, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True, preexec_fn=_listen) as process:
        for line in process.stderr:
            if line.rpartition("|")[2].strip() == "numpy":
                process.send_signal(number)
                break
        said = [line for line in process.stderr if not line.startswith("import time:")]
    assert process.returncode == code
    by = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
    assert said == [f"error: stopped{by}; start the same command again to continue\n"]


def test_signals_after_its_stage_do_not_change_how_a_script_ends(tmp_path):
    late = "import atexit, signal\n"
    late += "".join(f"atexit.register(signal.raise_signal, {number.value})\n" for number, _ in ENDING)
    (tmp_path / "sitecustomize.py").write_text(late)
    script = [sys.executable, "src/make_folds.py", "--help"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ended = subprocess.run(script, cwd=REPOSITORY, env=environment, capture_output=True, text=True, preexec_fn=_listen)
    assert (ended.returncode, ended.stderr) == (0, "")


def _listen():
    """A shell's background job begins deaf to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_our_own_mistakes_keep_their_traceback():
    def stage():
        raise AssertionError("ours")

    with pytest.raises(AssertionError):
        run_stage(stage)


def test_recognised_data_are_drawn_once_and_named(tmp_path, capsys):
    mask = np.zeros((24, 40), np.uint8)
    mask[4:14, 6:18] = 255
    for number in range(7):
        for folder, pixels in (("images", np.full((24, 40), 90, np.uint8)), ("masks", mask * (number != 3))):
            (tmp_path / "data" / folder).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / "data" / folder / f"p{number}.png"), pixels)
    file = tmp_path / "x.yaml"
    file.write_text(f"name: x\noutput_root: {tmp_path}/out\ndata:\n  format: auto\n  root: {tmp_path}/data\n")
    config = config_of(stage_parser("x", "").parse_args(["--config", str(file)]))
    assert config.data.format == "mask_folders"
    told = capsys.readouterr().out
    assert "taken for photos in images with masks in masks" in told
    picture = tmp_path / "out/reports/x.labels.png"
    assert f"look at {picture}" in told
    drawn = cv2.imread(str(picture))[:, :, ::-1].astype(int)
    assert drawn.shape == (2 * (300 + 22) + 22 + 4, 3 * 400, 3)
    pure = np.abs(drawn - class_colour(0)).max(axis=2) <= 2
    for row, column in itertools.product(range(2), range(3)):  # the empty image is not shown
        assert pure[row * 322 : row * 322 + 300, column * 400 : column * 400 + 400].sum() > 100
    stamp = picture.stat().st_mtime_ns
    config_of(stage_parser("x", "").parse_args(["--config", str(file)]))
    assert picture.stat().st_mtime_ns == stamp
    assert f"look at {picture}" in capsys.readouterr().out


_SAYS = """
import math, subprocess, sys
from maskfold.command_line import add_json_argument, stage_parser
from maskfold.execution.json_output import give_json
parser = stage_parser("x", "")
add_json_argument(parser)
parser.parse_args()
print("a table")
subprocess.run([sys.executable, "-c", "print('of a child')"])
give_json({"scores": [math.nan, 0.5], "class": "Riß"})
"""


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_with_json_standard_output_is_the_result_alone(arguments):
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "src"), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-u", "-c", _SAYS, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8")
    lines = "a table\nof a child\n"
    if arguments:
        assert (done.stdout, done.stderr) == ('{"scores": [null, 0.5], "class": "Riß"}\n', lines)
    else:
        assert (done.stdout, done.stderr) == (lines, "")


def test_scores_and_checks_are_json(tmp_path):
    (tmp_path / "c.yaml").write_text(
        f"extends: {REPOSITORY}/configs/demo.yaml\nname: small\noutput_root: {tmp_path}\n"
        f"data: {{root: {tmp_path}/data}}\ndemo: {{train_images: 8, test_images: 4, width: 128}}\n"
    )

    def said(script, *more):
        command = [sys.executable, f"src/{script}.py", "--config", str(tmp_path / "c.yaml"), *more]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    said("make_demo_data")
    truth = str(tmp_path / "data/truth/test.csv")
    scores = json.loads(said("score_submission", "--submission", truth, "--json"))
    assert scores["metric"] == "dice" and scores["mean"]["score"] == 1
    assert [entry["score"] for entry in scores["classes"]] == [1, 1, 1, 1]
    assert json.loads(said("check_submission", truth, "--json")) == {"file": truth, "accepted": True}
