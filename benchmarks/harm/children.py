"""Stages in forked processes: torch is imported once, and a kill reaches the stage alone."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from maskfold.command_line import run_stage
from maskfold.execution.signals import end_early

TRACEBACK, REFUSED = 70, 2
_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
_LONGEST_S = 900.0  # on a machine whose cores others keep busy, an export takes minutes


class Ending(NamedTuple):
    """How a process ended. code: of its exit, negative for a signal, None after 900 s without an end; text: output."""

    code: int | None
    text: str


def start(work: Callable[[], object], log: Path) -> int:
    """Begin `work` in a process of its own, as a script does; its output goes to `log`. Returns the process's id."""
    sys.stdout.flush()
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    child = os.fork()
    if child:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        return child
    code = TRACEBACK
    try:
        os.setpgid(0, 0)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        for number in _SIGNALS:  # nohup, and a shell for what it starts in the background, let some be ignored
            signal.signal(number, signal.SIG_DFL)
        end_early()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        run_stage(lambda: (work(), None)[-1])
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def finish(child: int, log: Path) -> Ending:
    """Wait for a process that `start` began."""
    deadline = time.monotonic() + _LONGEST_S
    while time.monotonic() < deadline:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return Ending(os.waitstatus_to_exitcode(status), _text(log))
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return Ending(None, _text(log))


def after(child: int, seconds: float, number: signal.Signals) -> None:
    """Send a signal to a process some seconds from now, unless it has ended by then."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return
        time.sleep(0.002)
    os.kill(child, number)


def _text(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
