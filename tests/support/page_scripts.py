"""A process that does what the commands of the pages do, one after the other: MASKFOLD_ROOT=… python page_scripts.py.

Reads a JSON list of [script, arguments, whether to run it] from stdin; commands that are not run are only parsed, and
their config is loaded. Writes to stdout a JSON list of what went wrong, null where nothing did.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import shutil
import sys
import traceback
from functools import cache
from pathlib import Path
from types import ModuleType

from maskfold.config import load_config
from maskfold.config.places import config_file

SOURCES = Path(__file__).resolve().parents[2] / "src"


@cache
def script(name: str) -> ModuleType:
    """A script of src/ as a module."""
    spec = importlib.util.spec_from_file_location(f"page_{name}", SOURCES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def parse(name: str, arguments: list[str]) -> None:
    """Parse a command by the script's own parser, and load the config that it asks for."""
    by_the_clock = name == "run" and any(word.partition("=")[0] == "--minutes" for word in arguments)
    name = "run_plan" if by_the_clock else name
    sys.argv = [str(SOURCES / f"{name}.py"), *arguments]
    args = script(name).parse_args()
    config = getattr(args, "config", None)
    if getattr(args, "run", None) is not None:
        config = script("run").named_config(args.run)
    if config is not None:
        load_config(config_file(config), [override for group in args.overrides for override in group])


def run(name: str, arguments: list[str]) -> int:
    """Run a script in this process, the stages of src/run.py too, copy a file or remove a folder; the exit code."""
    if name == "cp":
        shutil.copy(*arguments)
        return 0
    if name == "rm":
        shutil.rmtree(arguments[0], ignore_errors=True)
        return 0
    module = script(name)
    sys.argv = [str(SOURCES / f"{name}.py"), *arguments]
    if name == "run":
        module.run_to_the_end = lambda command: run(Path(command[1]).stem, command[2:])
    try:
        module.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def wrong(name: str, arguments: list[str], to_run: bool) -> str | None:
    """What goes wrong when a command is run or parsed."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = run(name, arguments) if to_run else parse(name, arguments)
    except SystemExit as ended:
        code = ended.code
    except Exception:  # of any kind: the test shows it
        return said.getvalue()[-1000:] + traceback.format_exc()
    return f"exit code {code}: {said.getvalue()[-2000:]}" if code else None


if __name__ == "__main__":
    print(json.dumps([wrong(*command) for command in json.load(sys.stdin)]))
