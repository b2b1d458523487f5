"""Which folder work happens in, and where config files are looked for."""

from __future__ import annotations

import os
from pathlib import Path

from maskfold.commands import ROOT_VARIABLE, is_installed_command

SOURCES = Path(__file__).resolve().parents[2]  # src/ of a checkout or bundle; site-packages of an installed package
IN_CHECKOUT = SOURCES.name == "src"


def _worked_in() -> Path:
    given = os.environ.get(ROOT_VARIABLE)
    if given:
        return Path(given)
    return SOURCES.parent if IN_CHECKOUT else Path.cwd()


# Where relative paths start: the checkout, or the folder that the command `maskfold` works in.
REPOSITORY = _worked_in()

# The configs that come along with maskfold.
SHIPPED_CONFIGS = SOURCES.parent / "configs" if IN_CHECKOUT else SOURCES / "maskfold" / "shipped_configs"


def run_config(name: str) -> Path:
    """The config file of a run, from its name: that of the folder worked in, else the one that comes along."""
    own = REPOSITORY / "configs" / f"{name.removesuffix('.yaml')}.yaml"
    shipped = SHIPPED_CONFIGS / own.name
    return own if own.exists() or not shipped.exists() else shipped


def config_file(path: Path) -> Path:
    """The config file that a path means: from the current folder, from the folder worked in, or one that comes along.

    A path that leads nowhere comes back as one below the folder worked in.
    """
    if path.exists():
        return path
    return run_config(path.stem) if path == Path("configs", f"{path.stem}.yaml") else REPOSITORY / path


def extended_file(path: Path, base: str) -> Path:
    """The file that a config extends: beside it, else, for the command `maskfold`, the one that comes along."""
    beside = path.parent / base
    return beside if beside.exists() or not is_installed_command() else SHIPPED_CONFIGS / base


def all_config_files() -> list[Path]:
    """Every config file: those of the folder worked in, and those that come along and have no namesake there."""
    files = {path.name: path for folder in (SHIPPED_CONFIGS, REPOSITORY / "configs") for path in folder.glob("*.yaml")}
    return [files[name] for name in sorted(files)]
