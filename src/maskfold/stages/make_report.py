"""The report stage: one static HTML folder a run, made from artefacts alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from maskfold.artefacts.code_version import code_version
from maskfold.artefacts.files import file_hash, whole_folder
from maskfold.artefacts.lock import one_writer
from maskfold.artefacts.paths import RunPaths, display
from maskfold.artefacts.provenance import Provenance, changed_inputs, damage, recorded_inputs, unvouched
from maskfold.artefacts.step import Step
from maskfold.config import Config
from maskfold.data.competition import Competition
from maskfold.errors import StaleError
from maskfold.oof.origin import label_hashes, oof_hashes
from maskfold.report.leaderboards import board_files
from maskfold.report.pages import write_pages
from maskfold.report.test_gallery import submission_inputs
from maskfold.report.trainings import trained_models
from maskfold.rules.tuned import TunedArtefact
from maskfold.submission.usable_rules import EDITED_RULES

_WHERE: dict[str, Any] = {"output_root": True, "run": True, "track": True} | {  # not what it shows
    "blend": {"members": {"__all__": {"output_root", "run", "track"}}}
}


@one_writer("make_report")
def make_report(config: Config, competition: Competition, accept_code_changes: bool = False) -> None:
    """Write reports/<name>/ unless it is up to date: the page, the galleries and their pictures, whole or not at all.

    Raises StaleError when the run is not tuned yet, or on other labels or OOF, or a file it shows was changed.
    """
    step, paths = Step("make_report", accept_code_changes), RunPaths.of(config)
    submission = paths.submission(config.submission.layout)
    _check_tuned(config, competition, paths)
    _check_submission(config, submission)
    tuned = TunedArtefact.read(paths.postprocess_json)
    other_pages = _other_pages(paths)
    edited = EDITED_RULES in recorded_inputs(submission)
    shown = submission_inputs(submission, competition, config.report.test_gallery)
    made_from = Provenance(
        "make_report",
        {"config": config.model_dump(mode="json", exclude=_WHERE)} | ({"rules": EDITED_RULES} if edited else {}),
        _inputs(config, paths, other_pages) | competition.train_inputs() | shown,
        code_version("report"),
    )
    page = paths.report / "index.html"
    if not step.due(page, made_from):
        return
    _check_oof(config, paths, tuned)
    with whole_folder(paths.report) as part:
        write_pages(config, competition, tuned, other_pages, part, edited)
        made_from.write(part / page.name)
    step.wrote(page, "; open it in a browser")


def _check_tuned(config: Config, competition: Competition, paths: RunPaths) -> None:
    """Scores of other labels, or of an interrupted tuning, would mislead next to what is there now."""
    path = paths.postprocess_json
    if not path.is_file():
        return  # reading it says so
    if reasons := unvouched(path) or changed_inputs(path, label_hashes(competition)):
        raise StaleError(
            f"{display(path)} does not describe what is there: {'; '.join(reasons)}; "
            f"run `python src/tune_thresholds.py --config configs/{config.name}.yaml`"
        )


def _check_submission(config: Config, submission: Path) -> None:
    if submission.exists() and (reasons := damage(submission)):
        raise StaleError(
            f"{display(submission)}: {'; '.join(reasons)}; "
            f"run `python src/make_submission.py --config configs/{config.name}.yaml`"
        )


def _inputs(config: Config, paths: RunPaths, other_pages: dict[str, Path]) -> dict[str, str]:
    files = [paths.postprocess_json, paths.image_scores_csv]
    optional = [RunPaths.of(run).history_csv(model) for run, model in trained_models(config)]
    files += [file for file in (*optional, paths.bad_images_csv) if file.is_file()]
    missing = [display(file) for file in files if not file.is_file()]
    if missing:
        raise StaleError(f"no report without {', '.join(missing)}; run `bash run_all.sh configs/{config.name}.yaml`")
    names = {f"{file.parent.parent.name}/{file.parent.name}/{file.name}": file_hash(file) for file in files}
    names |= {f"{file.parent.name}/{file.name}": file_hash(file) for file in board_files(paths.root, config.name)}
    # The page of an audit says all that its pictures and tables do, so it stands for its folder.
    pages = {f"{kind} page": file_hash(folder / "index.html") for kind, folder in other_pages.items()}
    return names | pages


def _check_oof(config: Config, paths: RunPaths, tuned: TunedArtefact) -> None:
    """Pictures of other predictions than those that were scored would mislead."""
    changed = [fold for fold, digest in oof_hashes(config).items() if tuned.oof.get(fold) != digest]
    if changed:
        raise StaleError(
            f"{display(paths.postprocess_json)} was tuned on other OOF predictions of {', '.join(changed)}; "
            f"run `python src/tune_thresholds.py --config configs/{config.name}.yaml`"
        )


def _other_pages(paths: RunPaths) -> dict[str, Path]:
    """Kind -> folder of the other pages of this run, such as audits: reports/<name>.<kind>/ with an index.html."""
    pages = sorted(paths.report.parent.glob(f"{paths.name}.*/index.html"))
    return {page.parent.name.removeprefix(f"{paths.name}."): page.parent for page in pages}
