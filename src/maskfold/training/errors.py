"""What stops a training."""

from __future__ import annotations


class TrainingError(RuntimeError):
    """A training that cannot go on; the message says what happened, where, and what to change."""
