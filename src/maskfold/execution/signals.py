"""Signals that end a process: as an exception while it works, so that temporary files go and child processes end."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import Any

_ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_AGAIN_SECONDS = 0.01


class Stopped(KeyboardInterrupt):
    """The process was asked to end. number: of the signal, SIGINT for Ctrl-C."""

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__(number)
        self.number = number


def stopped_line(number: int) -> str:
    """What a stage says after a signal that ended it."""
    by = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
    return f"error: stopped{by}; start the same command again to continue"


def end_early() -> None:
    """Let signals end a script at once until its stage begins: imports take seconds, and leave nothing to clean up."""
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Let the first SIGINT, SIGTERM or SIGHUP raise Stopped inside the block; a second one must not stop the clean-up.

    Those that are ignored (nohup) stay ignored. After the block of a script (`end_early`) all are ignored: it only has
    to end, and Python, while it closes, would let them end it with another exit code.
    """
    if threading.current_thread() is not threading.main_thread():  # only that one may set handlers
        yield
        return
    before = {number: signal.getsignal(number) for number in _ENDING}
    taken = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None, _stop)]
    for number in taken:
        signal.signal(number, _stop)
    logged = logging.root.manager.disable
    try:
        with _raised_again() if taken else nullcontext():
            yield
    finally:
        logging.disable(logged)
        for number in taken:
            signal.signal(number, signal.SIG_IGN if before[number] is _end else before[number])


@contextmanager
def _raised_again() -> Iterator[None]:
    """Raise Stopped once more, a moment later, where Python drops it: a signal may meet a finaliser, such as __del__.

    Else the work would go on, with a traceback on the screen.
    """
    before, hook = signal.getsignal(signal.SIGALRM), sys.unraisablehook

    def notice(found: Any) -> None:
        """Take up a Stopped that was dropped; other errors are shown as ever."""
        if not isinstance(found.exc_value, Stopped):
            hook(found)
            return
        number = found.exc_value.number
        signal.signal(signal.SIGALRM, lambda *_: _raise(number))
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)

    sys.unraisablehook = notice
    try:
        yield
    finally:
        sys.unraisablehook = hook
        if signal.getsignal(signal.SIGALRM) is not before:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


def _raise(number: int) -> None:
    raise Stopped(number)


def _stop(number: int, _frame: FrameType | None) -> None:
    """Raise Stopped, once. Libraries that log, as an error of their own, what passes through them shall not."""
    logging.disable(logging.CRITICAL)
    for each in _ENDING:
        if signal.getsignal(each) is _stop:
            signal.signal(each, signal.SIG_IGN)
    raise Stopped(number)


def _end(number: int, _frame: FrameType | None) -> None:
    """End the process."""
    os.write(2, f"{stopped_line(number)}\n".encode())
    os._exit(128 + number)
