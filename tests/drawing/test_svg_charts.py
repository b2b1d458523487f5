"""The report's charts: axes by hand, points where their values say, and labels that stay text."""

import numpy as np
import pytest

from maskfold.drawing.svg_charts import (
    Axis,
    Marks,
    axis,
    chart,
)


def test_an_axis_has_room_for_its_values_and_round_ticks():
    found = axis("loss", [0.0, 1.0], [np.nan, 2.0])
    assert (found.low, found.high) == (pytest.approx(-0.08), pytest.approx(2.08))
    assert [text for _, text in found.ticks()] == ["0", "0.5", "1", "1.5", "2"]
    assert [text for _, text in axis("epoch", [1, 2], whole=True).ticks()] == ["1", "2"]


@pytest.mark.parametrize("value", [1e-3, 0.5, -20.0])
def test_one_value_alone_lies_in_the_middle_of_an_axis_of_its_own_size(value):
    found = axis("learning rate", [value, value])
    assert (found.low + found.high) / 2 == pytest.approx(value)
    assert found.high - found.low == pytest.approx(abs(value) / 5)
    assert float(found.places(np.array([value]))[0]) == pytest.approx(0.5)


def test_an_axis_of_nothing_or_zeros_still_is_one():
    assert (axis("x").low, axis("x").high) == (pytest.approx(-0.04), pytest.approx(1.04))
    assert (axis("x", [0.0]).low, axis("x", [0.0]).high) == (-0.1, 0.1)


def test_a_log_axis_shows_nothing_at_its_start_and_powers_of_ten():
    area = Axis("px", 0, 1000, log=True)
    assert [text for _, text in area.ticks()] == ["0", "1", "10", "100", "1k"]
    assert area.places(np.array([0, 1000])).tolist() == pytest.approx([0, 1])


def test_points_say_their_values_and_labels_stay_text():
    marks = Marks([1, 2, 3], [0.5, np.nan, 1.0], 9, "fold <0>")
    drawn = chart('a "title"', Axis("epoch", 1, 3), Axis("a < b", 0, 1), [marks], diagonal=True)
    assert drawn.count("<circle") == 2
    assert "fold &lt;0&gt;: epoch 3, a &lt; b 1</title>" in drawn
    assert 'aria-label="a &#34;title&#34;"' in drawn
    assert 'class="s9" cx="428" cy="10"' in drawn  # the right upper corner
