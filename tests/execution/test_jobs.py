"""Jobs give the same results, in order, however many processes or threads run them."""

from __future__ import annotations

import pytest

from maskfold.execution.jobs import map_threads, run_jobs


def square(number):
    if number < 0:
        raise ValueError("below zero")
    return number * number


@pytest.mark.parametrize("processes", [1, 2])
def test_results_come_in_order(processes):
    assert list(run_jobs(square, [3, 1, 2], processes)) == [9, 1, 4]


def test_a_failing_job_raises():
    with pytest.raises(ValueError, match="below zero"):
        list(run_jobs(square, [1, -1], 1))
    with pytest.raises(ValueError, match="at least 1"):
        list(run_jobs(square, [1], 0))


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
