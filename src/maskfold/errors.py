"""Every error that a user can cause; imports nothing, so that a command line can name them without loading torch."""

from __future__ import annotations

from collections.abc import Sequence


class TrainingError(RuntimeError):
    """A training that cannot go on; the message says what happened, where, and what to change."""


class InferenceError(RuntimeError):
    """Inference that cannot go on; the message says what to lower."""


class ConfigError(ValueError):
    """A config that cannot be used; the message lists every problem with its key and the nearest valid one."""


SHOWN_PROBLEMS = 50  # in the message of a DataError


class DataError(ValueError):
    """Bad input files; the message lists every problem found with file, row and reason."""

    def __init__(self, problems: Sequence[str] | str, shown: int = SHOWN_PROBLEMS) -> None:
        if isinstance(problems, str):  # the whole message: torch builds a loader process's error again from its text
            self.problems = [problems]
            super().__init__(problems)
            return
        self.problems = list(problems)
        more = [f"… and {len(problems) - shown} more"] if len(problems) > shown else []
        lines = "\n".join(f"  {line}" for line in [*self.problems[:shown], *more])
        count = f"{len(problems)} problem" + ("s" if len(problems) != 1 else "")
        super().__init__(f"the data has {count}; nothing was written:\n{lines}")


class StaleError(RuntimeError):
    """An artefact is missing or was made from something else; the message names the command that fixes it."""


class UsageError(ValueError):
    """Something the user asked for cannot be done; the message says what, why and what to do instead."""
