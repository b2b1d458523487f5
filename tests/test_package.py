"""The package: what a wheel holds, the command `maskfold` in an empty folder, pins inside the declared ranges."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import tomllib
import zipfile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from maskfold import __version__
from maskfold.commands import COMMANDS, ROOT_VARIABLE, STAGES, as_called
from maskfold.config import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
SCRIPTS = sorted(path.stem for path in (REPOSITORY / "src").glob("*.py"))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with what a wheel installs."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(build, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(folder / f"maskfold-{__version__}-py3-none-any.whl") as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


def maskfold(site, *arguments, cwd, **more):
    """The command, of the wheel alone."""
    command = [sys.executable, "-m", "maskfold", *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if name != ROOT_VARIABLE}
    environment |= {"PYTHONPATH": str(site), **more}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


def pins(*names):
    lines = [line.partition("#")[0].strip() for name in names for line in (REPOSITORY / name).read_text().splitlines()]
    return {canonicalize_name(each.name): each for each in map(Requirement, filter(None, lines))}


def test_every_script_is_a_command_and_travels_in_the_wheel():
    assert sorted(script for script, _ in COMMANDS.values()) == SCRIPTS
    assert set(STAGES) <= set(SCRIPTS)
    included = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    scripts = {f"src/{name}.py": f"maskfold/scripts/{name}.py" for name in SCRIPTS}
    assert included == {"configs": "maskfold/shipped_configs", **scripts}


def test_every_pin_is_inside_the_declared_range():
    declared = {canonicalize_name(each.name): each for each in map(Requirement, PROJECT["project"]["dependencies"])}
    pinned = pins("requirements.txt")
    assert declared.keys() == pinned.keys()
    extras = PROJECT["project"]["optional-dependencies"]
    more = {
        each.name: each
        for extra in ("onnx", "speed", "completion", "cluster", "track", "kaggle")
        for each in map(Requirement, extras[extra])
    }
    more.pop("maskfold")
    pinned_more = pins(*(f"requirements-{name}.txt" for name in ("onnx", "speed", "cluster", "track", "kaggle", "dev")))
    assert more.keys() <= pinned_more.keys()
    for name in ("cluster", "track", "kaggle"):
        assert pins(f"requirements-{name}.txt").items() <= pins("requirements-dev.txt").items()
    for name, requirement in (declared | more).items():
        (pin,) = (pinned | pinned_more)[name].specifier
        assert pin.operator == "==" and pin.version in requirement.specifier, f"{pin} is outside of {requirement}"
        assert sorted(each.operator for each in requirement.specifier) == ["<", ">="], requirement


def test_the_wheel_holds_every_file_of_the_library(site):
    def files(folder):
        found = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        return {path.relative_to(folder).as_posix() for path in found}

    library = files(REPOSITORY / "src" / "maskfold")
    configs = {f"shipped_configs/{path.name}" for path in (REPOSITORY / "configs").glob("*.yaml")}
    assert files(site / "maskfold") == library | configs | {f"scripts/{name}.py" for name in SCRIPTS}


def test_help_and_version_answer_at_once(site, tmp_path):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    shown = maskfold(site, "--help", cwd=tmp_path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 0.3
    assert all(re.search(rf"^  {command} ", shown.stdout, re.MULTILINE) for command in COMMANDS)
    assert maskfold(site, "--version", cwd=tmp_path).stdout == f"maskfold {__version__}\n"


def test_work_happens_in_the_current_folder_or_in_root(site, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    small = ("--set", "demo.train_images=8", "demo.test_images=2", "demo.width=128")
    done = maskfold(site, "demo-data", *small, cwd=here)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in here.iterdir() if path.name != "runs"] == ["data"]
    assert len(list((here / "data/demo/train_images").iterdir())) == 8
    (there / "configs").mkdir()
    (there / "configs/mine.yaml").write_text("extends: demo.yaml\nname: mine\ndata: {root: data/mine}\n")
    for root in (("--root", "../there", "demo-data"), ("demo-data", "--root", "../there")):
        done = maskfold(site, *root, "--config", "configs/mine.yaml", *small, cwd=here)
        assert done.returncode == 0, done.stderr
    assert (there / "data/mine/train.csv").is_file()
    assert not (here / "data/mine").exists()
    done = maskfold(site, "tune", "--help", cwd=there, NUMBA_CACHE_DIR="")
    assert done.returncode == 0, done.stderr
    assert list((there / "runs/.compiled").iterdir()), "machine code is kept here"
    assert not list(site.rglob("compiled-*")), "and not in the package, where uninstalling would leave it"


def test_messages_name_the_command_and_the_config_that_comes_along(site, tmp_path):
    done = maskfold(site, "train", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "make it with: maskfold demo-data" in done.stderr
    done = maskfold(site, "run", "demmo", cwd=tmp_path)
    assert done.returncode == 2
    assert "configs/demmo.yaml: no such config file" in done.stderr
    done = maskfold(site, "--root", "nowhere", "run", cwd=tmp_path)
    assert "--root nowhere: no such folder" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_words_for_the_reader(monkeypatch):
    text = "run `python src/make_folds.py --config x`, `src/train.py` or `bash run_all.sh x`; src/other.py"
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)
    assert as_called(text) == text
    monkeypatch.setenv(ROOT_VARIABLE, "/")
    assert as_called(text) == "run `maskfold folds --config x`, `maskfold train` or `maskfold run x`; src/other.py"


@pytest.mark.parametrize(
    ("line", "expected", "other"),
    [("maskfold tu", {"tune"}, {"train"}), ("maskfold folds --on-bad-image ", {"strict", "empty"}, {"--set"})],
)
def test_a_shell_is_told_what_may_follow(site, tmp_path, line, expected, other):
    asked = {
        "_ARGCOMPLETE": "1",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "COMP_TYPE": "9",
        "_ARGCOMPLETE_IFS": "\n",
    }
    maskfold(site, cwd=tmp_path, _ARGCOMPLETE_STDOUT_FILENAME=str(tmp_path / "words"), **asked)
    words = {word.strip() for word in (tmp_path / "words").read_text().splitlines()}
    assert expected <= words
    assert not other & words
