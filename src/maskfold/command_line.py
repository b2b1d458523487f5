"""What all stage scripts share on the command line: --config, --set, readable errors, the virtual environment check."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
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
from maskfold.execution.json_output import begin_json
from maskfold.execution.machine_faults import machine_fault
from maskfold.execution.signals import Stopped, stopped_by_signals, stopped_line
from maskfold.execution.text import visible
from maskfold.execution.unread import ended_with_its_reader

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


class _Json(argparse.Action):
    """Sends all lines but the result to stderr from here on."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        begin_json()


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


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """Add --json, with which standard output is the result alone."""
    parser.add_argument(
        "--json", action=_Json, nargs=0, help="write the result as one line of JSON; all other lines go to stderr"
    )


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

    A signal that ends it (Ctrl-C, SIGTERM, SIGHUP) gives 128 plus its number, and so does, without a word, a reader of
    its output that has gone (`| head -1`).
    """
    with ended_with_its_reader():
        try:
            with stopped_by_signals():
                stage()
        except (ConfigError, DataError, StaleError, TrainingError, InferenceError, UsageError) as error:
            _end_with(f"error: {error}", 2)
        except KeyboardInterrupt as error:
            number = error.number if isinstance(error, Stopped) else signal.SIGINT
            _end_with(stopped_line(number), 128 + number)
        except Exception as error:  # any library's: a full disk or memory is behind errors of many kinds
            message = machine_fault(error)
            if message is None:
                raise
            _end_with(f"error: {message}", 2)


def _end_with(message: str, code: int) -> None:
    """End the process with a last message; what the finalisers of libraries complain of after it is not shown."""
    sys.unraisablehook = lambda _: None
    print(visible(as_called(message)), file=sys.stderr)
    sys.exit(code)
