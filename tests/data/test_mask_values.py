"""What is counted in one mask image, and what its values are then taken for, each at its limit."""

from pathlib import Path

import numpy as np
import pytest

from maskfold.data.recognition.mask_values import FileValues, instance_problem, value_notes, value_section
from maskfold.errors import DataError

MASK = Path("mask.png")


def plane(**rows):
    """(20, 30) zeros with values at places: value_row_column."""
    made = np.zeros((20, 30), np.uint8)
    for name, value in rows.items():
        row, column = map(int, name[1:].split("_"))
        made[row, column] = value
    return made


@pytest.mark.parametrize(
    ("row", "column", "apart"),
    [(10, 13, 0), (10, 14, 1), (10, 7, 0), (10, 6, 1), (13, 10, 0), (14, 10, 1), (7, 10, 0), (6, 10, 1), (13, 13, 0)],
)
def test_a_grey_pixel_within_three_pixels_of_white_is_its_edge(row, column, apart):
    values = plane(p10_10=255)
    values[row, column] = 90
    assert FileValues.of(MASK, values).apart == apart


@pytest.mark.parametrize(("light", "apart"), [(239, 0), (238, 2)])
def test_what_is_up_to_16_below_the_lightest_is_white_too(light, apart):
    # 255 stands far away; a pixel of 239 is grey, but near to white as it is white itself, and so is its neighbour.
    assert FileValues.of(MASK, plane(p1_1=255, p15_25=light, p15_26=90)).apart == apart


def test_the_inside_of_greys_are_those_with_eight_grey_neighbours():
    values = np.zeros((20, 30), np.uint8)
    values[2:6, 3:8] = 90  # 4 x 5, so 2 x 3 inside
    values[12:15, 20:23] = 255
    values[17:, 27:] = 90  # 3 x 3 in the corner: what is outside of the image is no grey
    assert FileValues.of(MASK, values).interior == 6 + 1


def test_values_of_one_region_each():
    values = plane(p1_1=5, p2_2=5, p9_9=7, p9_11=7, p15_3=9)  # 5 touches at a corner, 7 does not touch
    found = FileValues.of(MASK, values)
    assert found.counts == {0: 595, 5: 2, 7: 2, 9: 1}
    assert found.shown == {5, 7, 9}
    assert found.single == {5, 9}
    assert found.without(5).counts == {0: 595, 7: 2, 9: 1}
    assert found.without(5).single == {9}


def file_of(counts, single=(), interior=0, apart=0, bits=8):
    return FileValues(MASK, counts, frozenset(single), interior, apart, bits)


@pytest.mark.parametrize(
    ("value", "bits", "section"),
    [
        (127, 8, {"class_names": ("mask",), "mask_threshold": 127}),
        (128, 8, {"class_names": ("mask",)}),
        (32767, 16, {"class_names": ("mask",), "mask_threshold": 1}),
        (32768, 16, {"class_names": ("mask",)}),
    ],
)
def test_one_value_is_the_mask_from_half_of_the_range_on(value, bits, section):
    assert value_section([file_of({0: 9, value: 3}, bits=bits)], "masks") == section
    assert value_section([file_of({0: 9}, bits=bits)], "masks") == {"class_names": ("mask",)}


@pytest.mark.parametrize(
    ("greys", "apart", "interior", "soft"),
    [
        (1, 5, 2, True),  # of 100 grey pixels, 0.05 may be apart and 0.02 inside
        (1, 6, 2, False),
        (1, 5, 3, False),
        (14, 5, 3, False),  # 16 values with black and white
        (15, 5, 3, True),  # with more, greys inside of greys are wide edges
        (15, 6, 3, False),
    ],
)
def test_greys_next_to_white_are_soft_edges(greys, apart, interior, soft):
    counts = {0: 400, 255: 200, 101: 100 - (greys - 1)} | {101 + number: 1 for number in range(1, greys)}
    found = value_section([file_of(counts, interior=interior, apart=apart)], "masks")
    assert found == {"class_names": ("mask",)} if soft else found["labels"] == "class_index"


@pytest.mark.parametrize(("white", "soft"), [(128, True), (127, False)])
def test_white_is_at_least_half_of_the_range(white, soft):
    assert (value_section([file_of({0: 9, 90: 1, white: 5})], "masks") == {"class_names": ("mask",)}) == soft


