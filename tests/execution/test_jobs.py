"""Threads give the same results, in order, however many there are."""

from __future__ import annotations

import pytest

from maskfold.execution.jobs import map_threads


def square(number):
    if number < 0:
        raise ValueError("below zero")
    return number * number


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_is_raised_at_its_place(threads):
    results = map_threads(square, [3, -1, 2], threads)
    assert next(results) == 9
    with pytest.raises(ValueError, match="below zero"):
        next(results)


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_keep_the_order_and_stay_close_to_the_stream(threads):
    taken = []

    def stream():
        for number in range(50):
            taken.append(number)
            yield number

    results = map_threads(square, stream(), threads)
    assert next(results) == 0
    assert len(taken) <= 3 * threads
    assert list(results) == [number * number for number in range(1, 50)]
