"""Bundles for offline machines: the same bytes as at home, without network and in a fresh environment."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata

import pandas as pd
import pytest
from PIL import Image

from maskfold.artefacts.manifest import CONFIG
from maskfold.artefacts.paths import RunPaths
from maskfold.data.opening import open_competition
from maskfold.errors import DataError, StaleError, UsageError
from maskfold.export.bundle import needed_versions
from maskfold.export.manifest import Manifest
from maskfold.export.target import Target
from maskfold.stages.export_bundle import WheelRequest, export_bundle
from maskfold.stages.make_submission import make_submission
from maskfold.stages.submit_offline import submit_test_images
from support.blends import as_blend
from support.bundled_run import RULES, inputs_of, write_run
from support.random_run import write_rules


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The run, and the bytes that make_submission answers with."""
    config = write_run(tmp_path_factory.mktemp("home"))
    make_submission(config, open_competition(config.data, config.model.in_channels))
    answer = RunPaths.of(config).submission("image").read_bytes()
    assert sum(line.count(b" ") for line in answer.splitlines()) > 100, "the masks show something"
    return config, answer


@pytest.fixture(scope="module")
def bundle(run, tmp_path_factory):
    return export_bundle(run[0], tmp_path_factory.mktemp("exports") / "tiny")


def names_in(folder):
    return [path.name for path in folder.iterdir()]


def fresh_packages(wheels, folder):
    """A folder of packages that holds what wheels.txt lists, and nothing else."""
    folder.mkdir()
    for line in wheels.read_text().splitlines():
        distribution = metadata.distribution(line.partition("==")[0])
        for top in {file.parts[0] for file in distribution.files} - {"..", "__pycache__"}:
            if not (folder / top).exists():
                (folder / top).symlink_to(distribution.locate_file(top))
    return folder


def predict(bundle, packages, *arguments, without=(), cwd):
    """predict.py of a bundle as a process that knows no packages but those."""
    python = [sys._base_executable, "-S", "-s", str(bundle / "predict.py")]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(packages), "HOME": str(cwd)}
    return subprocess.run(
        [*without, *python, *map(str, arguments)], cwd=cwd, env=environment, capture_output=True, text=True
    )


READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'


def without_network(folder):
    """How a command line begins that runs without network and, where mounts are allowed, with `folder` read-only."""
    read_only = ["unshare", "-rnm", "sh", "-c", READ_ONLY, str(folder)]
    for prefix in (read_only, ["unshare", "-rn"]):
        if shutil.which("unshare") and not subprocess.run([*prefix, "true"], capture_output=True).returncode:
            return prefix
    pytest.skip("unshare -rn is not allowed here, so the network cannot be taken away")


