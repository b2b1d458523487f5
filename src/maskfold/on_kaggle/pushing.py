"""Submissions and datasets, through the official client; and the scores that come back."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from maskfold.errors import UsageError
from maskfold.on_kaggle.client import PAGE, explained

if TYPE_CHECKING:
    from kaggle.api.kaggle_api_extended import KaggleApi

_FIRST_WAIT, _LONGEST_WAIT = 5.0, 60.0  # seconds between two questions for a score
_TITLE = (6, 50)  # characters that Kaggle takes for the title and the name of a dataset


class Scores(NamedTuple):
    """What Kaggle says of a submission: whether it is scored, and the scores, nan where it tells none."""

    done: bool
    public: float = math.nan
    private: float = math.nan


def submit(api: KaggleApi, competition: str, file: Path, message: str) -> int:
    """Submit a file; the number of the submission. Raises UsageError for what Kaggle refuses."""
    with explained(f"{competition}: {file.name}", competition):
        answer = api.competition_submit(str(file), message, competition)
    if not answer.ref:
        raise UsageError(f"{competition}: {file.name} was not taken: {answer.message or 'no reason was given'}")
    return int(answer.ref)


def scores_of(api: KaggleApi, competition: str, number: int) -> Scores:
    """The scores of a submission. Raises UsageError for one that Kaggle could not score, with its reason."""
    from kagglesdk.competitions.types.submission_status import SubmissionStatus
    from requests.exceptions import HTTPError

    with explained(f"{competition}: submission {number}"):
        try:
            found = api.get_submission(number)
        except HTTPError as error:
            if error.response is not None and error.response.status_code == 404:  # so shortly after it was sent
                return Scores(done=False)
            raise
    if found.status == SubmissionStatus.ERROR:
        reason = (found.error_description or "").strip() or "no reason was given"
        raise UsageError(
            f"{competition}: Kaggle could not score submission {number}: {reason}; see {PAGE}{competition}"
        )
    return Scores(found.status == SubmissionStatus.COMPLETE, _number(found.public_score), _number(found.private_score))


def waited_for(api: KaggleApi, competition: str, number: int, minutes: float) -> Scores:
    """The scores once they are there, or what is known after some minutes."""
    started, pause = time.monotonic(), _FIRST_WAIT
    while True:
        scores = scores_of(api, competition, number)
        left = 60 * minutes - (time.monotonic() - started)
        if scores.done or left <= 0:
            return scores
        print(f"kaggle: submission {number} is not scored yet; waiting {left / 60:.0f} more min at most", flush=True)
        time.sleep(min(pause, left))
        pause = min(1.5 * pause, _LONGEST_WAIT)


def push_dataset(api: KaggleApi, folder: Path, dataset: str, message: str) -> str:
    """Send a folder as a private dataset, or as a new version of one that is there; its address.

    dataset: `user/name`, or the name alone. Raises UsageError for a name that Kaggle does not take, and for what it
    refuses.
    """
    from requests.exceptions import HTTPError

    owner, _, name = dataset.rpartition("/")
    owner = owner or api.get_config_value("username")
    if not _TITLE[0] <= len(name) <= _TITLE[1]:
        raise UsageError(f"--dataset {dataset}: Kaggle takes names of {_TITLE[0]} to {_TITLE[1]} characters")
    reference = f"{owner}/{name}"
    about = {"title": name, "id": reference, "licenses": [{"name": "other"}]}
    (folder / "dataset-metadata.json").write_text(json.dumps(about), encoding="utf-8")
    with explained(reference):
        try:
            api.dataset_status(reference)
            is_there = True
        except HTTPError as error:
            if error.response is None or error.response.status_code not in (403, 404):  # both: no such dataset
                raise
            is_there = False
        answer = _sent(api, folder, message, is_there)
    if answer.error or (answer.status or "").lower() not in ("", "ok"):
        raise UsageError(f"{reference}: Kaggle did not take the dataset: {answer.error or answer.status}")
    return f"https://www.kaggle.com/datasets/{reference}"


def _sent(api: KaggleApi, folder: Path, message: str, is_there: bool) -> Any:
    try:
        if is_there:
            return api.dataset_create_version(str(folder), message, quiet=False, dir_mode="zip")
        return api.dataset_create_new(str(folder), public=False, quiet=False, dir_mode="zip")
    except ValueError as error:  # of the client: a file that could not be sent
        raise UsageError(f"{folder.name}: {error}; nothing was changed on Kaggle, start again") from None


def _number(text: str | None) -> float:
    try:
        return float(text) if text else math.nan
    except ValueError:
        return math.nan
