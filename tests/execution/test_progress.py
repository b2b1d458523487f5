"""Progress in a log: silent for short work, a line with the time left for long work."""

import pytest

from maskfold.execution import progress
from maskfold.execution.progress import SILENCE_SECONDS, rated, tracked


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(progress.LogClock, "said", 0.0)
    return now


def test_a_log_gets_a_line_when_half_a_minute_has_passed_with_the_time_left_by_the_last_items(clock, capsys):
    seconds = iter([1.0] * 60 + [2.0] * 60)  # the second half is slower

    def work():
        for item in range(120):
            clock[0] += next(seconds)
            yield item

    assert list(tracked(work(), 120, "labels")) == list(range(120))
    lines = capsys.readouterr().out.splitlines()
    # The first item comes after 1 s, the 30th after 29 s, when 28 more seconds would be 31 s of silence: 28 are done.
    assert lines[0] == "  labels: 28 of 120, 2 min left"  # 29 s for 28 items: 92 more take 95 s
    # 14 items in 28 s at the end of the slow half: what is left takes 2 s an item.
    assert int(lines[-1].split()[1]) > 100 and lines[-1].endswith("0 min left")
    assert len(lines) == pytest.approx(180 / SILENCE_SECONDS, abs=1)


def test_no_silence_is_longer_where_an_item_takes_seconds_and_what_follows_counts(clock, capsys):
    said = []

    def work():
        for item in range(12):
            clock[0] += 20.0
            if capsys.readouterr().out:
                said.append(clock[0] - 20)
            yield item

    list(tracked(work(), 12, "fold 0", after=24))
    # Each item takes 20 s: a line after each, as two would take 40 s.
    assert said == [20.0 * number for number in range(1, 12)]


def test_the_time_of_what_follows_is_added(clock, capsys):
    def work():
        for item in range(4):
            clock[0] += 60.0
            yield item

    list(tracked(work(), 4, "fold 0", after=6))
    # Nothing is done when the first comes after 60 s, one when the second does; 60 s each from there.
    assert capsys.readouterr().out.splitlines()[1:] == [
        "  fold 0: 1 of 4, 3 min left, 9 min in all",
        "  fold 0: 2 of 4, 2 min left, 8 min in all",
        "  fold 0: 3 of 4, 1 min left, 7 min in all",
    ]


def test_photos_and_frames_are_counted_in_a_log_too(clock, capsys):
    def work():
        for item in range(61):
            clock[0] += 0.5
            yield item

    list(rated(work(), 240, "photos", "photos"))
    assert capsys.readouterr().out == "  photos: 58 of 240 photos, 2.0 photos a second, 2 min left\n"
    progress.LogClock.spoke()
    list(rated(work(), None, "film.mp4", "frames"))
    assert capsys.readouterr().out == "  film.mp4: 58 frames, 2.0 frames a second\n"


def test_a_log_stays_silent_for_short_work(clock, capsys):
    assert list(tracked(range(100), 100, "labels")) == list(range(100))
    assert capsys.readouterr().out == ""


def test_the_silence_goes_on_from_one_task_to_the_next(clock, capsys):
    def work():
        for item in range(12):
            clock[0] += 2.0
            yield item

    list(tracked(work(), 12, "first"))
    assert capsys.readouterr().out == ""  # 24 s
    list(tracked(work(), 12, "second"))
    # At 28 s, the second item's, 30 s of silence are near: one is done in the 4 s since this task began.
    assert capsys.readouterr().out == "  second: 1 of 12, 1 min left\n"
    list(tracked(range(3), 3, "third"))
    assert capsys.readouterr().out == ""
