"""The set-up of run_all.sh with real pip and tiny wheels: which build of torch it takes, and installed packages."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile

import pytest
from packaging.utils import canonicalize_name

from maskfold.artefacts.files import file_hash
from maskfold.config import REPOSITORY

PINNED = "torch==1.0\ntorchvision==2.0\n"


def write_wheel(folder, name, version):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", "")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


def index_of(folder, *wheels):
    """A package index in a folder: CPU builds of the packages (name, version)."""
    for name, version in wheels:
        write_wheel(folder / name, name, version)
        (folder / name / "index.html").write_text(f'<a href="{name}-{version}-py3-none-any.whl">{name}</a>')
    return folder.as_uri()


@pytest.fixture(scope="module")
def empty_venv(tmp_path_factory):
    folder = tmp_path_factory.mktemp("venv") / ".venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    return folder


@pytest.fixture
def clone(empty_venv, tmp_path):
    for name in ("run_all.sh", "setup_venv.sh"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    shutil.copytree(empty_venv, tmp_path / ".venv", symlinks=True)
    (tmp_path / "requirements.txt").write_text(PINNED)
    write_wheel(tmp_path / "wheels", "torch", "1.0")
    write_wheel(tmp_path / "wheels", "torchvision", "2.0")
    return tmp_path


def started(clone, cpu_index, *options):
    environment = {
        "PATH": os.environ["PATH"],
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_FIND_LINKS": str(clone / "wheels"),
        "PIP_INDEX_URL": (clone / "no index").as_uri(),
        "TORCH_CPU_INDEX": cpu_index,
    }
    command = ["bash", clone / "run_all.sh", "--setup-only", *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def set_up(clone, cpu_index, *options):
    done = started(clone, cpu_index, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    found = sorted(path.name for path in (clone / ".venv").glob("lib/python3*/site-packages/torch*.dist-info"))
    return [name.removesuffix(".dist-info") for name in found], done.stdout


def test_the_cpu_build_is_taken_where_the_index_has_the_matching_pair(clone):
    index = index_of(clone / "cpu", ("torch", "1.0+cpu"), ("torchvision", "2.0+cpu"))
    found, said = set_up(clone, index, "--cpu")
    assert found == ["torch-1.0+cpu", "torchvision-2.0+cpu"]
    assert "taking torch==1.0+cpu torchvision==2.0+cpu" in said and "0.2 GB" in said
    assert "about 3 GB" in said
    assert set_up(clone, index)[1].count("set-up:") == 1, "nothing is installed again"


@pytest.mark.parametrize(
    "wheels",
    [[("torch", "1.0+cpu")], [("torch", "0.9+cpu"), ("torchvision", "2.0+cpu")], []],
    ids=["no torchvision", "another torch", "no index"],
)
def test_without_the_matching_pair_the_pinned_one_is_taken_and_a_line_says_so(clone, wheels):
    found, said = set_up(clone, index_of(clone / "cpu", *wheels), "--cpu")
    assert found == ["torch-1.0", "torchvision-2.0"]
    assert "CPU index has no such pair or cannot be reached; taking the pinned one" in said
    assert "about 8 GB" in said


def test_gpu_takes_the_pinned_pair_and_a_change_of_mind_makes_the_environment_again(clone):
    index = index_of(clone / "cpu", ("torch", "1.0+cpu"), ("torchvision", "2.0+cpu"))
    found, said = set_up(clone, index, "--gpu")
    assert found == ["torch-1.0", "torchvision-2.0"]
    assert "CPU index" not in said
    found, said = set_up(clone, index, "--cpu")
    assert "made with --gpu; making it again" in said
    assert found == ["torch-1.0+cpu", "torchvision-2.0+cpu"]


def test_installed_packages_are_used_and_what_they_lack_is_named(clone):
    shutil.copytree(
        REPOSITORY / "src" / "maskfold", clone / "src/maskfold", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(REPOSITORY / "pyproject.toml", clone)
    command = ["bash", clone / "run_all.sh", "--system-python", "--setup-only"]
    bare = {"PATH": os.environ["PATH"], "PYTHON": str(clone / ".venv/bin/python")}
    done = subprocess.run(command, env=bare, capture_output=True, text=True)
    assert done.returncode == 2
    assert "  ttach: not installed, needed: <0.1,>=0.0.3" in done.stderr.splitlines()
    done = subprocess.run(command, env=bare | {"PYTHON": sys.executable}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "has all that is needed" in done.stdout


def locked(clone, changed=()):
    """A requirements.lock of the two wheels, with their hashes; changed: pin -> another hash."""
    wheels = {"torch==1.0": "torch-1.0-py3-none-any.whl", "torchvision==2.0": "torchvision-2.0-py3-none-any.whl"}
    hashes = {pin: dict(changed).get(pin) or file_hash(clone / "wheels" / wheel) for pin, wheel in wheels.items()}
    lines = [f"{pin} --hash=sha256:{digest}\n" for pin, digest in hashes.items()]
    (clone / "requirements.lock").write_text("".join(lines))


def test_locked_installs_only_files_of_these_hashes_and_stays(clone):
    locked(clone)
    set_up(clone, "", "--gpu")
    found, said = set_up(clone, "", "--locked")
    assert found == ["torch-1.0", "torchvision-2.0"]
    assert "made without --locked; making it again" in said and "installing requirements.lock" in said
    assert set_up(clone, "")[1].count("set-up:") == 1, "nothing else is installed over it"


def test_another_file_than_the_locked_one_is_refused(clone):
    locked(clone, {"torchvision==2.0": "0" * 64})
    done = started(clone, "", "--locked")
    assert done.returncode == 2
    assert "error: torchvision==2.0 is another file here than the one that requirements.lock names" in done.stderr
    done = started(clone, "", "--locked", "--cpu")
    assert (done.returncode, "leave out --cpu" in done.stderr) == (2, True)


def test_the_lock_file_holds_the_pins_with_hashes():
    entries = re.split(r"\n(?=\S)", (REPOSITORY / "requirements.lock").read_text().replace("\\\n", ""))
    entries = [entry for entry in entries if not entry.startswith("#")]
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", entry) for entry in entries)
    versions = {canonicalize_name(entry.partition("==")[0]): entry.partition("==")[2].split()[0] for entry in entries}
    lines = [line for line in (REPOSITORY / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    pinned = {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines)}
    assert pinned.items() <= versions.items()