def test_a_bundle_answers_without_network_as_at_home_byte_for_byte(run, bundle, tmp_path):
    config, answer = run
    unpacked, work = tmp_path / "unpacked", tmp_path / "work"
    shutil.copytree(bundle, unpacked)
    work.mkdir()
    images, sample = inputs_of(config)
    result = predict(
        unpacked,
        fresh_packages(unpacked / "wheels.txt", tmp_path / "packages"),
        *("--images", images, "--sample", sample, "--out", "answers/submission.csv", "--budget-minutes", "0.000001"),
        without=without_network(unpacked),
        cwd=work,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert (work / "answers/submission.csv").read_bytes() == answer
    assert names_in(work / "answers") == ["submission.csv"]
    assert "minutes for 12 images" in result.stdout
    assert "over the budget of 1e-06" in result.stderr
    assert "inference.tta is now: hflip" in result.stderr
    assert "each of the 2 models" in result.stderr


def test_damaged_and_missing_files_are_named_before_any_work(bundle, tmp_path):
    shutil.copytree(bundle, tmp_path / "copy")
    weights = tmp_path / "copy/runs/tiny/fold1/model.pt"
    damaged = bytearray(weights.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    weights.write_bytes(damaged)
    (tmp_path / "copy/config.json").unlink()
    result = predict(tmp_path / "copy", tmp_path / "none", "--images", "x", cwd=tmp_path)
    assert result.returncode == 2
    assert "runs/tiny/fold1/model.pt is damaged" in result.stderr
    assert "config.json is missing" in result.stderr
    assert "fold0" not in result.stderr


def test_a_changed_manifest_is_refused(bundle, tmp_path):
    shutil.copytree(bundle, tmp_path / "copy")
    manifest = tmp_path / "copy/MANIFEST.json"
    manifest.write_text(manifest.read_text().replace('"image_ids": "', '"image_ids":  "'))
    allowed = predict(tmp_path / "copy", tmp_path / "none", "--images", "x", cwd=tmp_path)
    assert "MANIFEST" not in allowed.stderr, "spaces mean nothing"
    manifest.write_text(manifest.read_text().replace('"precision": "float32"', '"precision": "float16"'))
    refused = predict(tmp_path / "copy", tmp_path / "none", "--images", "x", cwd=tmp_path)
    assert refused.returncode == 2
    assert "MANIFEST.json is damaged (its checksum is another); copy the bundle again" in refused.stderr


@pytest.mark.parametrize("name", ["src/torch.py", "src/maskfold/more.py", "json.py", "src/maskfold/__pycache__/x.pyc"])
def test_files_that_the_manifest_does_not_list_are_refused_and_never_run(bundle, tmp_path, name):
    shutil.copytree(bundle, tmp_path / "copy")
    added, proof = tmp_path / "copy" / name, tmp_path / "it was run"
    added.parent.mkdir(exist_ok=True)
    added.write_text(f"open({str(proof)!r}, 'w')\n")
    result = predict(tmp_path / "copy", tmp_path / "none", "--images", "x", cwd=tmp_path)
    assert result.returncode == 2
    assert f"{name} does not belong to it" in result.stderr
    assert not proof.exists()


def test_missing_packages_are_named_with_the_command_that_brings_them(bundle, tmp_path):
    result = predict(bundle, tmp_path / "none", "--images", "x", cwd=tmp_path)
    assert result.returncode == 2
    assert f"torch=={metadata.version('torch').partition('+')[0]}" in result.stderr
    assert "pip install --no-index --no-deps --find-links WHEELS" in result.stderr


def test_half_precision_halves_the_weights_and_says_so(run, bundle, tmp_path, capsys):
    config, answer = run
    half = export_bundle(config, tmp_path / "half", half=True)
    assert "may differ" in capsys.readouterr().out
    assert "may differ" in (half / "README.txt").read_text()
    file = "runs/tiny/fold0/model.pt"
    assert (half / file).stat().st_size < 0.6 * (bundle / file).stat().st_size
    assert Manifest.read(half).precision == "float16"
    submit_test_images(half, *inputs_of(config), tmp_path / "half.csv")
    rows = [text.decode().splitlines() for text in (answer, (tmp_path / "half.csv").read_bytes())]
    assert [row.rpartition(",")[0] for row in rows[0]] == [row.rpartition(",")[0] for row in rows[1]]


def test_a_blend_travels_with_the_weights_of_all_its_members(run, tmp_path):
    first, _ = run
    second = first.model_copy(
        update={"name": "second", "inference": first.inference.model_copy(update={"tta": ("vflip",)})}
    )
    shutil.copytree(RunPaths.of(first).run / "fold0", RunPaths.of(second).training(1))
    shutil.copytree(RunPaths.of(first).run / "fold1", RunPaths.of(second).training(0))
    blend = as_blend(first, "both", members=(first, second), combine="geometric")
    shutil.copyfile(RunPaths.of(first).folds_csv, RunPaths.of(blend).folds_csv)
    write_rules(blend, RULES, ensemble_weights={"tiny": 0.75, "second": 0.25}, combine="geometric")
    make_submission(blend, open_competition(blend.data))
    bundle = export_bundle(blend, tmp_path / "both")
    assert Manifest.read(bundle).weights.keys() == {"tiny/fold0", "tiny/fold1", "second/fold0", "second/fold1"}
    submit_test_images(bundle, *inputs_of(blend), tmp_path / "both.csv")
    assert (tmp_path / "both.csv").read_bytes() == RunPaths.of(blend).submission("image").read_bytes()


def test_what_is_there_already_is_refused_and_only_a_bundle_is_replaced(run, bundle, tmp_path):
    with pytest.raises(UsageError, match="--overwrite"):
        export_bundle(run[0], bundle)
    (tmp_path / "photos").mkdir()
    with pytest.raises(UsageError, match="no bundle to replace"):
        export_bundle(run[0], tmp_path / "photos", overwrite=True)
    before = Manifest.read(bundle).weights
    assert export_bundle(run[0], bundle, overwrite=True) == bundle
    assert Manifest.read(bundle).weights == before
    assert names_in(bundle.parent) == [bundle.name]


def test_a_zip_holds_what_the_manifest_lists(run, bundle, tmp_path):
    archive = export_bundle(run[0], tmp_path / "tiny", zipped=True)
    assert names_in(tmp_path) == [archive.name] == ["tiny.zip"]
    with zipfile.ZipFile(archive) as file:
        names = {name for name in file.namelist() if not name.endswith("/")}
    assert names == {"MANIFEST.json", *Manifest.read(bundle).files}
    assert not any("__pycache__" in name for name in names)


def test_wheels_travel_with_the_bundle_and_are_what_its_list_names(run, tmp_path):
    have = {name: version for name, version in needed_versions().items() if name != "ttach"}
    (tmp_path / "wheels").mkdir()
    for name in ("ttach-0.0.3-py3-none-any.whl", "rich-15.0.0-py3-none-any.whl"):
        (tmp_path / "wheels" / name).write_text(name)
    request = WheelRequest(tmp_path / "wheels", Target("3.12", "manylinux_2_28_x86_64", have))
    brought = export_bundle(run[0], tmp_path / "brought", wheels=request)
    assert names_in(brought / "wheels") == ["ttach-0.0.3-py3-none-any.whl"]
    assert (brought / "wheels.txt").read_text() == "ttach==0.0.3\n"
    assert "wheels/ttach-0.0.3-py3-none-any.whl" in Manifest.read(brought).files
    result = predict(brought, tmp_path / "none", "--images", "x", cwd=tmp_path)
    assert f"--find-links {brought / 'wheels'} -r" in result.stderr


def test_an_untuned_run_is_not_exported(run, tmp_path):
    config = run[0].model_copy(update={"inference": run[0].inference.model_copy(update={"tta": ("vflip",)})})
    with pytest.raises(StaleError, match="tuned with TTA"):
        export_bundle(config, tmp_path / "tiny")
    assert not list(tmp_path.iterdir())


def test_the_config_names_no_folder_of_this_machine_and_nothing_to_download(run, bundle):
    text = (bundle / "config.json").read_text()
    assert run[0].output_root not in text
    assert json.loads(text)["model"]["encoder_weights"] is None


def test_the_packages_are_those_of_inference():
    versions = needed_versions()
    assert {"torch", "torchvision", "timm", "opencv-python-headless", "pyarrow"} <= versions.keys()
    assert not {"numba", "llvmlite", "lightning", "optuna", "matplotlib", "albumentations", "pytest"} & versions.keys()


def test_the_notebook_is_a_notebook_that_calls_predict(bundle):
    notebook = json.loads((bundle / "notebook.ipynb").read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    code = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for source in code:
        compile(source, "cell", "exec")
    assert 'rglob("test_images")' in code[0]
    assert "predict(IMAGES, SAMPLE" in code[1]


def test_a_wrong_sample_file_is_refused_before_any_prediction(run, bundle, tmp_path):
    images, sample = inputs_of(run[0])
    rows = pd.read_csv(sample)
    rows.iloc[4:].to_csv(tmp_path / "sample.csv", index=False)
    with pytest.raises(ValueError, match="has no row"):
        submit_test_images(bundle, images, tmp_path / "sample.csv", tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_the_orientation_that_the_training_images_decide_travels_with_the_bundle(run, bundle, tmp_path):
    _, sample = inputs_of(run[0])
    images = tmp_path / "images"
    shutil.copytree(inputs_of(run[0])[0], images)
    first = sorted(images.iterdir())[0]
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(first) as image:
        image.save(first, exif=exif)
    with pytest.raises(DataError, match=r"EXIF orientation 6.*data\.orientation: stored.*export the bundle again"):
        submit_test_images(bundle, images, sample, tmp_path / "refused.csv")
    stored = run[0].model_copy(update={"data": run[0].data.model_copy(update={"orientation": "stored"})})
    exported = export_bundle(stored, tmp_path / "stored")
    submit_test_images(exported, images, sample, tmp_path / "answered.csv")
    assert json.loads((exported / CONFIG).read_text())["data"]["orientation"] == "stored"
    assert len(pd.read_csv(tmp_path / "answered.csv")) == len(pd.read_csv(sample))
