"""Output that nobody reads any more, as in `script | head -1`."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_ENDED = 128 + signal.SIGPIPE


@contextmanager
def ended_with_its_reader() -> Iterator[None]:
    """End the process without a word when the reader of its output has gone; the exit code is that of SIGPIPE.

    An exit code that the block chose itself, other than 0, stays. Other broken pipes are errors as ever.
    """
    ended: SystemExit | None = None
    try:
        try:
            yield
        except SystemExit as error:
            ended = error
        if sys.stdout is not None:  # it is closed
            sys.stdout.flush()  # here, because Python complains when it cannot at its end
    except BrokenPipeError:
        if not _unread():
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        ended = ended if ended is not None and ended.code else SystemExit(_ENDED)
    if ended is not None:
        raise ended


def _unread() -> bool:
    """Whether the output of this process, or its messages, go to a pipe that nobody reads."""
    poll = select.poll()
    for number in (1, 2):
        poll.register(number, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))
