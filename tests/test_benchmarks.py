"""How benchmarks measure: turns, claims, options, processes of their own, and the table that ends a run."""

from __future__ import annotations

import math

import pytest
from benchmarks.measuring.alone import alone
from benchmarks.measuring.benchmark import Bench, Claim, number
from benchmarks.measuring.turns import in_turn, ratio_to_neighbours
from benchmarks.run import NAMES, Outcome, parse_args, print_outcomes, settings_of


def test_sides_take_turns_and_the_first_has_the_last_word():
    order: list[str] = []

    def side(name: str) -> float:
        order.append(name)
        return float(len(order))

    found = in_turn({"a": lambda: side("a"), "b": lambda: side("b")}, rounds=2)
    assert order == ["a", "b", "a", "b", "a"]
    assert found == {"a": [1, 3, 5], "b": [2, 4]}
    assert ratio_to_neighbours(found["b"], found["a"]) == 1  # 2 / mean(1, 3) and 4 / mean(3, 5)


def test_a_slow_moment_that_reaches_both_sides_leaves_the_ratio():
    # The machine is half as fast in the second half: b is 0.8 of a throughout.
    assert ratio_to_neighbours([80, 60, 40], [100, 100, 50, 50]) == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("value", "relation", "bar", "holds"),
    [(2, "≤", 2, True), (2, "<", 2, False), (2, "≥", 3, False), (1e-9, ">", 0, True), (0, "=", 0, True)],
)
def test_a_claim_holds_by_its_relation(value, relation, bar, holds):
    assert Claim(text="x", value=value, relation=relation, bar=bar).holds is holds


@pytest.mark.parametrize("relation", "≤<≥>=")
def test_a_claim_about_nan_never_holds(relation):
    assert not Claim(text="x", value=math.nan, relation=relation, bar=0).holds


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (12568, "12,568"), (0.95, "0.95"), (10.04, "10.04"), (1234.56, "1,235"), (-0.00123456, "-0.001235")],
)
def test_numbers_have_four_digits(value, text):
    assert number(value) == text


def test_a_function_runs_in_a_process_of_its_own():
    assert alone(number, 1234.56) == "1,235"
    with pytest.raises(RuntimeError, match=r"benchmark\.number failed"):
        alone(number, "no number")


@pytest.mark.parametrize("name", NAMES)
def test_every_benchmark_has_options_with_help_and_a_quick_form(name):
    kind = settings_of(name)
    assert all(field.description for field in kind.model_fields.values())
    assert kind(**kind.quick) != kind()
    quick, full = kind.minutes
    assert 0 < quick <= full


def test_options_of_one_benchmark_come_from_its_fields():
    args, settings = parse_args(["exact_tuning", "--quick", "--images", "12", "--set", "a=1", "b=2"])
    assert (args.names, args.quick) == (["exact_tuning"], True)
    assert settings is not None
    assert (settings.images, settings.set, settings.labels) == (12, ("a=1", "b=2"), None)
    _, settings = parse_args(["exact_tuning", "--quick"])
    assert settings.images == settings_of("exact_tuning").quick["images"]
    assert parse_args(["run_lengths", "exact_tuning"])[1] is None


def test_an_unknown_benchmark_is_answered_with_the_nearest(capsys):
    with pytest.raises(SystemExit):
        parse_args(["run_length"])
    assert "did you mean run_lengths?" in capsys.readouterr().err


def test_the_table_shows_what_holds_what_not_and_what_failed(tmp_path, capsys):
    bench = Bench(tmp_path, tmp_path)
    bench.claim("fast enough", 2.5, "≥", 2)
    bench.leave_out("the browser")
    good = Outcome("one", 60, bench.claims, bench.left_out, "")
    assert Outcome.of_json(good.as_json()) == good
    capsys.readouterr()
    assert print_outcomes([good])
    printed = capsys.readouterr().out
    assert "fast enough" in printed
    assert "one left out: the browser" in printed
    assert "1 of 1 claims hold, 0 benchmarks failed; 1.0 minutes, " in printed
    bad = Outcome("two", 0, [Claim(text="slow", value=3, relation="≤", bar=2)], [], "")
    assert not print_outcomes([good, bad])
    assert not print_outcomes([good, Outcome("three", 0, [], [], "no such file")])
    assert "three failed: no such file" in capsys.readouterr().out
