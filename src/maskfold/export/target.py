"""The machine that a bundle goes to: its Python, its platform, and the packages that it has."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from packaging.tags import Tag, compatible_tags, cpython_tags, platform_tags
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from maskfold.errors import UsageError

_LISTS = Path(__file__).parent / "targets"
_PIN = re.compile(r"([A-Za-z0-9][\w.-]*)(?:\[.*\])?\s*===?\s*([^\s;#]+)")
_URL = re.compile(r"([A-Za-z0-9][\w.-]*)(?:\[.*\])?\s*@\s*(\S+)")
_NAMED = {17: "2014", 12: "2010", 5: "1"}  # of manylinux: minor version of glibc -> name
_TARGET = re.compile(r"# target: python (\S+) platform (\S+)")


@dataclass(frozen=True)
class Target:
    """python: as in 3.12; platform: a tag such as manylinux_2_28_x86_64; have: canonical name -> version there."""

    python: str
    platform: str
    have: dict[str, str] = field(default_factory=dict)

    @property
    def platforms(self) -> list[str]:
        """The tags of wheels that run there, best first: its own, and of Linux those of older systems."""
        return list(_older(self.platform))

    @property
    def tags(self) -> set[Tag]:
        """All tags of wheels that its Python can install."""
        major, minor = map(int, self.python.split("."))
        version, platforms = (major, minor), self.platforms
        return {
            *cpython_tags(version, platforms=platforms),
            *compatible_tags(version, f"cp{major}{minor}", platforms),
        }

    @property
    def markers(self) -> dict[str, str]:
        """What the markers of requirements see there."""
        machine = next((each for each in ("x86_64", "aarch64", "arm64", "amd64") if self.platform.endswith(each)), "")
        system = {"win": "Windows", "mac": "Darwin"}.get(self.platform[:3], "Linux")
        return {
            "python_version": self.python,
            "python_full_version": f"{self.python}.0",
            "platform_system": system,
            "sys_platform": {"Windows": "win32", "Darwin": "darwin"}.get(system, "linux"),
            "os_name": "nt" if system == "Windows" else "posix",
            "platform_machine": machine.upper() if system == "Windows" else machine,
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
        }


def target_of(have: str | None, python: str | None, platform: str | None) -> Target:
    """The target that the options describe.

    have: a `pip freeze` of it, or the name of a list that comes along; None: it has nothing. python, platform: None for
    those that the list names, else those of this machine. Raises UsageError for what is none of these.
    """
    text = "" if have is None else _text(have)
    named = _TARGET.search(text)
    python = python or (named[1] if named else _this_python())
    platform = platform or (named[2] if named else next(iter(platform_tags())))
    if not re.fullmatch(r"3\.\d+", python):
        raise UsageError(f"--python-version {python}: expected two numbers, such as 3.12")
    if not re.fullmatch(r"(manylinux_\d+_\d+|manylinux2014|linux|win|macosx_\d+_\d+)_\w+", platform):
        raise UsageError(
            f"--platform {platform}: expected the tag of a wheel, such as manylinux_2_28_x86_64 or win_amd64"
        )
    return Target(python, platform, {} if have is None else _versions(text, have))


def list_names() -> list[str]:
    """The lists of packages that come along, of stock notebooks."""
    return sorted(path.stem for path in _LISTS.glob("*.txt"))


def _text(have: str) -> str:
    path = _LISTS / f"{have}.txt" if have in list_names() else Path(have)
    if not path.is_file():
        raise UsageError(
            f"--have {have}: no such file, and none of the lists that come along: {', '.join(list_names())}"
        )
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"--have {have}: no text; write it with `pip freeze > {path.name}` on the target") from None


def _versions(text: str, have: str) -> dict[str, str]:
    """Canonical name -> version of every line `name==version` or `name @ …/name-version-….whl`.

    What is installed from elsewhere (-e, files, repositories) has no version, and is left out.
    """
    versions: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith(("#", "-e ", "--")):
            continue
        pin, url = _PIN.match(line), _URL.match(line)
        version = pin[2] if pin else _version_in(url[2]) if url else None
        if (version is None and url is None) or (version is not None and not _is_version(version)):
            raise UsageError(
                f"--have {have}, line {number}: {line[:80]!r} is no line of `pip freeze` (name==version); write "
                "the file with `pip freeze > have.txt` on the target"
            )
        if version is not None:
            versions[canonicalize_name((pin or url)[1])] = version  # type: ignore[index]
    if not versions:
        raise UsageError(f"--have {have}: names no package; write it with `pip freeze > have.txt` on the target")
    return versions


def _version_in(url: str) -> str | None:
    """The version in the name of a wheel."""
    parts = url.partition("#")[0].rpartition("/")[2].replace("%2B", "+").split("-")
    return parts[1] if len(parts) >= 5 and parts[-1].endswith(".whl") else None


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def _this_python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _older(platform: str) -> Iterator[str]:
    yield platform
    numbers = re.fullmatch(r"manylinux_2_(\d+)_(\w+)", platform)
    if numbers:
        for minor in range(int(numbers[1]), 4, -1):
            yield f"manylinux_2_{minor}_{numbers[2]}"
            if minor in _NAMED:
                yield f"manylinux{_NAMED[minor]}_{numbers[2]}"
