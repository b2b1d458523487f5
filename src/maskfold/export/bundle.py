"""The files of a bundle: weights, code, rules and a notebook, all that a machine offline needs for test images."""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import pandas as pd
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from maskfold import __version__
from maskfold.artefacts.files import file_hash
from maskfold.artefacts.manifest import CONFIG, MANIFEST
from maskfold.artefacts.own_code import is_own, source_files
from maskfold.artefacts.paths import RunPaths, display
from maskfold.config import (
    REPOSITORY,
    CocoData,
    Config,
    MaskFoldersData,
    Orientation,
    PathsCsvData,
)
from maskfold.data.images.suffixes import SUFFIXES, without_image_suffix
from maskfold.errors import StaleError, UsageError
from maskfold.export.dependencies import (
    distributions_of,
    imported_packages,
    package_of,
    with_requirements,
)
from maskfold.export.manifest import BundledPackage, Manifest
from maskfold.export.offline_config import config_text, offline_config
from maskfold.export.weights import write_weights
from maskfold.requirements import declared

HALF_NOTE = "the weights are in half precision: predictions may differ from those of the full weights in the last bits"
_TEMPLATES = Path(__file__).parent / "bundle_files"
_LIBRARY = Path(__file__).parents[1]


def write_bundle(
    part: Path, config: Config, half: bool, orientation: Orientation, wheels: Sequence[Path] | None = None
) -> None:
    """All files of the bundle, the manifest last, with their hashes.

    orientation: in which test images are read; wheels: that travel along, None: wheels.txt names all that is needed.
    """
    ignored = shutil.ignore_patterns("__pycache__", ".*", "scripts", "shipped_configs")  # of an installed package
    shutil.copytree(_LIBRARY, part / "src" / "maskfold", ignore=ignored)
    _copy_own_networks(part, config)
    weights = write_weights(part, config, half)
    rules = RunPaths.of(config, part).postprocess_json
    rules.parent.mkdir(parents=True)
    shutil.copyfile(RunPaths.of(config).postprocess_json, rules)
    (part / CONFIG).write_text(config_text(offline_config(config, orientation)), encoding="utf-8")
    versions = needed_versions()
    packages = {
        name: BundledPackage(version=versions[name], package=package_of(name))
        for name in map(canonicalize_name, (requirement.name for requirement in needed_requirements(versions)))
    }
    _write_lines(part / "requirements.txt", [f"{name}=={package.version}" for name, package in packages.items()])
    _add_wheels(part, versions, wheels)
    _write_templates(part, config, half)
    files = sorted(path for path in part.rglob("*") if path.is_file())
    manifest = Manifest(
        name=config.name,
        maskfold=__version__,
        python=platform.python_version(),
        precision="float16" if half else "float32",
        image_ids=_image_ids(config),
        weights=weights,
        packages=packages,
        files={path.relative_to(part).as_posix(): file_hash(path) for path in files},
    )
    (part / MANIFEST).write_text(manifest.text(), encoding="utf-8")


def _copy_own_networks(part: Path, config: Config) -> None:
    """Copy the sources of networks of the user's own; raises UsageError for those of an installed package."""
    for name in sorted({run.model.architecture for run in config.experiments if is_own(run.model.architecture)}):
        for relative, path in source_files(name, "model.architecture").items():
            if path != REPOSITORY / relative:
                raise UsageError(
                    f"model.architecture: {name} lies in {path.parent}, and a bundle holds own code of {REPOSITORY} "
                    "only; copy the package there"
                )
            (part / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, part / relative)


def _image_ids(config: Config) -> Literal["name", "stem"]:
    """Whether the reader of the competition's format gives a test image its file's name or the stem as its id."""
    data = config.data
    if isinstance(data, MaskFoldersData):
        if data.image_id == "stem" and without_image_suffix(data.image_name) != "{stem}" and "/" not in data.image_name:
            raise UsageError(
                f"data.image_id: stem: ids that are part of the file name ({data.image_name}) cannot be derived from "
                "a folder of test images; a bundle needs data.image_id: file"
            )
        return "name" if data.image_id == "name" else "stem"
    if isinstance(data, PathsCsvData):
        if data.columns.id is not None:
            raise UsageError(
                f"data.columns.id: {data.columns.id}: ids from a csv column cannot be derived from a folder of test "
                "images; a bundle needs ids that are file names or stems"
            )
        return "stem"
    if isinstance(data, CocoData):
        return "name"
    folds = RunPaths.of(config).folds_csv
    if not folds.is_file():
        raise StaleError(
            f"{display(folds)}: no folds, which show whether image ids have a suffix; "
            f"run `python src/make_folds.py --config configs/{config.name}.yaml`"
        )
    first = pd.read_csv(folds, dtype={"image_id": str}, keep_default_na=False, nrows=1)["image_id"].iloc[0]
    return "name" if first.lower().endswith(SUFFIXES) else "stem"


def needed_versions() -> dict[str, str]:
    """Distribution -> version of all packages that a bundle needs to predict images, as installed here."""
    packages = imported_packages("maskfold.stages.submit_offline") | imported_packages("maskfold.command_line")
    return with_requirements(distributions_of(packages))


def needed_requirements(needed: Mapping[str, str]) -> list[Requirement]:
    """The declared ranges of the packages that a bundle needs; needed: what `needed_versions` gives."""
    return [each for each in declared() if canonicalize_name(each.name) in needed]


def _add_wheels(part: Path, versions: Mapping[str, str], wheels: Sequence[Path] | None) -> None:
    """wheels.txt, and the wheels that are there already."""
    if wheels is not None:
        versions = {name: str(version) for name, version, *_ in (parse_wheel_filename(path.name) for path in wheels)}
    for path in wheels or ():
        (part / "wheels").mkdir(exist_ok=True)
        shutil.copyfile(path, part / "wheels" / path.name)
    _write_lines(part / "wheels.txt", [f"{name}=={version}" for name, version in versions.items()])


def _write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _sample_name(sample: str | None) -> str:
    """What the sample file is called, or its usual name where the config does not say it."""
    return "sample_submission.csv" if sample in (None, "auto") else Path(str(sample)).name


def _write_templates(part: Path, config: Config, half: bool) -> None:
    """predict.py, README.txt and the notebook, which looks for the folders by the names they have in the config."""
    shutil.copyfile(_TEMPLATES / "predict.py", part / "predict.py")
    places = {
        "IMAGES_NAME": Path(getattr(config.data, "test_images", None) or "test_images").name,
        "SAMPLE_NAME": _sample_name(getattr(config.data, "sample_submission", None)),
        "BUNDLE_NAME": config.name,
        "PYTHON_VERSION": ".".join(platform.python_version_tuple()[:2]),
        "PRECISION_NOTE": f"Note: {HALF_NOTE}." if half else "The weights are in full precision.",
    }
    for name in ("README.txt", "notebook.ipynb"):
        text = (_TEMPLATES / name).read_text(encoding="utf-8")
        for place, value in places.items():
            text = text.replace(place, json.dumps(value)[1:-1] if name.endswith(".ipynb") else value)
        (part / name).write_text(text, encoding="utf-8")
