"""The floors of the house: which folder may import which, checked by import-linter's contracts in pyproject.toml."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from maskfold.config import REPOSITORY

SETTINGS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
LINT = Path(sys.executable).with_name("lint-imports")


def lint(folder):
    environment = os.environ | {"PYTHONPATH": str(folder / "src")}
    command = [str(LINT), "--no-cache"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("house")
    shutil.copytree(REPOSITORY / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", folder)
    return folder


def test_every_folder_has_its_floor():
    layers = SETTINGS["tool"]["importlinter"]["contracts"][0]["layers"]
    named = sorted(name.strip() for layer in layers for name in layer.replace(":", "|").split("|"))
    folder = REPOSITORY / "src" / "maskfold"
    found = [path.name for path in folder.iterdir() if (path / "__init__.py").is_file()]
    found += [path.stem for path in folder.glob("*.py") if path.stem != "__init__"]
    assert named == sorted(f"maskfold.{name}" for name in found)


def test_the_tests_run_the_contracts():
    assert "lint-imports" in (REPOSITORY / "run_tests.sh").read_text(encoding="utf-8")


def test_the_arrows_run_down(copy):
    result = lint(copy)
    assert result.returncode == 0, result.stdout
    assert "2 kept, 0 broken" in result.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("pixels/rle.py", "from maskfold.tuning import plateau"),  # upwards
        ("network/model.py", "from maskfold.rules import rules"),  # to a neighbour on the same floor
        ("tuning/tables/score_tables.py", "from maskfold.tuning import search"),  # a circle within a folder
    ],
)
def test_a_wrong_arrow_fails(copy, module, line):
    path = copy / "src" / "maskfold" / module
    before = path.read_text(encoding="utf-8")
    path.write_text(f"{before}\n{line}\n", encoding="utf-8")
    try:
        result = lint(copy)
        assert result.returncode != 0
        assert "BROKEN" in result.stdout
    finally:
        path.write_text(before, encoding="utf-8")
