"""What stops a long computation; kept apart from torch, so that a command line can name it without loading it."""

from __future__ import annotations


class TrainingError(RuntimeError):
    """A training that cannot go on; the message says what happened, where, and what to change."""


class InferenceError(RuntimeError):
    """Inference that cannot go on; the message says what to lower."""
