"""The reference of the config keys: docs/reference/config.md is current, and --help-config finds what is asked for."""

from __future__ import annotations

from typing import Annotated, Literal

import annotated_types as at
import pytest

from maskfold.command_line import command_parser
from maskfold.config import REPOSITORY, Experiment, load_config
from maskfold.config.reference import config_parts, help_text, markdown
from maskfold.config.value_types import default_in_words, values_in_words
from maskfold.errors import ConfigError


def test_the_page_is_current():
    page = (REPOSITORY / "docs/reference/config.md").read_text(encoding="utf-8")
    assert page == markdown(), "run `python docs/make_config_reference.py` and commit docs/reference/config.md"


def test_every_key_has_a_meaning():
    assert [key.name for part in config_parts() for key in part.keys if not key.meaning] == []


def _leaves(tree, prefix=""):
    for key, value in tree.items():
        is_section = isinstance(value, dict) and value and f"{prefix}{key}" != "data.merge"
        yield from _leaves(value, f"{prefix}{key}.") if is_section else [f"{prefix}{key}"]


@pytest.mark.parametrize("path", sorted((REPOSITORY / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_key_of_a_shipped_config_is_in_the_reference(path):
    known = {key.name for part in config_parts() for key in part.keys}
    tree = load_config(path).model_dump(exclude={"blend": {"members"}})
    assert [key for key in _leaves(tree) if key not in known] == []


@pytest.mark.parametrize(
    ("annotation", "constraints", "words"),
    [
        (bool, [], "true or false"),
        (int, [at.Ge(1)], "whole number, at least 1"),
        (int, [at.Ge(1), at.Le(8192)], "whole number, 1 to 8,192"),
        (float, [at.Gt(0), at.Lt(0.5)], "number, above 0 and below 0.5"),
        (float | None, [at.Gt(0), at.Le(1)], "number, above 0 and at most 1, or null"),
        (int, [at.Ge(32), at.MultipleOf(32)], "whole number, at least 32, multiple of 32"),
        (Literal["dice", "iou"], [], "one of dice, iou"),
        (Literal[4, 8], [], "one of 4, 8"),
        (Literal["scse"] | None, [], "scse, or null"),
        (tuple[int, int] | None, [], "list of 2 whole numbers, or null"),
        (tuple[int, int] | Literal["whole"] | None, [], "list of 2 whole numbers or whole, or null"),
        (tuple[str, ...], [at.MinLen(1)], "list of texts, at least 1"),
        (tuple[Literal["a", "b"], ...], [], "list of a, b"),
        (tuple[tuple[int, int, int], ...], [], "list of lists of 3 whole numbers"),
        (Literal["a", "b"] | tuple[dict[str, str], ...], [], "one of a, b, or list of mappings of text to text"),
        (tuple[Experiment, ...], [at.MinLen(2)], "list of config files, at least 2"),
        (Annotated[Experiment | None, "x"], [], "config file, or null"),
    ],
)  # fmt: skip
def test_types_are_in_words(annotation, constraints, words):
    assert values_in_words(annotation, constraints) == words


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "null"), (True, "true"), ((), "[]"), (("hflip",), "[hflip]"), ("", '""'), (1e-3, "0.001"), ({}, "{}")],
)
def test_defaults_are_yaml(value, text):
    assert default_in_words(value) == text


def test_help_of_a_key_a_section_and_all():
    assert help_text("train.epochs", 100).splitlines()[:2] == [
        "train.epochs",
        "    whole number, at least 1 (default: 30)",
    ]
    loss = help_text("train.loss", 100)
    assert loss.startswith("train.loss\n==========\n")
    assert "train.loss.dice\n" in loss
    assert "train.epochs" not in loss
    everything = help_text(None, 100)
    assert all(f"\n{key.name}" in everything for part in config_parts() for key in part.keys)


def test_help_of_a_data_key_says_for_which_formats():
    assert help_text("data.order", 100).startswith("data.order  (format rle_csv)\n")
    assert help_text("data.test_images", 100).count("data.test_images  (format ") == 4  # four meanings or defaults
    assert "data, format coco" in help_text("data", 100)


def test_places_in_lists_do_not_matter():
    keys = ("train.then.epochs", "train.then[0].epochs", "train.then.0.epochs", "train.then[].epochs")
    assert {help_text(key, 100) for key in keys} == {help_text("train.then.epochs", 100)}


@pytest.mark.parametrize(
    ("key", "nearest"),
    [("train.epoch", "train.epochs"), ("loss.dice", "train.loss.dice"), ("metric", "tuning.metric")],
)
def test_an_unknown_key_is_answered_with_the_nearest(key, nearest):
    with pytest.raises(ConfigError, match=rf"no such config key: {key}; did you mean {nearest}\?"):
        help_text(key, 100)


def test_every_script_explains_keys(capsys):
    parser = command_parser("Test.", "")
    with pytest.raises(SystemExit) as stop:
        parser.parse_args(["--help-config", "tuning.connectivity"])
    assert stop.value.code == 0
    assert "one of 4, 8 (default: 8)" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stop:
        parser.parse_args(["--help-config", "tuning.conectivity"])
    assert stop.value.code == 2
    assert "did you mean tuning.connectivity?" in capsys.readouterr().err
