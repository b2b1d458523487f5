"""What is refused before any work: a tracker whose package or credentials are not there."""

from __future__ import annotations

import netrc
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from maskfold.errors import UsageError

_OFFLINE = ("offline", "dryrun", "disabled")


def check_trackers(trackers: Sequence[str]) -> None:
    """Raise UsageError for a tracker whose package is not installed, or that has no key of the user."""
    for tracker in trackers:
        if tracker in ("mlflow", "wandb") and find_spec(tracker) is None:
            raise UsageError(
                f"track: {tracker} needs a package that this Python ({sys.executable}) lacks: `pip install -r "
                f"requirements-track.txt` in a clone, `pip install 'maskfold[track]'` elsewhere; or leave {tracker} "
                "out of track"
            )
    if "wandb" in trackers and not wandb_is_offline() and not _has_wandb_key():
        raise UsageError(
            "track: wandb has no key of yours: run `wandb login`, set WANDB_API_KEY, or set WANDB_MODE=offline to keep "
            "its records on this machine"
        )


def wandb_is_offline() -> bool:
    """Whether wandb sends nothing."""
    return os.environ.get("WANDB_MODE", "online") in _OFFLINE


def _has_wandb_key() -> bool:
    """Whether wandb finds a key: in its variables, or where `wandb login` puts it."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    named = os.environ.get("NETRC")
    try:
        files = [Path(named)] if named else [Path.home() / ".netrc", Path.home() / "_netrc"]
        return any(netrc.netrc(file).authenticators(host) for file in files if file.is_file())
    except (OSError, RuntimeError, netrc.NetrcParseError):  # no home, or a file that nobody can read
        return False
