"""The commands that the pages show: those of their code blocks, with what they need, and those in their text."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

from maskfold.config import REPOSITORY

_PAGE_MARK = re.compile(r"^<!-- all commands need: (\w+) -->$", re.MULTILINE)
_MARK = re.compile(r"^<!-- needs: (\w+)(?:, (.+))? -->$")
_PROGRAM = re.compile(r"(?:[A-Z_]+=\S+ )*(?:taskset -c \d )?(?:python|bash|pip|maskfold|cp|for \w+ in)(?= )")
_FOR = re.compile(r"for (\w+) in ([^;]+); do (.+?); done")
_INLINE = re.compile(r"`((?:python src/\w+\.py|bash run_all\.sh|maskfold [a-z-]+) [^`\[]*)`")


class Command(NamedTuple):
    """One command of a page; needs: what its mark says that it needs, empty where a test runs it."""

    page: str
    line: int
    words: tuple[str, ...]
    needs: str

    @property
    def place(self) -> str:
        """Where it stands, and what it says."""
        return f"{self.page}, line {self.line}: {shlex.join(self.words)}"


def commands_in_blocks(page: Path) -> list[Command]:
    """The commands of a page's code blocks: fenced as bash, or indented lines that begin with a program.

    A mark (`<!-- needs: data -->`) counts for the block after it, or for those of its lines that begin with the text
    that it names (`<!-- needs: minutes, bash run_tests.sh -->`); `<!-- all commands need: … -->` for the page.
    """
    text = page.read_text(encoding="utf-8").replace("\\\n", "  ")
    whole = _PAGE_MARK.search(text)
    marks: list[tuple[str, str]] = []
    found, language, in_block = [], None, False
    for number, line in enumerate(text.splitlines(), start=1):
        bare = line.strip()
        mark = _MARK.match(bare)
        if mark:
            marks = [*marks, (mark[1], mark[2] or "")]
        elif bare.startswith("```"):
            language = bare[3:] if language is None else None
            in_block = True
        elif (language == "bash" and bare) or (language is None and line.startswith("    ") and _PROGRAM.match(bare)):
            in_block = True
            needs = [what for what, start in marks if bare.startswith(start)]
            what = whole[1] if whole else needs[0] if needs else ""
            found += [Command(_name(page), number, words, what) for words in _simple_commands(bare)]
        elif language is None and bare and in_block:
            marks, in_block = [], False
    return found


def commands_in_text(page: Path) -> list[Command]:
    """The commands that a page gives within its text, with arguments; without any, it names a script."""
    lines = enumerate(page.read_text(encoding="utf-8").splitlines(), start=1)
    return [
        Command(_name(page), number, words, "text")
        for number, line in lines
        for inline in _INLINE.findall(line)
        for words in _simple_commands(inline)
    ]


def _simple_commands(line: str) -> list[tuple[str, ...]]:
    """The words of each command of a line, comments left out: loops unrolled, pipes and lists taken apart."""
    loop = _FOR.match(line)
    lines = [line]
    if loop:
        lines = [*(loop[3].replace(f"${loop[1]}", value) for value in loop[2].split()), line[loop.end() :]]
    commands: list[list[str]] = []
    for each in lines:
        commands.append([])
        for word in shlex.split(each.lstrip("; "), comments=True):
            if word in ("|", "&&", ";"):
                commands.append([])
            else:
                commands[-1].append(word)
    return [tuple(words) for words in commands if words]


def _name(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))
