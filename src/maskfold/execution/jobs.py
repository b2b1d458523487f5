"""Work in threads, in order, with memory that does not grow; and how many cores there are."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar, cast

from maskfold.execution.cores import usable_cores

Item = TypeVar("Item")
Job = TypeVar("Job")
Result = TypeVar("Result")


def available_cores() -> int:
    """Cores this process may use: of its affinity, of its container's quota and of `run.cores`."""
    return usable_cores()


def map_threads(function: Callable[[Job], Result], jobs: Iterable[Job], threads: int) -> Iterator[Result]:
    """The results of `function` in the order of the jobs, a few jobs ahead; for work that frees the interpreter lock.

    jobs may be endless or larger than memory: at most three a thread are in flight.
    """
    if threads == 1:
        yield from map(function, jobs)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for job in jobs:
                waiting.append(pool.submit(function, job))
                if len(waiting) >= 3 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


_END = object()


def read_ahead(items: Iterable[Item], depth: int = 2) -> Iterator[Item]:
    """The items, taken `depth` ahead in a thread of their own; an error in it is raised where its item would come."""
    iterator = iter(items)
    pool = ThreadPoolExecutor(1)
    waiting = deque(pool.submit(next, iterator, _END) for _ in range(depth))
    try:
        while (item := waiting.popleft().result()) is not _END:
            waiting.append(pool.submit(next, iterator, _END))
            yield cast(Item, item)
    finally:
        pool.shutdown(cancel_futures=True)
