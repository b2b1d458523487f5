"""The command `maskfold`: each of its commands is a script of src/, at work in the current folder or in --root."""

from __future__ import annotations

import argparse
import os
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from maskfold import __version__
from maskfold.commands import COMMANDS, ROOT_VARIABLE, SCRIPTS, complete
from maskfold.execution.script import begin_script
from maskfold.execution.unread import ended_with_its_reader


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; arguments: by default those of the process."""
    words = _completed_words()
    if words is None:
        with ended_with_its_reader():
            root, rest = _split_root(sys.argv[1:] if arguments is None else arguments)
            args = _parser().parse_args(rest or ["--help"])
            _enter(root)
            _run_script(args.command, args.arguments)
    elif len(words) > 1 and words[0] in COMMANDS:
        os.environ["_ARGCOMPLETE"] = "2"  # the words of the shell's line that are the program
        _enter(Path())
        _run_script(words[0], [])
    else:
        complete(_parser())


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS))
    lines = [f"  {command:{width}}  {words}" for command, (_, words) in COMMANDS.items()]
    parser = argparse.ArgumentParser(
        prog="maskfold",
        description="From a folder of labelled images to a tuned, checked mask submission.",
        epilog="\n".join(
            ["commands:", *lines, "", "maskfold COMMAND --help explains one; start with: maskfold run demo"]
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"maskfold {__version__}")
    parser.add_argument("--root", metavar="FOLDER", help="work in this folder (default: the current one)")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of those below")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="…", help="of the command")
    return parser


def _split_root(arguments: Sequence[str]) -> tuple[Path, list[str]]:
    """The folder of --root, which may stand before or after the command, and the other arguments."""
    parser = argparse.ArgumentParser(prog="maskfold", add_help=False, allow_abbrev=False)
    parser.add_argument("--root", type=Path, default=Path())
    args, rest = parser.parse_known_args(arguments)
    if not args.root.is_dir():
        parser.error(
            f"--root {args.root}: no such folder; make it first, or name the one that holds configs/ and data/"
        )
    return args.root, rest


def _enter(root: Path) -> None:
    """Work in this folder, and let the processes that are started do so, too."""
    os.environ[ROOT_VARIABLE] = str(root.resolve())


def _run_script(command: str, arguments: Sequence[str]) -> None:
    script = str(SCRIPTS / f"{COMMANDS[command][0]}.py")
    sys.argv = [script, *arguments]
    begin_script()
    runpy.run_path(script, run_name="__main__")


def _completed_words() -> list[str] | None:
    """The words after `maskfold` on the line that a shell wants completed, the last one unfinished; None: no shell."""
    if "_ARGCOMPLETE" not in os.environ:
        return None
    line = os.environ.get("COMP_LINE", "")[: int(os.environ.get("COMP_POINT", "0"))]
    words = line.split()[1:]
    return [*words, ""] if line.endswith(" ") else words


if __name__ == "__main__":
    main()
