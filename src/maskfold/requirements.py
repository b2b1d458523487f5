"""Which packages maskfold needs, in which versions, and what of that a Python lacks.

Runs in a Python that has none of them yet: `python -m maskfold.requirements` names what is missing or out of range.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

try:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name
except ModuleNotFoundError:  # pip has a copy
    from pip._vendor.packaging.requirements import Requirement  # type: ignore[assignment]
    from pip._vendor.packaging.utils import canonicalize_name  # type: ignore[assignment]

_PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"

# Distributions that hold the same package.
_ALIKE = {
    "opencv-python-headless": ("opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless"),
}


class Lack(NamedTuple):
    """A requirement that is not met; found: the version that is there, None: there is none."""

    requirement: Requirement
    found: str | None

    def __str__(self) -> str:
        needed = str(self.requirement.specifier) or "any version"
        return f"{self.requirement.name}: {self.found or 'not installed'}, needed: {needed}"


def declared() -> list[Requirement]:
    """The ranges that pyproject.toml declares, in its order; of an installed package, those of its wheel."""
    if _PROJECT.is_file():
        lines = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]
    else:
        lines = metadata.requires("maskfold") or []
    requirements = map(Requirement, lines)
    return [each for each in requirements if each.marker is None or each.marker.evaluate({"extra": ""})]


def installed_version(name: str) -> str | None:
    """The version of a distribution in this Python; None: it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def lack_of(requirement: Requirement, version_of: Callable[[str], str | None]) -> Lack | None:
    """The lack, where a requirement is not met; version_of: canonical name -> version, None where it is not there."""
    name = canonicalize_name(requirement.name)
    versions = [version for each in (name, *_ALIKE.get(name, ())) if (version := version_of(each)) is not None]
    if any(requirement.specifier.contains(version, prereleases=True) for version in versions):
        return None
    return Lack(requirement, versions[0] if versions else None)


def lacks(requirements: Iterable[Requirement], version_of: Callable[[str], str | None]) -> list[Lack]:
    """All requirements that are not met, in their order."""
    return [lack for each in requirements if (lack := lack_of(each, version_of)) is not None]


def main() -> None:
    """Name what this Python lacks, with the line that installs it; exit code 2 if that is anything."""
    missing = lacks(declared(), installed_version)
    if not missing:
        return
    lines = "\n".join(f"  {lack}" for lack in missing)
    wanted = " ".join(f"'{lack.requirement}'" for lack in missing)
    count = f"{len(missing)} package{'s' if len(missing) > 1 else ''}"
    print(
        f"error: {sys.executable} lacks {count} that maskfold needs, or has another version:\n{lines}\n"
        f"install with:\n  {sys.executable} -m pip install {wanted}",
        file=sys.stderr,
    )
    sys.exit(2)


if __name__ == "__main__":
    main()