@pytest.mark.parametrize(("highest", "ignored"), [(100, True), (101, False)])
def test_255_beside_small_values_is_void(highest, ignored):
    files = [file_of({0: 90, 1: 30, highest: 30, 255: 20}, interior=60, apart=60)]
    assert (value_section(files, "masks").get("ignore_value") == 255) == ignored


@pytest.mark.parametrize(("with_class", "refused"), [(2, False), (1, True)])
def test_void_stands_beside_classes_in_half_of_its_masks(with_class, refused):
    together, alone = file_of({0: 9, 1: 3, 2: 3, 255: 2}), file_of({0: 9, 255: 4})
    files = [together] * with_class + [alone] * (4 - with_class) + [file_of({0: 9, 1: 3, 2: 3})] * 9
    if refused:
        with pytest.raises(DataError, match=r"255 as well as 0, 1, 2 .* in 4 of 13 masks"):
            value_section(files, "masks")
    else:
        assert value_section(files, "masks")["class_values"] == {"class_1": 1, "class_2": 2}


def one_region_each(*values):
    return file_of({0: 9} | dict.fromkeys(values, 4), single=values)


@pytest.mark.parametrize(
    ("files", "instances"),
    [
        ([range(1, 42)], True),  # 41 values
        ([range(1, 41)], False),
        ([range(1, 4), range(1, 3), range(1, 2)], True),  # counted up, and the sets change
        ([range(1, 4)] * 4 + [range(1, 3)], False),  # the same set in 0.8 of the files
        ([range(1, 4)] * 3 + [range(1, 3)], True),  # 0.75
        ([range(1, 3), range(1, 2), range(1, 2)], False),  # never three in a file
        ([(1, 2, 3), (4, 5), (6,)], True),  # each value in one file: 6 in 3 files for 6 values
        ([(1, 2, 3), (1, 2, 4), (3, 5, 6)], True),  # 9 for 6: one and a half times
        ([(1, 2, 3), (1, 2, 4), (3, 5, 6), (1,)], False),  # 10 for 6
        ([(1, 2, 3), (4, 5)], False),  # two files only
    ],
)
def test_values_that_are_objects_and_no_classes(files, instances):
    found = [one_region_each(*values) for values in files]
    shown = sorted({value for values in files for value in values})
    assert bool(instance_problem(found, shown, "masks")) == instances


@pytest.mark.parametrize(("scattered", "instances"), [(5, True), (6, False)])
def test_objects_are_one_region_in_19_of_20_values(scattered, instances):
    files = [file_of({0: 9} | dict.fromkeys(range(1, 101), 4), single=range(1, 101 - scattered))]
    assert bool(instance_problem(files, range(1, 101), "masks")) == instances


def test_notes_say_what_a_value_covers():
    files = [file_of({0: 60, 3: 10, 9: 30}), file_of({0: 90, 3: 10})]
    assert value_notes(files, {"class_values": {"crack": 3, "rust": 9}}) == [
        "mask value 0: background (75.0% of the pixels, in 2 of 2 files)",
        "mask value 3: crack (10.0% of the pixels, in 2 of 2 files)",
        "mask value 9: rust (15.0% of the pixels, in 1 of 2 files)",
    ]
    [note] = value_notes([file_of({0: 50, 127: 25, 128: 25})], {})
    assert note == "mask values 0, 127, 128 in 1 files: on at 128 or above (25.0% of the pixels)"
    [half] = value_notes([file_of({0: 50, 255: 50})], {})
    assert "dark" not in half
    [more] = value_notes([file_of({0: 49, 255: 51})], {})
    assert more.endswith("data.class_values: {mask: 0} and data.background_values: [255])")


@pytest.mark.parametrize(("count", "shown"), [(8, "0, 1, 2, 3, 4, 5, 6, 7"), (9, "0, 1, 2, 3, … 8 (9 values)")])
def test_more_than_eight_values_are_shortened(count, shown):
    [note] = value_notes([file_of(dict.fromkeys(range(count), 4))], {"mask_threshold": 1})
    assert note.startswith(f"mask values {shown} in 1 files: on at 1 or above")
