"""Run lengths: both orders by hand, the round trip, and every way a text can be wrong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from maskfold.pixels.rle import (
    RleError,
    absolute_runs,
    area,
    decode,
    encode,
    parse_runs,
    relative_runs,
)

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


def by_definition(mask, order):
    """Run lengths pixel by pixel."""
    runs, before = [], 0
    for number, pixel in enumerate(mask.ravel("F" if order == "column" else "C"), 1):
        if pixel and not before:
            runs.append([number, 0])
        if pixel:
            runs[-1][1] += 1
        before = pixel
    return " ".join(str(number) for run in runs for number in run)


@pytest.mark.parametrize("order", ["column", "row"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (200, 1), (64, 64), (63, 65), (70, 131), (129, 8), (256, 40)])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.99, 1.0])
def test_every_size_and_density_agrees_with_the_definition(shape, share, order):
    mask = (np.random.default_rng(0).random(shape) < share).astype(np.uint8)
    text = by_definition(mask, order)
    assert encode(mask, order) == text
    found = decode(text, *shape, order)
    assert np.array_equal(found, mask)
    assert found.dtype == np.uint8
    assert found.flags.c_contiguous


@pytest.mark.parametrize("order", ["column", "row"])
@pytest.mark.parametrize(
    "change",
    [
        lambda mask: mask.astype(bool),
        lambda mask: mask * np.uint8(255),
        lambda mask: mask.astype(np.int64) * -256,  # its lowest byte is zero
        lambda mask: np.asfortranarray(mask),
        lambda mask: np.repeat(np.repeat(mask, 2, 0), 3, 1)[::2, ::3],
        lambda mask: np.stack([mask, mask])[1],
    ],
    ids=["bool", "255", "int64", "columns in memory", "strided", "one of a stack"],
)
def test_any_dtype_and_memory_order_gives_the_same_text(change, order):
    mask = (np.random.default_rng(1).random((67, 70)) < 0.4).astype(np.uint8)
    assert encode(change(mask), order) == by_definition(mask, order)


def test_numbers_of_every_length_are_written():
    mask = np.zeros((1, 12_345_678), np.uint8)
    for start, length in ((1, 9), (99, 1), (100, 10), (1000, 999), (10_000, 10_000), (100_000, 1_000_000)):
        mask[0, start - 1 : start - 1 + length] = 1
    mask[0, -1] = 1
    text = "1 9 99 11 1000 999 10000 10000 100000 1000000 12345678 1"
    assert encode(mask, "row") == encode(mask, "column") == text
    assert np.array_equal(decode(text, *mask.shape), mask)


def test_blanks_between_numbers_are_those_of_split():
    assert parse_runs(" 01\t2\n\x0b5\r\x0c\x1c1 ").tolist() == [[1, 2], [5, 1]]
    assert parse_runs(" ").shape == (0, 2)


@pytest.mark.parametrize("code", [code for code in range(1, 128) if not chr(code).isdigit()])
def test_every_ascii_character_is_a_blank_or_none(code):
    text = f"1{chr(code)}2"
    if chr(code).isspace():
        assert parse_runs(text).tolist() == [[1, 2]]
    else:
        with pytest.raises(RleError):
            parse_runs(text)


@given(st.text(alphabet="0123 -x\u0663\xa0\t", max_size=12), st.sampled_from(["column", "row"]))
def test_a_text_is_read_or_refused_but_never_half_read(text, order):
    try:
        runs = parse_runs(text, 20)
    except RleError:
        with pytest.raises(RleError):
            decode(text, 4, 5, order)
        return
    flat = np.zeros(20, np.uint8)
    for start, length in runs:
        flat[start - 1 : start - 1 + length] = 1
    assert np.array_equal(decode(text, 4, 5, order).ravel("F" if order == "column" else "C"), flat)
    assert runs.ravel().tolist() == [int(word) for word in text.split()]


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
        ("4 1 4 1", "run 2 starts at 4, but run 1 reaches to 4: they overlap"),
        ("5 3", "run 1 reaches to pixel 7, but the image has 6 pixels"),
        ("1 99999999999999999999", "a number of 20 digits"),
        ("1 2\xa03", "3 numbers, but starts and lengths come in pairs"),
        ("\u0661 2", "number 1 is '\u0661', not a whole number"),
        ("999999999999999999 999999999999999999", "run 1 reaches to pixel 1999999999999999997"),
    ],
)
def test_a_bad_text_is_refused_with_the_reason(text, reason):
    with pytest.raises(RleError) as error:
        decode(text, 2, 3)
    assert reason in str(error.value)


@pytest.mark.parametrize(
    ("relative", "absolute"),
    [("0 3 6 2", "1 3 10 2"), ("", ""), ("5 1", "6 1"), ("0 2 0 3", "1 2 3 3")],  # the last two touch
)
def test_relative_runs_count_from_the_end_of_the_run_before(relative, absolute):
    assert absolute_runs(relative) == absolute
    assert relative_runs(absolute) == relative


@pytest.mark.parametrize("text", ["1 2 3", "a 1", "-1 2", "50 60", " ".join(["9" * 18] * 22)])
def test_texts_that_are_no_relative_runs_are_refused(text):
    with pytest.raises(RleError):
        parse_runs(absolute_runs(text), 100)


def test_relative_runs_round_trip():
    rng = np.random.default_rng(0)
    for density in (0.02, 0.5, 0.98):
        mask = (rng.random((17, 23)) < density).astype(np.uint8)
        text = relative_runs(encode(mask))
        np.testing.assert_array_equal(decode(absolute_runs(text), 17, 23), mask)
