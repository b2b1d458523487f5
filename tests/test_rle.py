"""Run lengths: both orders by hand, the round trip, and every way a text can be wrong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from maskfold.rle import RleError, area, decode, encode

# 1 0 1
# 1 1 0
MASK = np.array([[1, 0, 1], [1, 1, 0]], np.uint8)


@pytest.mark.parametrize(("order", "text"), [("column", "1 2 4 2"), ("row", "1 1 3 3")])
def test_both_orders_by_hand(order, text):
    assert encode(MASK, order) == text
    assert np.array_equal(decode(text, 2, 3, order), MASK)
    assert area(text) == 4


def test_blank_and_full_masks():
    assert encode(np.zeros((4, 5), np.uint8)) == ""
    assert encode(np.ones((4, 5), bool)) == "1 20"
    assert decode("", 4, 5).sum() == 0
    assert decode("1 20", 4, 5).all()


def test_runs_that_touch_are_read_and_written_as_one():
    assert encode(decode("1 2 3 2", 2, 3)) == "1 4"


@given(
    hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 1)),
    st.sampled_from(["column", "row"]),
)
def test_round_trip(mask, order):
    assert np.array_equal(decode(encode(mask, order), *mask.shape, order), mask)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 2 3", "3 numbers, but starts and lengths come in pairs"),
        ("1 two", "number 2 is 'two', not a whole number"),
        ("1 2.0", "number 2 is '2.0', not a whole number"),
        ("1 -2", "number 2 is '-2', below zero"),
        ("0 2", "run 1 starts at pixel 0, but pixels count from 1"),
        ("1 0", "run 1 has length 0"),
        ("4 1 1 1", "run 2 starts at 1, before run 1 at 4: not sorted"),
        ("1 3 2 1", "run 2 starts at 2, but run 1 reaches to 3: they overlap"),
        ("5 3", "run 1 reaches to pixel 7, but the image has 6 pixels"),
        ("1 99999999999999999999", "a number of 20 digits"),
    ],
)
def test_a_bad_text_is_refused_with_the_reason(text, reason):
    with pytest.raises(RleError) as error:
        decode(text, 2, 3)
    assert reason in str(error.value)
