"""What all stage scripts share on the command line: --config, --set, readable errors, the virtual environment check."""

from __future__ import annotations

import argparse
import errno
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from maskfold.commands import as_called, complete, is_installed_command, program_name

if find_spec("pydantic") is None or find_spec("torch") is None:
    _REMEDY = "run `bash run_all.sh --setup-only` once, then `source .venv/bin/activate` in the repository"
    _REMEDY = "install it again, with what it needs" if is_installed_command() else _REMEDY
    sys.exit(
        f"maskfold's packages are not installed in this Python ({sys.executable}): {_REMEDY}, and start this command "
        "again."
    )

from maskfold import __version__
from maskfold.artefacts.lock import NO_WAIT
from maskfold.artefacts.paths import RunPaths, display
from maskfold.artefacts.provenance import Provenance, recheck_contents
from maskfold.config import AutoData, Config, load_config
from maskfold.config.places import config_file, run_config
from maskfold.config.reference import help_text
from maskfold.data.contents import verify_contents
from maskfold.data.opening import read_competition
from maskfold.data.problems import Problems
from maskfold.data.recognition.overlays import draw_overlays
from maskfold.data.recognition.recognise import recognise
from maskfold.errors import ConfigError, DataError, InferenceError, StaleError, TrainingError, UsageError
from maskfold.execution.cores import limit_cores
from maskfold.execution.signals import Stopped, stopped_by_signals, stopped_line
from maskfold.execution.text import visible

DEFAULT_CONFIG = run_config("demo")


