"""Kaggle around a run: its data before, submissions and datasets after, and public scores beside the honest ones."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from maskfold.artefacts.files import file_hash
from maskfold.artefacts.lock import one_writer
from maskfold.artefacts.paths import RunPaths, display, leaderboard_csv, resolve
from maskfold.artefacts.provenance import recorded_inputs, unvouched
from maskfold.commands import as_called
from maskfold.config import REPOSITORY, Config
from maskfold.config.submission import FOLDERS
from maskfold.data.opening import open_competition
from maskfold.data.recognition.overlays import draw_overlays
from maskfold.errors import DataError, StaleError, UsageError
from maskfold.on_kaggle.client import connected
from maskfold.on_kaggle.leaderboard import read_leaderboard, with_row, write_leaderboard
from maskfold.on_kaggle.pulling import pull_data
from maskfold.on_kaggle.pushing import push_dataset, scores_of, submit, waited_for
from maskfold.planning.choices.data import choose_data
from maskfold.planning.choices.submission import choose_submission
from maskfold.planning.draft import Draft
from maskfold.planning.plan_file import in_order, may_replace, plan_text, write_plan
from maskfold.report.honest import HonestScore, honest_score
from maskfold.stages.export_bundle import export_bundle
from maskfold.submission.checking import check_submission
from maskfold.submission.usable_rules import checked_artefact

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True)
class PushRequest:
    """What goes to Kaggle.

    competition: by the last part of its address; message: of the submission or version; file: in place of the run's own
    submission; dataset: `[user/]name` that the bundle is sent to, None: no bundle; submission: whether one is sent;
    minutes: how long to wait for the score.
    """

    competition: str
    message: str
    file: Path | None = None
    dataset: str | None = None
    submission: bool = True
    minutes: float = 30.0


def pull(competition: str, folder: Path | None = None, name: str | None = None, configs: Path | None = None) -> Path:
    """Download a competition's data, unless it is there, and write a first config from its files; returns that.

    folder: by default data/<competition>; name: of the config, by default the competition's; configs: the folder it is
    written to. Raises UsageError for what keeps the data from coming, DataError for data without masks.
    """
    _check_name(competition)
    folder = resolve("data") / competition if folder is None else folder.resolve()
    path = (configs or REPOSITORY / "configs") / f"{name or competition}.yaml"
    may_replace(path)
    if pull_data(competition, folder):
        print(f"kaggle: the data of {competition} is in {display(folder)}", flush=True)
    else:
        print(f"kaggle: {display(folder)} holds data already, nothing was downloaded", flush=True)
    try:
        text = _first_config(competition, folder, name or competition)
    except DataError as error:
        raise DataError([f"{competition}: no config was written for {display(folder)}", *error.problems]) from None
    write_plan(path, text)
    print(f"kaggle: wrote {display(path)}; set tuning.metric to the competition's, then run it or plan the rest:")
    print(as_called(f"  bash run_all.sh {display(path)}\n  bash run_all.sh --keep {display(path)} --minutes 60"))
    return path


def _first_config(competition: str, folder: Path, name: str) -> str:
    """A config that says what the files say: the data and the form of the submission; the rest has its defaults."""
    draft = Draft()
    draft.choose("name", name, "")
    data, opened, notes = choose_data(draft, folder)
    picture = RunPaths(resolve("."), name, fold_models=0).labels_png
    draw_overlays(opened, picture)
    print(f"kaggle: look at {display(picture)}: six images with their masks, as they were read", flush=True)
    choose_submission(draft, opened, data)
    tree = in_order(draft.tree(), draft.config().model_dump(mode="json"))
    command = as_called(f"python src/on_kaggle.py pull {competition}")
    heading = [f"{competition} on Kaggle: what its files say; all else has its default."]
    return plan_text(tree, draft.reasons(), heading, command, notes)


@one_writer("kaggle")
def push(config: Config, request: PushRequest) -> pd.DataFrame:
    """Send a run's bundle, its submission or both, and write the public score beside the honest one.

    Returns the leaderboard. Raises UsageError for a submission that the competition would refuse or has, for a run that
    is not finished, and for what Kaggle refuses; StaleError for what must be made first.
    """
    _check_name(request.competition)
    board = leaderboard_csv(resolve(config.output_root), request.competition)
    table = read_leaderboard(board)
    api = connected()
    file, honest = (None, None) if not request.submission else _checked(config, request, table)
    if request.dataset is not None:
        with tempfile.TemporaryDirectory(prefix="maskfold-") as temporary:
            bundle = export_bundle(config, Path(temporary) / config.name)
            where = push_dataset(api, bundle, request.dataset, request.message)
        print(f"kaggle: the bundle is at {where}", flush=True)
    if file is None:
        return table
    number = submit(api, request.competition, file, request.message)
    table = with_row(table, _row(config, request, file, honest, number))
    write_leaderboard(table, board, request.competition)
    print(f"kaggle: submission {number} was sent", flush=True)
    scores = waited_for(api, request.competition, number, request.minutes)
    table.loc[len(table) - 1, ["public", "private"]] = [scores.public, scores.private]
    write_leaderboard(table, board, request.competition)
    told = f"public {scores.public:.5g}" if scores.done else "not scored yet; the action `scores` asks again later"
    print(f"kaggle: {told}, honest {honest or 'unknown'}; wrote {display(board)} and leaderboard.png", flush=True)
    return table


@one_writer("kaggle")
def fetch_scores(config: Config, competition: str) -> pd.DataFrame:
    """Ask for the scores that are not known yet, and write the leaderboard again. Raises UsageError without one."""
    _check_name(competition)
    board = leaderboard_csv(resolve(config.output_root), competition)
    table = read_leaderboard(board)
    if table.empty:
        raise UsageError(f"{display(board)}: nothing was submitted from here yet; the action `push` does")
    api = connected()
    for row in table.index[table["public"].isna() | table["private"].isna()]:
        try:
            scores = scores_of(api, competition, int(table.loc[row, "submission"]))
        except UsageError as error:  # of this submission alone
            print(f"kaggle: {error}", flush=True)
            continue
        table.loc[row, ["public", "private"]] = [scores.public, scores.private]
    write_leaderboard(table, board, competition)
    print(table[["date", "run", "message", "honest", "public", "private"]].to_string(index=False), flush=True)
    print(f"kaggle: wrote {display(board)} and leaderboard.png", flush=True)
    return table


def _checked(config: Config, request: PushRequest, table: pd.DataFrame) -> tuple[Path, HonestScore | None]:
    """The file to submit, which the competition would accept and does not have, and the honest score of its rules."""
    layout = config.submission.layout
    file = RunPaths.of(config).submission(layout) if request.file is None else request.file.resolve()
    if layout in FOLDERS and request.file is None:
        raise UsageError(f"{config.name}: submission.layout {layout} is a folder, and Kaggle takes a file: give --file")
    command = f"python src/make_submission.py --config configs/{config.name}.yaml"
    if not file.is_file():
        raise StaleError(f"{display(file)}: no such file; run `{command}`, or give another as --file")
    honest = _honest(config, file, command) if request.file is None else None
    if not check_submission(config, open_competition(config.data, config.in_channels), file):
        raise UsageError(f"{display(file)} would be refused by the competition (above), so it was not sent")
    before = table[table["sha256"] == file_hash(file)]
    if len(before):
        row = before.iloc[-1]
        raise UsageError(
            f"{display(file)} was sent on {row['date']} already, with the public score {row['public']:.5g}"
        )
    return file, honest


def _honest(config: Config, file: Path, command: str) -> HonestScore | None:
    """The honest score of the rules that a run's own submission was made with; None for rules edited by hand."""
    tuned = checked_artefact(config)
    if reasons := unvouched(file):
        raise StaleError(f"{display(file)}: {'; '.join(reasons)}; run `{command}`, or give the file as --file")
    rules = recorded_inputs(file).get("postprocess.json")
    if rules is None:
        return None
    if rules != file_hash(RunPaths.of(config).postprocess_json):
        raise StaleError(f"{display(file)}: was made with other rules than those of today; run `{command}`")
    return honest_score(config, tuned)


def _row(
    config: Config, request: PushRequest, file: Path, honest: HonestScore | None, number: int
) -> dict[str, object]:
    """One row of the leaderboard, of a submission that has just been sent."""
    interval = None if honest is None else honest.interval
    scores = {} if honest is None else {"honest": honest.score}
    scores |= {} if interval is None else {"honest_low": interval.low, "honest_high": interval.high}
    return scores | {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        "run": config.name,
        "message": request.message,
        "submission": str(number),
        "file": file.name,
        "sha256": file_hash(file),
    }


def _check_name(competition: str) -> None:
    if not _NAME.fullmatch(competition):
        raise UsageError(
            f"{competition}: expected the name in the address of its page, such as severstal-steel-defect-detection"
        )
