"""The official client of Kaggle with the user's credentials; what it lacks is named before any work."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from maskfold.errors import UsageError

if TYPE_CHECKING:
    from kaggle.api.kaggle_api_extended import KaggleApi

PAGE = "https://www.kaggle.com/competitions/"
_SETTINGS = "https://www.kaggle.com/settings/api"
_SECONDS = 15  # for the first answer
_NAMED = ("KAGGLE_USERNAME", "KAGGLE_KEY")
_IN_HOME = (".kaggle/access_token", ".kaggle/access_token.txt", ".kaggle/credentials.json", ".kaggle/kaggle.json")


def connected() -> KaggleApi:
    """The client, once it is known that its package, credentials and a network are there.

    Raises UsageError that says what is missing and where it was looked for.
    """
    if find_spec("kaggle") is None or find_spec("six") is None:
        raise UsageError(
            f"kaggle: its package is not installed in this Python ({sys.executable}): `pip install -r "
            "requirements-kaggle.txt` in a clone, `pip install 'maskfold[kaggle]'` elsewhere"
        )
    _check_credentials()
    _check_network()
    _give_a_folder()
    with contextlib.redirect_stdout(io.StringIO()), explained("Kaggle"):
        try:
            from kaggle.api.kaggle_api_extended import KaggleApi

            api = KaggleApi()
            api.authenticate()
        except SystemExit:
            raise UsageError(
                f"Kaggle does not accept these credentials: make new ones at {_SETTINGS} ({_where()})"
            ) from None
    return api


@contextlib.contextmanager
def explained(what: str, competition: str | None = None) -> Iterator[None]:
    """Turn what Kaggle refuses in the block, and a network that fails, into UsageError; what: it was asked for."""
    import requests

    try:
        yield
    except requests.exceptions.HTTPError as error:
        status = None if error.response is None else error.response.status_code
        raise UsageError(f"{what}: {_refusal(status, competition)}{error}") from None
    except requests.exceptions.RequestException as error:  # the connection, after several tries of the client
        raise UsageError(
            f"{what}: Kaggle cannot be reached any more ({type(error).__name__}); start the same command again"
        ) from None


def _refusal(status: int | None, competition: str | None) -> str:
    """What a status means here, and what helps."""
    page = f"{PAGE}{competition}"
    if status == 401:
        return f"Kaggle does not accept these credentials ({_where()}): "
    if status == 403 and competition is not None:
        return f"not allowed. Accept the rules on the competition's page first: {page}/rules; then start again: "
    if status == 404 and competition is not None:
        return f"no such competition; its name is the last part of the address of its page, {PAGE}NAME: "
    if status == 429:
        return "too many calls; wait a while: "
    return "Kaggle is not well; try again later: " if status is not None and status >= 500 else ""


def _check_credentials() -> None:
    """Raise UsageError where nothing is found that the client could use."""
    if os.environ.get("KAGGLE_API_TOKEN") or all(map(os.environ.get, _NAMED)):
        return
    if not any(path.is_file() for path in _files()):
        raise UsageError(f"no credentials of Kaggle: make a token at {_SETTINGS}; {_where()}")


def _files() -> list[Path]:
    """The files in which the client looks."""
    named = os.environ.get("KAGGLE_CONFIG_DIR")
    found = [Path(named) / "kaggle.json"] if named else []
    home = _home()
    if home is None:
        return found
    own = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "kaggle" / "kaggle.json"
    return [*found, *(home / name for name in _IN_HOME), own]


def _home() -> Path | None:
    """The user's home folder, None where there is none."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111  as the client does, which does not fail without one
    return home if home.is_absolute() and home.is_dir() else None


def _where() -> str:
    files = ", ".join(map(str, _files())) or "no file, as there is no home folder and no KAGGLE_CONFIG_DIR"
    return f"they were looked for in KAGGLE_API_TOKEN, {' and '.join(_NAMED)}, and {files}"


def _check_network() -> None:
    """Raise UsageError at once where Kaggle cannot be reached; the client itself would try for a long time."""
    import requests
    from kagglesdk.kaggle_env import KaggleEnv, get_endpoint

    endpoint = get_endpoint(KaggleEnv.PROD)
    try:
        requests.get(endpoint, timeout=_SECONDS, stream=True).close()
    except requests.exceptions.RequestException as error:
        raise UsageError(
            f"no network: {endpoint} cannot be reached ({type(error).__name__}); nothing was done"
        ) from None


def _give_a_folder() -> None:
    """Let the client be imported where it cannot make its folder: without a home, or with one that is read-only."""
    if "kaggle" in sys.modules or os.environ.get("KAGGLE_CONFIG_DIR"):
        return
    home = _home()
    folders = [] if home is None else [path.parent for path in _files()]
    if not any(folder.is_dir() for folder in folders) and (home is None or not os.access(home, os.W_OK)):
        os.environ["KAGGLE_CONFIG_DIR"] = tempfile.mkdtemp(prefix="maskfold-kaggle-")
