"""Which distributions a part of maskfold needs: the packages its modules import, and all that these need in turn."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from maskfold.artefacts.source_imports import imported_modules, source_of


@cache
def _holders() -> Mapping[str, Sequence[str]]:
    """Package -> the installed distributions that hold it; finding out takes seconds."""
    return metadata.packages_distributions()


@cache
def imported_packages(module: str) -> frozenset[str]:
    """Top-level names of the packages that a maskfold module imports, directly or through other maskfold modules."""
    names: set[str] = set()
    for name in imported_modules(module):
        for node in ast.walk(ast.parse(source_of(name))):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
            elif isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
    return frozenset(names - set(sys.stdlib_module_names) - {"maskfold"})


def distributions_of(packages: Iterable[str]) -> set[str]:
    """Canonical names of the installed distributions that hold these packages.

    Raises ModuleNotFoundError for a package that no installed distribution holds.
    """
    holders = _holders()
    found: set[str] = set()
    for package in sorted(packages):
        if package not in holders:
            raise ModuleNotFoundError(f"the package {package} is not installed in {sys.prefix}", name=package)
        found |= {canonicalize_name(name) for name in holders[package]}
    return found


def with_requirements(names: Iterable[str]) -> dict[str, str]:
    """Distribution -> installed version, of the named ones and of all they require on this machine, sorted by name.

    Canonical names; versions without a local part (2.14.1, not 2.14.1+cpu), as an index lists them. What is required
    but not installed is left out.
    """
    versions: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting: list[tuple[str, str]] = [(canonicalize_name(name), "") for name in names]  # and the extra asked for
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        versions[name] = Version(distribution.version).public
        for requirement in map(Requirement, distribution.requires or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                waiting += [(canonicalize_name(requirement.name), each) for each in ("", *requirement.extras)]
    return dict(sorted(versions.items()))


def package_of(distribution: str) -> str:
    """The package to import from an installed distribution: the one named like it, else its first."""
    holders = _holders()
    own = sorted(
        package for package, names in holders.items() if any(canonicalize_name(each) == distribution for each in names)
    )
    public = [package for package in own if not package.startswith("_")] or own
    alike = [package for package in public if canonicalize_name(package) == distribution]
    return (alike or public)[0]
