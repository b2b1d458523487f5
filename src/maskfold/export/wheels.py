"""The wheels that travel with a bundle: what its target lacks or has in another range, and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from maskfold.artefacts.paths import display
from maskfold.errors import UsageError
from maskfold.export.target import Target
from maskfold.requirements import Lack, installed_version, lack_of

_NO_NETWORK = re.compile(
    "NewConnectionError|Name or service not known|Temporary failure in name|Network is unreach", re.I
)


class Wanted(NamedTuple):
    """A package that has to travel: why, and the version that the bundle was made with."""

    lack: Lack
    version: str

    @property
    def name(self) -> str:
        """Its canonical name."""
        return canonicalize_name(self.lack.requirement.name)


def wanted_by(direct: list[Requirement], target: Target) -> list[Wanted]:
    """What a target lacks of the direct requirements, and of what these need in turn, sorted by name.

    What a package needs is read from the version that is installed here, which is the one that travels.
    """
    found: dict[str, Wanted] = {}
    waiting = list(direct)
    while waiting:
        requirement = waiting.pop()
        lack = lack_of(requirement, target.have.get)
        name, version = canonicalize_name(requirement.name), installed_version(requirement.name)
        if lack is None or name in found or version is None:
            continue
        found[name] = Wanted(lack, Version(version).public)
        waiting += _requirements(name, requirement.extras, target)
    return [found[name] for name in sorted(found)]


def fetch_wheels(wanted: list[Wanted], target: Target, folder: Path) -> list[Path]:
    """The wheels in `folder`, those that are not there downloaded first; packages without compiled code before others.

    Raises UsageError for a package that has no wheel for the target, and without network or pip.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [_wheel_in(folder, each, target) or _downloaded(each, target, folder) for each in wanted]


def _requirements(name: str, extras: set[str], target: Target) -> Iterator[Requirement]:
    for requirement in map(Requirement, metadata.distribution(name).requires or []):
        for extra in ("", *extras):
            if requirement.marker is None or requirement.marker.evaluate({**target.markers, "extra": extra}):
                yield requirement
                break


def _wheel_in(folder: Path, wanted: Wanted, target: Target) -> Path | None:
    """The newest wheel in the folder that meets the requirement and runs on the target."""
    fitting = []
    for path in folder.glob("*.whl"):
        try:
            name, version, _, tags = parse_wheel_filename(path.name)
        except InvalidWheelFilename:
            continue
        if name == wanted.name and wanted.lack.requirement.specifier.contains(version) and tags & target.tags:
            fitting.append((version, path))
    return max(fitting)[1] if fitting else None


def _downloaded(wanted: Wanted, target: Target, folder: Path) -> Path:
    """Download a wheel: this machine's version, else another in the range; a pure one, else one of the platform."""
    pure = ["--platform", "any", "--implementation", "py", "--abi", "none"]
    own = [word for platform in target.platforms for word in ("--platform", platform)]
    said = ""
    for range_ in (SpecifierSet(f"=={wanted.version}"), wanted.lack.requirement.specifier):
        for platforms in (pure, own):
            command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--retries", "2"]
            command += ["--disable-pip-version-check", "--python-version", target.python, *platforms]
            done = subprocess.run(
                [*command, "--dest", str(folder), f"{wanted.name}{range_}"], capture_output=True, text=True
            )
            wheel = _wheel_in(folder, wanted, target)
            if done.returncode == 0 and wheel is not None:
                return wheel
            said = done.stderr
            if "No module named pip" in said:
                raise UsageError(
                    f"--wheels needs pip, which {sys.executable} lacks; install it: {sys.executable} -m ensurepip"
                )
            if _NO_NETWORK.search(said):
                raise UsageError(
                    f"--wheels: {wanted.name} is not in {display(folder)}, and the package index cannot be reached; "
                    "connect to the network, or put the wheel there"
                )
    raise UsageError(
        f"--wheels: there is no wheel of {wanted.name}{wanted.lack.requirement.specifier} for Python {target.python} "
        f"on {target.platform}; name another --platform or --python-version, or put one into {display(folder)}; pip: "
        f"{(said.strip().splitlines() or ['nothing'])[-1]}"
    )
