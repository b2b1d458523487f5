"""Whether this is the first of several training processes, known before lightning has connected them."""

from __future__ import annotations

import os


def is_first_process() -> bool:
    """Whether this process prints and writes files; lightning and cluster launchers set these variables."""
    return os.environ.get("LOCAL_RANK", "0") == "0" and os.environ.get("NODE_RANK", "0") == "0"
