"""What travels with a bundle: the lists of what a target has, what it lacks, and which wheels fit it."""

import subprocess
import sys

import pip  # whose copy of packaging a bare Python uses
import pytest
from packaging.requirements import Requirement

from maskfold.config import REPOSITORY
from maskfold.errors import UsageError
from maskfold.export.bundle import needed_requirements, needed_versions
from maskfold.export.target import Target, list_names, target_of
from maskfold.export.wheels import fetch_wheels, wanted_by
from maskfold.requirements import declared, lack_of, lacks

LINUX = "manylinux_2_28_x86_64"


def test_a_freeze_is_read_with_its_odd_lines(tmp_path):
    (tmp_path / "have.txt").write_text(
        "# a comment\n-e git+https://x/y#egg=y\nTorch==2.8.0+cu126\nscikit_learn == 1.6.1\n"
        "jaxlib @ https://x/jaxlib-0.4.10%2Bcuda11-cp310-cp310-manylinux2014_x86_64.whl#sha256=0\n"
        "google-colab @ file:///colabtools/dist/google_colab-1.0.0.tar.gz\n"
    )
    target = target_of(str(tmp_path / "have.txt"), "3.12", LINUX)
    assert target.have == {"torch": "2.8.0+cu126", "scikit-learn": "1.6.1", "jaxlib": "0.4.10+cuda11"}
    assert (target.python, target.platform) == ("3.12", LINUX)


@pytest.mark.parametrize("name", list_names())
def test_the_lists_that_come_along_name_their_target(name):
    target = target_of(name, None, None)
    assert target.have.keys() >= {"torch", "numpy", "pandas"}
    assert target.python == "3.12"
    assert name.rpartition("-20")[2].count("-") == 1, "a month"


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ("torch 2.8.0\n", (None, None), r"line 1: 'torch 2\.8\.0' is no line of `pip freeze`"),
        ("numpy==2.0\ntorch>=2.8\n", (None, None), r"line 2: 'torch>=2\.8' is no line"),
        ("<html>\n", (None, None), "line 1"),
        ("numpy==new\n", (None, None), "line 1"),
        ("\n# nothing\n", (None, None), "names no package"),
        ("numpy==2.0\n", ("three", None), "--python-version three: expected two numbers"),
        ("numpy==2.0\n", (None, "kaggle"), "--platform kaggle: expected the tag of a wheel"),
    ],
)
def test_what_is_no_target_is_refused(tmp_path, text, arguments, message):
    (tmp_path / "have.txt").write_text(text)
    with pytest.raises(UsageError, match=message):
        target_of(str(tmp_path / "have.txt"), *arguments)


def test_a_missing_list_is_answered_with_those_that_come_along():
    with pytest.raises(UsageError, match=r"--have kagle: no such file.*colab-2026-06"):
        target_of("kagle", None, None)


def test_a_requirement_is_met_by_any_package_of_the_same_module_and_by_local_versions():
    opencv, torch = Requirement("opencv-python-headless>=4.11,<6"), Requirement("torch>=2.8,<3")
    assert lack_of(opencv, {"opencv-contrib-python": "4.12.0.88"}.get) is None
    assert lack_of(torch, {"torch": "2.8.0+cu126"}.get) is None
    assert [
        str(each) for each in lacks([opencv, torch], {"torch": "2.6.0+cu124", "opencv-python": "4.5.1.48"}.get)
    ] == [
        "opencv-python-headless: 4.5.1.48, needed: <6,>=4.11",
        "torch: 2.6.0+cu124, needed: <3,>=2.8",
    ]


def test_only_what_the_target_lacks_travels_and_what_that_needs():
    direct = needed_requirements(needed_versions())
    colab = target_of("colab-2026-06", None, None)
    assert [each.name for each in wanted_by(direct, colab)] == ["filelock", "segmentation-models-pytorch", "ttach"]
    bare = {name: version for name, version in colab.have.items() if name not in ("timm", "safetensors", "filelock")}
    older = bare | {"torch": "2.6.0+cu124", "torchvision": "0.21.0+cu124"}
    names = {each.name: each.lack.found for each in wanted_by(direct, Target("3.12", LINUX, older))}
    assert names.items() >= {"torch": "2.6.0+cu124", "timm": None, "safetensors": None, "filelock": None}.items()
    assert "numpy" not in names
    windows = {each.name for each in wanted_by(direct, Target("3.12", "win_amd64", {}))}
    assert "torch" in windows and not any(name.startswith("nvidia") for name in windows), "CUDA is for Linux"


def test_wheels_that_are_there_are_used_if_they_fit_and_are_in_the_range(tmp_path):
    direct = [Requirement("ttach>=0.0.3,<0.1")]
    wanted = [each for each in wanted_by(direct, Target("3.12", LINUX, {})) if each.name == "ttach"]
    for name in (
        "ttach-0.0.2-py3-none-any.whl",
        "ttach-0.0.4-cp39-cp39-win_amd64.whl",
        "odd.whl",
        "other-1-py3-none-any.whl",
    ):
        (tmp_path / name).touch()
    for name in (
        "ttach-0.0.3-py3-none-any.whl",
        "ttach-0.0.5-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    ):
        (tmp_path / name).touch()
        assert [path.name for path in fetch_wheels(wanted, Target("3.12", LINUX), tmp_path)] == [name]


def test_without_a_network_the_wheel_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "https://nowhere.invalid/simple")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    target = Target("3.12", LINUX, {})
    wanted = [each for each in wanted_by([Requirement("ttach>=0.0.3,<0.1")], target) if each.name == "ttach"]
    with pytest.raises(UsageError, match=r"ttach is not in .*the package index cannot be reached"):
        fetch_wheels(wanted, target, tmp_path / "wheels")


@pytest.mark.parametrize("there", ["cp312-cp312-win_amd64", "cp311-cp311-manylinux_2_28_x86_64"])
def test_a_package_without_a_wheel_for_the_target_is_named(tmp_path, monkeypatch, there):
    offered = tmp_path / "offered"
    offered.mkdir()
    (offered / f"ttach-0.0.3-{there}.whl").touch()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(offered))
    target = Target("3.12", LINUX, {})
    wanted = [each for each in wanted_by([Requirement("ttach>=0.0.3,<0.1")], target) if each.name == "ttach"]
    with pytest.raises(
        UsageError, match=rf"no wheel of ttach<0.1,>=0.0.3 for Python 3.12 on {LINUX}; name another --platform"
    ):
        fetch_wheels(wanted, target, tmp_path / "wheels")


def test_a_python_without_the_packages_gets_one_list_and_one_line(tmp_path):
    site = tmp_path / "site"
    for name, version in (("torch", "2.3.0+cpu"), ("numpy", "2.0.2")):
        info = site / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (site / "pip").symlink_to(pip.__path__[0])
    command = [sys._base_executable, "-S", "-s", "-m", "maskfold.requirements"]
    environment = {"PYTHONPATH": f"{site}:{REPOSITORY / 'src'}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    lines = done.stderr.splitlines()
    assert done.returncode == 2, done.stderr
    assert f"lacks {len(declared()) - 1} packages that maskfold needs, or has another version" in lines[0]
    assert "  torch: 2.3.0+cpu, needed: <3,>=2.8" in lines
    assert "  ttach: not installed, needed: <0.1,>=0.0.3" in lines
    assert not any(line.startswith("  numpy") for line in lines)
    assert "-m pip install 'torch<3,>=2.8'" in lines[-1] and "'ttach<0.1,>=0.0.3'" in lines[-1]