def command_parser(description: str, examples: str) -> argparse.ArgumentParser:
    """A parser with the arguments of every command that reads configs; `examples` closes the help."""
    parser = _Parser(
        prog=program_name(),
        description=description,
        epilog=as_called(f"examples:\n{examples}"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--set",
        action="append",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="change a config value, e.g. --set train.epochs=3; relative paths start at the repository, "
        "or where `maskfold` works",
    )
    parser.add_argument("--version", action="version", version=f"maskfold {__version__}")
    parser.add_argument(
        "--help-config",
        action=_HelpConfig,
        nargs="?",
        metavar="KEY",
        help="explain a config key such as train.epochs, a section such as train, or (without KEY) all, and stop",
    )
    return parser


class _Parser(argparse.ArgumentParser):
    """A parser that a shell may ask what may follow."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """The arguments."""
        complete(self)
        return super().parse_args(args, namespace)


class _HelpConfig(argparse.Action):
    """Prints a part of the config reference and stops, as --help does."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        try:
            print(help_text(values, min(100, shutil.get_terminal_size().columns)))
        except ConfigError as error:
            parser.error(str(error))
        parser.exit()


def stage_parser(description: str, examples: str) -> argparse.ArgumentParser:
    """A parser with the arguments every stage of one config has."""
    parser = command_parser(description, examples)
    parser.add_argument(
        "--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help="experiment (default: configs/demo.yaml)"
    )
    parser.add_argument(
        "--accept-code-changes",
        action="store_true",
        help="treat artefacts made by another version of the code as up to date",
    )
    parser.add_argument(
        "--no-wait",
        action="store_true",
        help="stop, instead of waiting, when another process is at work on the same stage of the same run",
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="read all images, masks and artefacts: stop if an image or mask changed since the last --verify without a "
        "new time or size, and recompute artefacts that did",
    )
    parser.add_argument(
        "--on-bad-image",
        choices=("strict", "empty"),
        default="strict",
        help="test images that cannot be read: stop before any work, naming them (default), or empty masks for them",
    )
    return parser


def add_run_argument(parser: argparse.ArgumentParser) -> None:
    """Add --run NAME, which stands for --config configs/NAME.yaml."""
    parser.add_argument(
        "--run",
        type=run_config,
        default=argparse.SUPPRESS,
        metavar="NAME",
        dest="config",
        help="the run of configs/NAME.yaml; short for --config configs/NAME.yaml",
    )


def config_of(args: argparse.Namespace) -> Config:
    """The config the parsed arguments ask for."""
    config = load_config(config_file(args.config), [override for group in args.overrides for override in group])
    if getattr(args, "no_wait", False):
        os.environ[NO_WAIT] = "1"
    limit_cores(config.run.cores)
    config = with_recognised_data(config)
    if getattr(args, "verify", False):
        _verify(config)
    return config


def _verify(config: Config) -> None:
    record = RunPaths.of(config).contents_csv
    compared = verify_contents(read_competition(config.data, "strict", Problems()), record)
    print(f"verify: {display(record)} holds the contents of all images and masks; {compared} were compared", flush=True)
    paths = [RunPaths.of(run) for run in {run.name: run for run in (config, *config.experiments)}.values()]
    folders = [folder for each in paths for folder in (each.run, each.oof)]
    files = [path for each in paths for path in (each.folds_csv, each.submission(config.submission.layout))]
    count = recheck_contents(folders, files)
    print(f"verify: of {count} artefacts, the contents are read too, not only sizes and times", flush=True)


def with_recognised_data(config: Config) -> Config:
    """The config with `data.format: auto` replaced by what its folder is taken for, which is printed and drawn.

    reports/<name>.labels.png shows six images with their masks. Labels that cannot be read are left to the stage.
    """
    if not isinstance(config.data, AutoData):
        return config
    section, told = recognise(config.data)
    print(told, flush=True)
    picture = RunPaths.of(config).labels_png
    made_from = Provenance("recognised labels", {"data": section.model_dump(mode="json"), "found": told})
    if made_from.staleness(picture):
        try:
            draw_overlays(read_competition(section, "strict", Problems()), picture)
        except DataError:
            return config.model_copy(update={"data": section})
        made_from.write(picture)
    print(f"  look at {display(picture)}: six images with their masks", flush=True)
    return config.model_copy(update={"data": section})


def run_stage(stage: Callable[[], None]) -> None:
    """Run a stage; what a user can cause ends in one readable message and exit code 2, not in a traceback.

    A signal that ends it (Ctrl-C, SIGTERM, SIGHUP) gives 128 plus its number.
    """
    try:
        with stopped_by_signals():
            stage()
    except (ConfigError, DataError, StaleError, TrainingError, InferenceError, UsageError) as error:
        sys.exit(_fail(str(error), 2))
    except KeyboardInterrupt as error:
        number = error.number if isinstance(error, Stopped) else signal.SIGINT
        print(stopped_line(number), file=sys.stderr)
        sys.exit(128 + number)
    except Exception as error:  # any library's: a full disk or memory is behind errors of many kinds
        message = _machine_fault(error)
        if message is None:
            raise
        sys.exit(_fail(message, 2))


_NO_MEMORY = ("can't allocate memory", "can't start new thread", "Cannot allocate memory", "Unable to allocate")
_NO_SHARED_MEMORY = ("shared memory(shm)", "</torch_", "shared memory (shm)")


def _machine_fault(error: BaseException | None) -> str | None:
    """What to tell a user if the machine lacks room, memory, files or a permission; None if none of these is behind.

    torch and SQLite raise errors of their own, with the system's somewhere behind them, or in their text alone.
    """
    full = "the disk is full{}; free some space and start the same command again"
    while error is not None:
        file = f" ({error.filename})" if isinstance(error, OSError) and error.filename else ""
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return full.format(file)
        if any(words in str(error) for words in _NO_SHARED_MEMORY):
            return (
                "shared memory (/dev/shm) is full: the loader processes hand over their batches there; enlarge it "
                "(docker run --shm-size=2g), or set train.workers=0"
            )
        if isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY):
            return (
                "the memory this process may use is full; end other programs, raise the limit (ulimit -v, or the "
                "container's), or lower train.batch_size, inference.batch_size or run.cores"
            )
        if "Too many open files" in str(error):
            return f"too many files are open{file}; raise the limit (`ulimit -n 1024`), or lower train.workers"
        if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return f"no permission{file}; change the file's or folder's rights, or write elsewhere with output_root"
        if isinstance(error, sqlite3.OperationalError) and "disk is full" in str(error):
            return full.format(" (an Optuna study)")
        error = error.__cause__ or error.__context__
    return None


def _fail(message: str, code: int) -> int:
    print(visible(as_called(f"error: {message}")), file=sys.stderr)
    return code
