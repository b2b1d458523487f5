"""Run lengths on disk: a mapping that behaves like a dict and holds next to nothing."""

import tracemalloc

import numpy as np
import pytest

from maskfold.execution.jobs import map_threads
from maskfold.submission.rle_store import RleStore


def test_it_does_what_a_dict_does():
    texts, expected = RleStore(), {}
    rng = np.random.default_rng(0)
    for step in range(500):
        key = (f"image{rng.integers(20)}", int(rng.integers(4)))
        text = " ".join(map(str, rng.integers(1, 1000, 2 * rng.integers(0, 5))))
        if step % 7 == 3 and key in expected:
            del texts[key], expected[key]
        else:
            texts[key] = expected[key] = text
    assert texts == expected
    assert list(texts.items()) == list(expected.items())
    assert texts.get(("nobody", 0), "none") == "none"
    with pytest.raises(KeyError, match="nobody"):
        texts["nobody", 0]


def test_threads_may_share_it():
    texts = RleStore()
    for number in range(200):
        texts["a", number] = f"{number} " * number
    found = list(map_threads(lambda number: texts["a", number], range(200), 8))
    assert found == [f"{number} " * number for number in range(200)]


def test_texts_take_no_memory():
    tracemalloc.start()
    texts = RleStore()
    for number in range(1000):
        texts["a", number] = str(number) * 10_000
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 1e6  # bytes, of 29 MB written
    assert texts["a", 999] == "999" * 10_000
