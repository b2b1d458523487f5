"""The submission stage inside a bundle: no training data, no runs, nothing to download, and perhaps nothing writable.

What make_submission reads is linked into a folder next to the submission, and finished parts are kept there until the
submission is complete. So the same code makes submissions at home and here, and a killed run continues.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from maskfold.artefacts.files import whole_file, whole_folder
from maskfold.artefacts.manifest import CONFIG
from maskfold.artefacts.paths import RunPaths, display
from maskfold.artefacts.provenance import Provenance
from maskfold.config import Config, MaskFoldersData, parse_config
from maskfold.config.submission import FOLDERS
from maskfold.data.competition import Competition, OnBadImage
from maskfold.data.formats.mask_folders import photos_in
from maskfold.data.image_ids import images_by_id
from maskfold.data.images.files import image_table
from maskfold.data.images.orientation import undecided_orientation
from maskfold.data.problems import Problems
from maskfold.data.recognition.recognise import explicit_data
from maskfold.data.unused import report_unused
from maskfold.data.validation import check_files, check_sample, with_channels
from maskfold.data.volumes.opening import with_volumes
from maskfold.errors import DataError
from maskfold.export.manifest import Manifest
from maskfold.rules.tuned import TunedArtefact
from maskfold.stages.make_submission import make_submission
from maskfold.submission.form import submission_form
from maskfold.submission.predicting import predict_rows
from maskfold.submission.usable_rules import checked_artefact

TRIAL_IMAGES = 8  # timed for the estimate


def submit_test_images(
    bundle: Path,
    images: Path,
    sample: Path | None,
    out: Path | None,
    budget_minutes: float | None = None,
    on_bad_image: OnBadImage = "strict",
) -> None:
    """Write the submission for a folder of test images to `out`, whole or not at all, with a checked bundle.

    sample: the competition's sample submission; out: None for submission.csv (.json, or a folder, where the config asks
    for that) in the working folder; on_bad_image: what becomes of images that cannot be read. Prints an estimate of the
    run time, and a warning when it is above the budget. Raises DataError for images and a sample that cannot be used.
    """
    manifest = Manifest.read(bundle)
    config = parse_config((bundle / CONFIG).read_text(encoding="utf-8"))
    out = _free_place(out, config)
    work = out.with_name(f".{out.name}.work")
    config = _laid_out(bundle, manifest, config, work)
    competition = _test_competition(config, manifest, images.resolve(), sample, on_bad_image)
    submission_form(competition, config.submission)  # a wrong sample file is better known before any prediction
    minutes = _estimated_minutes(config, competition.readable_test)
    if minutes is not None and budget_minutes is not None and minutes > budget_minutes:
        print(_over_budget(config, minutes, budget_minutes), file=sys.stderr, flush=True)
    make_submission(config, competition)
    made = RunPaths.of(config).submission(config.submission.layout)
    if made.is_dir():
        with whole_folder(out) as folder:
            shutil.copytree(made, folder, dirs_exist_ok=True)
    else:
        with whole_file(out) as temporary:
            shutil.copyfile(made, temporary)
    _copy_bad_images(RunPaths.of(config).bad_images_csv, out)
    shutil.rmtree(work)
    print(f"predict: {display(out)} is ready")


def _copy_bad_images(made: Path, out: Path) -> None:
    """Write the list of unreadable images, if there are any, next to the submission."""
    copy = out.with_name(f"{out.stem}.bad_images.csv")
    if made.is_file():
        with whole_file(copy) as temporary:
            shutil.copyfile(made, temporary)
    else:
        copy.unlink(missing_ok=True)


def _free_place(out: Path | None, config: Config) -> Path:
    """Absolute path of the submission. Raises DataError if a folder has that path."""
    layout = config.submission.layout
    place = Path("submission" + RunPaths.of(config).submission(layout).suffix) if out is None else out
    if place.is_dir() and (layout not in FOLDERS or any(place.iterdir())):
        raise DataError([f"{place}: this folder exists already; give another --out"])
    return place.resolve()


def _laid_out(bundle: Path, manifest: Manifest, config: Config, work: Path) -> Config:
    """The config that finds its weights and rules in `work`.

    The rules name the trained weights by their hashes, and those of a bundle may be halved; the manifest, which knows
    both and was checked, stands in between.
    """
    for run in config.experiments:
        for number in range(run.models):
            _link(RunPaths.of(run, bundle).model(number), RunPaths.of(run, work).model(number))
    tuned = TunedArtefact.read(RunPaths.of(config, bundle).postprocess_json)
    weights = {name: manifest.weights[name] for name in tuned.checkpoints}  # not those of a refit
    assert tuned.checkpoints == {name: each.trained for name, each in weights.items()}
    bundled = {name: manifest.files[each.file] for name, each in weights.items()}
    tuned.model_copy(update={"checkpoints": bundled}).write(RunPaths.of(config, work).postprocess_json)
    Provenance("bundle", {}).write(RunPaths.of(config, work).postprocess_json)
    return config.with_changes(lambda _: {"output_root": str(work)})


def _link(source: Path, link: Path) -> None:
    """Make `source` appear at `link`; a copy where the disk knows no links."""
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    try:
        link.symlink_to(source)
    except OSError:
        shutil.copyfile(source, link)


def _test_competition(
    config: Config, manifest: Manifest, folder: Path, sample: Path | None, on_bad_image: OnBadImage
) -> Competition:
    """The competition without its training images, checked. Raises DataError with all problems together."""
    problems = Problems()
    if isinstance(config.data, MaskFoldersData):
        images = photos_in(config.data, folder, problems)
    else:
        images = images_by_id(folder, manifest.image_ids == "stem", problems)
    names = config.data.class_names
    data = explicit_data(config.data).model_copy(update={"check": "decode"})
    headers, unreadable = check_files([], images, data, on_bad_image, problems)
    sample = None if sample is None else sample.resolve()
    if sample is not None:
        check_sample(sample.parent, sample.name, names, images, problems)
    problems.raise_any()
    empty = pd.DataFrame({"image_id": [], "path": [], "height": [], "width": []})
    test = image_table(images, headers)
    if undecided := undecided_orientation(empty, test, (), ()) if data.orientation == "auto" else []:
        raise DataError([f"{line}, and export the bundle again" for line in undecided])
    competition = Competition(
        names,
        empty,
        test,
        _no_masks,
        sample_submission=sample,
        unreadable=unreadable,
        exclusive=config.data.exclusive,
    )
    competition = with_volumes(competition, data, problems)
    report_unused(competition, problems.unused, folder)
    return with_channels(competition, config.in_channels, on_bad_image)


def _no_masks(image_id: str) -> np.ndarray:
    raise AssertionError(f"a bundle has no training masks, not for {image_id} either")


def _estimated_minutes(config: Config, images: pd.DataFrame) -> float | None:
    """How long all images will take, from a few; None where there are no more than a few."""
    if len(images) <= TRIAL_IMAGES:
        return None
    tuned = checked_artefact(config)
    rows = np.linspace(0, len(images) - 1, TRIAL_IMAGES).round().astype(int)
    few, pixels = images.iloc[rows], images["height"] * images["width"]
    list(predict_rows(config, tuned, few.iloc[:1], "loading the models"))
    started = time.monotonic()
    list(predict_rows(config, tuned, few, "timing"))
    seconds = (time.monotonic() - started) * float(pixels.sum() / pixels.iloc[rows].sum())
    print(
        f"predict: about {seconds / 60:.1f} minutes for {len(images)} images ({seconds / len(images):.2f} s an image, "
        f"timed on {TRIAL_IMAGES})",
        flush=True,
    )
    return seconds / 60


def _over_budget(config: Config, minutes: float, budget_minutes: float) -> str:
    """The warning, with what could be lowered."""
    runs = config.experiments
    models = sum(run.folds.models for run in runs)
    views = "; ".join(f"{', '.join(run.inference.tta) or 'none'}" for run in runs)
    return (
        f"warning: about {minutes:.1f} minutes are over the budget of {budget_minutes:g}. What would be faster: a GPU, "
        f"less test-time augmentation (inference.tta is now: {views}; tune again after a change), or fewer folds (each "
        f"of the {models} models takes about {minutes / models:.1f} minutes); then export again"
    )
