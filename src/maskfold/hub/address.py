"""Where a shared model is: a folder, or a Hugging Face repository at a revision."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from maskfold.errors import UsageError

SCHEME = "hf://"
_REPOSITORY = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?", re.ASCII)


class HubAddress(NamedTuple):
    """A repository of models, and a branch, tag or commit of it; None: its main branch."""

    repository: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{SCHEME}{self.repository}" + (f"@{self.revision}" if self.revision else "")


def is_hub(text: str) -> bool:
    """Whether a text means a repository and not a folder."""
    return text.startswith(SCHEME)


def address_of(text: str) -> HubAddress | Path:
    """The repository that a text names, `hf://user/repo` or `hf://user/repo@revision`, else the folder.

    Raises UsageError for a repository that is not written so.
    """
    if not is_hub(text):
        return Path(text).expanduser()
    found = _REPOSITORY.fullmatch(text.removeprefix(SCHEME))
    if found is None:
        raise UsageError(f"{text}: expected hf://user/repo, or hf://user/repo@revision")
    return HubAddress(found["repository"], found["revision"])
