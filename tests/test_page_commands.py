"""Every command of README.md and docs/ is run on a tiny demo, or is marked with what it needs and is parsed."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from maskfold import Run
from maskfold.commands import COMMANDS, ROOT_VARIABLE
from maskfold.config import REPOSITORY
from maskfold.execution import compiled
from support.page_commands import commands_in_blocks, commands_in_text
from support.synthetic_video import make_video

FIRST = [REPOSITORY / "README.md", REPOSITORY / "docs/tutorial.md"]
PAGES = list(dict.fromkeys([*FIRST, *sorted((REPOSITORY / "docs").rglob("*.md"))]))
NEEDS = {
    "data": "images and labels, or trained runs of them, that are not in the repository",
    "network": "the internet: packages, Kaggle, Hugging Face",
    "cluster": "Ray or Slurm on several machines",
    "docker": "Docker",
    "minutes": "minutes or hours",
    "elsewhere": "a folder of its own or a while: test_export_bundle.py, test_onnx.py and test_choose_views.py run it",
    "stream": "a program that sends a video",
}
SHELL = {"source", "mkdir", "cd"}  # of the shell itself

# What the pages call by name, and what stands in for it here.
STAND_INS = {"/data/mine": "data/mine", "/data/salt": "data/mine"}
HERE = "/…/"  # the folder worked in
PLACEHOLDERS = {"FOLDER": "data/mine", "M": "60", "NAME": "mine", "COMPETITION": "mine", "INPUT…": "photo.jpg"}
PLACEHOLDERS |= {"…": "configs/mine.yaml", "configs/<name>.yaml": "configs/mine.yaml", "$@": ""}

_CONFIG = re.compile(r"^ *# configs/(\w+\.yaml)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_EXTRAS = re.compile(r"'(?:\.|maskfold)\[([\w,]+)\]'")

DEMO = f"""\
extends: {REPOSITORY}/configs/demo.yaml
demo: {{train_images: 12, test_images: 4, width: 96}}
folds: {{count: 2}}
model: {{encoder: tu-mobilenetv3_small_050, decoder_channels: [32, 24, 16, 8, 8]}}
train: {{epochs: 2, batch_size: 8, crop_size: [64, 96], workers: 0, validate_every: null}}
inference: {{shard_images: 4}}
tuning: {{trials: 2, bootstrap_samples: 100}}
report: {{examples: 1}}
"""


def blocks():
    return [command for page in PAGES for command in commands_in_blocks(page)]


def script_of(words):
    """(script, arguments) of a command of maskfold; None for those of other programs."""
    words = [PLACEHOLDERS.get(word, word) for word in words]
    for said, meant in STAND_INS.items():
        words = [word.replace(said, meant) for word in words]
    words = [word for word in words if word]
    match words:
        case ["python", path, *rest] if path.startswith("src/"):
            return Path(path).stem, rest
        case ["maskfold", command, *rest] if command in COMMANDS:
            return COMMANDS[command][0], rest
        case ["bash", "run_all.sh", *rest]:
            return "run", rest
        case ["cp", *rest]:
            return "cp", rest
    return None


def as_run_all_calls(arguments, folder, path):
    """What run_all.sh hands to src/run.py, from the script itself with a Python that only writes down its arguments."""
    set_up = ("--setup-only", "--locked", "--system-python", "--cpu", "--gpu")
    rest = [word for word in arguments if word not in set_up]
    command = ["bash", str(REPOSITORY / "run_all.sh"), "--system-python", *rest]
    environment = {**os.environ, "PATH": f"{path}:/usr/bin:/bin", "PYTHON": ""}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    _, *words = done.stdout.splitlines()
    return words


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder to work in: the configs of the repository and of the pages, a finished tiny run, photos and a video."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(REPOSITORY / "configs", folder / "configs")
    for page in PAGES:
        for name, text in _CONFIG.findall(page.read_text()):
            (folder / "configs" / name).write_text(textwrap.dedent(text))
    (folder / "configs/demo.yaml").write_text(DEMO)
    (folder / "configs/mine.yaml").write_text("extends: demo.yaml\nname: mine\ndata: {root: data/mine}\n")
    (folder / "configs/people.yaml").write_text("extends: mine.yaml\n")
    run = Run(folder / "configs/mine.yaml", f"output_root={folder}", f"data.root={folder}/data/mine")
    run.all_stages()
    for name in ("maps", "holiday", "more"):
        (folder / name).mkdir()
    parts = [run.paths.oof_parquet(fold) for fold in (0, 1)]
    for part in parts:
        shutil.copy(part, folder / "maps")
    pq.write_table(pa.concat_tables(map(pq.read_table, parts)), folder / "predictions.parquet")
    shutil.copy(folder / "data/mine/train.csv", folder)
    for name in ("new.csv", "old.csv", "other.csv"):
        shutil.copy(folder / "submissions/mine.csv", folder / name)
    shutil.copy(folder / "data/mine/truth/test.csv", folder / "data/mine/answers.csv")
    photo = run.competition.train["path"].iloc[0]
    for name in ("photo.jpg", "beach.jpg", "holiday/one.jpg", "more/two.jpg"):
        shutil.copy(photo, folder / name)
    make_video(folder / "clip.mp4", frames=4)
    return folder


@pytest.fixture(scope="module")
def wrong(folder, tmp_path_factory):
    """Place of each command of maskfold on the pages -> what went wrong when it was run or parsed, None if nothing."""
    path = tmp_path_factory.mktemp("python")
    (path / "python3").write_text('#!/bin/sh\n[ "$1" = -c ] && exec true\n[ "$1" = -m ] || printf "%s\\n" "$@"\n')
    (path / "python3").chmod(0o755)
    todo = {}
    for page in PAGES:
        todo[str(page)] = ("rm", ["predictions"], True)  # pages predict the same photo
        for command in [*commands_in_blocks(page), *commands_in_text(page)]:
            found = script_of(command.words)
            if found is not None:
                script, arguments = found[0], [word.replace(HERE, f"{folder}/") for word in found[1]]
                if command.words[:2] == ("bash", "run_all.sh"):
                    arguments = as_run_all_calls(arguments, folder, path)
                todo[command.place] = (script, arguments, not command.needs)
    machine_code = str(Path(compiled.__file__).parent / "__pycache__")
    environment = {**os.environ, ROOT_VARIABLE: str(folder), "NUMBA_CACHE_DIR": machine_code}
    environment["PYTHONPATH"] = str(REPOSITORY / "src")
    process = [sys.executable, str(REPOSITORY / "tests/support/page_scripts.py")]
    asked = json.dumps(list(todo.values()))
    done = subprocess.run(process, cwd=folder, env=environment, input=asked, stdout=subprocess.PIPE, text=True)
    return dict(zip(todo, json.loads(done.stdout.splitlines()[-1]), strict=True))


def test_every_command_runs_on_the_demo_or_says_what_it_needs():
    assert {command.needs for command in blocks()} - {""} == NEEDS.keys()
    unmarked = [command for command in blocks() if not command.needs and command.words[0] not in SHELL]
    assert [command.place for command in unmarked if script_of(command.words) is None] == []
    assert len(unmarked) > 40


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_the_commands_of_a_page(page, wrong):
    for command in [*commands_in_blocks(page), *commands_in_text(page)]:
        assert wrong.get(command.place) is None, f"{command.place}\n{wrong[command.place]}"


def test_what_pip_is_told_to_install_is_there():
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for command in blocks():
        if command.words[0] == "pip":
            files = [file for option, file in itertools.pairwise(command.words) if option == "-r"]
            assert files or "." in command.words, command.place
            assert all((REPOSITORY / file).is_file() for file in files), command.place
    named = {name for page in PAGES for each in _EXTRAS.findall(page.read_text()) for name in each.split(",")}
    assert named and named <= extras.keys()
