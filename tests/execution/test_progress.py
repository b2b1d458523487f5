"""Progress in a log: silent for short work, a line with the time left for long work."""

import pytest

from maskfold.execution import progress
from maskfold.execution.progress import SILENCE_SECONDS, tracked


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_log_gets_a_line_when_half_a_minute_has_passed_with_the_time_left_by_the_last_items(clock, capsys):
    seconds = iter([1.0] * 60 + [2.0] * 60)  # the second half is slower

    def work():
        for item in range(120):
            clock[0] += next(seconds)
            yield item

    assert list(tracked(work(), 120, "labels")) == list(range(120))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "  labels: 29 of 120, 2 min left"  # 30 s for 29 items: 91 more take 94 s
    # 15 items in 30 s at the end of the slow half: what is left takes 2 s an item.
    assert lines[-1].startswith("  labels: 119 of 120") or int(lines[-1].split()[1]) > 100
    assert len(lines) == pytest.approx(180 / SILENCE_SECONDS, abs=1)


def test_a_log_stays_silent_for_short_work(clock, capsys):
    assert list(tracked(range(100), 100, "labels")) == list(range(100))
    assert capsys.readouterr().out == ""
