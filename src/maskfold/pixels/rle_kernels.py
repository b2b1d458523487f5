"""The loops behind run lengths: pixels to digits and digits to pixels, without anything in between.

Pixels are gathered into words of 64, so that blank stretches cost one comparison a word, and a run's end is found by
counting the zeros below the lowest bit that changed. Column order never transposes the mask: the words are gathered
down the columns while the mask is read along its rows, and decoding marks where pixels change and sweeps the rows once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.cpython.unsafe.numbers import trailing_zeros

from maskfold.execution.compiled import compiled, inlined

_WORD = 64
_zeros_below: Any = trailing_zeros  # called with a word alone, which its own signature does not say
# int64 holds every number of 18 digits; longer ones are out of any image's range anyway.
MAX_DIGITS = 18
_END, _BAD = -1, -2

_FIRST_BYTES = 4096
_RUN_BYTES = 40  # two numbers of 19 digits and two spaces

_PAIRS = np.frombuffer("".join(f"{n:02d}" for n in range(100)).encode(), dtype=np.uint8).copy()  # 00 01 … 99
_ZERO, _SPACE = 48, 32

_ONE = np.uint64(1)
_SEVENS = np.uint64(0x7F7F7F7F7F7F7F7F)
_TOP_BITS = np.uint64(0x8080808080808080)
_SEVEN = np.uint64(7)
_GATHER = np.uint64(0x0102040810204080)  # times eight bytes of 0 or 1: their bits, first byte lowest, in the top byte
_TOP_BYTE = np.uint64(56)


@compiled
def encode_rows(pixels: np.ndarray) -> tuple[np.ndarray, int]:
    """The runs of pixels in the order they are numbered.

    pixels: (N,) uint8, contiguous; non-zero is on. Returns ASCII bytes and how many of them are the text.
    """
    text = np.empty(_FIRST_BYTES, dtype=np.uint8)
    length, start, state = 0, -1, np.uint64(0)
    whole = len(pixels) // _WORD
    eights = pixels[: whole * _WORD].view(np.uint64)
    for index in range(whole):
        any_on = np.uint64(0)
        for k in range(8 * index, 8 * index + 8):
            any_on |= eights[k]
        if any_on == 0 and state == 0:
            continue
        word = np.uint64(0)
        for k in range(8):
            eight = eights[8 * index + k]
            ones = ((((eight & _SEVENS) + _SEVENS) | eight) & _TOP_BITS) >> _SEVEN  # each byte: 1 where not zero
            word |= ((ones * _GATHER) >> _TOP_BYTE) << np.uint64(8 * k)
        changes = word ^ ((word << _ONE) | state)
        if changes != 0:
            text = _with_room(text, length)
            length, start = _write_changes(text, length, start, changes, index * _WORD)
        state = word >> np.uint64(_WORD - 1)
    for pixel in range(whole * _WORD, len(pixels)):
        on = np.uint64(pixels[pixel] != 0)
        if on != state:
            text = _with_room(text, length)
            length, start = _write_changes(text, length, start, _ONE, pixel)
            state = on
    return text, _close_last(text, length, start, len(pixels))


@compiled
def encode_columns(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """The runs of a mask numbered down its columns.

    mask: (H, W) uint8, C-contiguous; non-zero is on. Returns ASCII bytes and how many of them are the text.
    """
    height, width = mask.shape
    words = _column_words(mask)
    text = np.empty(_FIRST_BYTES, dtype=np.uint8)
    length, start, state = 0, -1, np.uint64(0)
    for x in range(width):
        for index in range(len(words)):
            word = words[index, x]
            if word == 0 and state == 0:
                continue
            bits = min(_WORD, height - index * _WORD)
            changes = word ^ ((word << _ONE) | state)
            if bits < _WORD:
                changes &= (_ONE << np.uint64(bits)) - _ONE
            if changes != 0:
                text = _with_room(text, length)
                length, start = _write_changes(text, length, start, changes, x * height + index * _WORD)
            state = (word >> np.uint64(bits - 1)) & _ONE
    return text, _close_last(text, length, start, height * width)


@compiled
def _column_words(mask: np.ndarray) -> np.ndarray:
    """(ceil(H / 64), W) uint64: the pixels of each column, 64 rows a word, the first row lowest."""
    height, width = mask.shape
    words = np.zeros((-(-height // _WORD), width), dtype=np.uint64)
    octet = np.empty(width, dtype=np.uint8)  # eight rows of every column
    for top in range(0, height, 8):
        octet[:] = 0
        for y in range(top, min(top + 8, height)):
            row, bit = mask[y], np.uint8(1 << (y - top))
            for x in range(width):
                octet[x] |= bit if row[x] != 0 else np.uint8(0)
        into, shift = words[top // _WORD], np.uint64(top % _WORD)
        for x in range(width):
            into[x] |= np.uint64(octet[x]) << shift
    return words


@inlined
def _with_room(text: np.ndarray, length: int) -> np.ndarray:
    """The text with room for the runs of one word."""
    if length + (_WORD // 2 + 1) * _RUN_BYTES <= len(text):
        return text
    larger = np.empty(2 * len(text), dtype=np.uint8)
    larger[:length] = text[:length]
    return larger


@inlined
def _write_changes(text: np.ndarray, length: int, start: int, changes: np.uint64, first: int) -> tuple[int, int]:
    """Write the runs that end in a word; returns the length of the text and the start of an open run, or -1."""
    while changes != 0:
        pixel = first + _zeros_below(changes)
        changes &= changes - _ONE
        if start < 0:
            start = pixel
        else:
            length = _write_run(text, length, start, pixel)
            start = -1
    return length, start


@inlined
def _close_last(text: np.ndarray, length: int, start: int, pixels: int) -> int:
    """Write a run that reaches the last pixel; returns the length of the text without the space at its end."""
    if start >= 0:  # _with_room left room for it
        length = _write_run(text, length, start, pixels)
    return max(0, length - 1)


@inlined
def _write_run(text: np.ndarray, length: int, start: int, end: int) -> int:
    """Write "start length " of the pixels start <= p < end, counted from 0; returns the new length of the text."""
    return _write_number(text, _write_number(text, length, start + 1), end - start)


@compiled
def _write_number(text: np.ndarray, length: int, number: int) -> int:
    """Write a number above zero and a space; returns the new length of the text."""
    digits, bound = 1, 10
    while number >= bound:
        digits += 1
        bound *= 10
    at = length + digits
    text[at] = _SPACE
    while number >= 10:
        rest = number // 100
        pair = 2 * (number - 100 * rest)
        text[at - 1] = _PAIRS[pair + 1]
        text[at - 2] = _PAIRS[pair]
        number = rest
        at -= 2
    if at > length:
        text[length] = _ZERO + number
    return length + digits + 1


@compiled
def parse(text: np.ndarray, pixels: int) -> tuple[np.ndarray, bool]:
    """The runs of a text, and whether it is well-formed: pairs, sorted, not overlapping, within `pixels`.

    text: (bytes,) uint8. Returns (runs, 2) int64, one-based start and length; of a bad text those before the mistake.
    """
    runs = np.empty((len(text) // 4 + 1, 2), dtype=np.int64)  # a run takes at least "1 1 "
    count, at, last = 0, 0, 0
    while True:
        start, length, at = _next_run(text, at, last, pixels)
        if start < 1:
            return runs[:count].copy(), start == _END
        runs[count] = start, length
        count += 1
        last = start + length - 1


@compiled
def fill_rows(text: np.ndarray, mask: np.ndarray) -> bool:
    """Switch the pixels of a text on, numbered in the order they lie; returns whether the text is well-formed.

    text: (bytes,) uint8; mask: (N,) uint8, zeros.
    """
    at, last = 0, 0
    while True:
        start, length, at = _next_run(text, at, last, len(mask))
        if start < 1:
            return start == _END
        last = start + length - 1
        mask[start - 1 : last] = 1


@compiled
def fill_columns(text: np.ndarray, mask: np.ndarray) -> bool:
    """Switch the pixels of a text on, numbered down the columns; returns whether the text is well-formed.

    text: (bytes,) uint8; mask: (H, W) uint8, zeros. First only the pixels that differ from the one above are marked;
    then one sweep down the rows, over the columns that show anything, fills in between.
    """
    height, width = mask.shape
    at, last, left, right = 0, 0, width, 0
    while True:
        start, length, at = _next_run(text, at, last, height * width)
        if start < 1:
            break
        last = start + length - 1
        x, y = (start - 1) // height, (start - 1) % height
        left = min(left, x)
        mask[y, x] ^= 1
        end_y = y + length
        while end_y > height:  # on to the top of the next column
            x += 1
            end_y -= height
            mask[0, x] ^= 1
        if end_y < height:
            mask[end_y, x] ^= 1
        right = max(right, x + 1)
    _sweep_down(mask, left, right)
    return start == _END


@compiled
def _sweep_down(mask: np.ndarray, left: int, right: int) -> None:
    """Every pixel of the columns left <= x < right becomes whether an odd count of marks lies at or above it.

    A function of its own, and slices of whole rows: otherwise the inner loop is not vectorised, and 15 times as slow.
    """
    for y in range(1, len(mask)):
        row, above = mask[y][left:right], mask[y - 1][left:right]
        for x in range(len(row)):
            row[x] ^= above[x]


@inlined
def _next_run(text: np.ndarray, at: int, last: int, pixels: int) -> tuple[int, int, int]:
    """Start and length of the run at byte `at` and where it ends; the start is _END or _BAD where there is no good one.

    last: the last pixel of the run before; pixels: how many the image has.
    """
    start, at = _next_number(text, at)
    if start == _END:
        return _END, 0, at
    length, at = _next_number(text, at)
    if start <= last or length < 1 or start + length - 1 > pixels:
        return _BAD, 0, at
    return start, length, at


@inlined
def _next_number(text: np.ndarray, at: int) -> tuple[int, int]:
    """The number at byte `at`, blanks before it skipped, and where it ends; _END without one, _BAD where it is none."""
    while at < len(text) and _is_blank(text[at]):
        at += 1
    if at == len(text):
        return _END, at
    first, number = at, 0
    while at < len(text) and _ZERO <= text[at] < _ZERO + 10:
        number = 10 * number + (text[at] - _ZERO)
        at += 1
    if at == first or at - first > MAX_DIGITS or (at < len(text) and not _is_blank(text[at])):
        return _BAD, at
    return number, at


@inlined
def _is_blank(byte: int) -> bool:
    """Whether str.split() would split at this ASCII byte."""
    return byte == _SPACE or 9 <= byte <= 13 or 28 <= byte <= 31
