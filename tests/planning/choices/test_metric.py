"""The metric: named, asked for, or the default with a word about it."""

import pytest

from maskfold.errors import ConfigError, UsageError
from maskfold.planning.choices.metric import chosen_metric


def test_named():
    assert chosen_metric("tgs_precision", on_terminal=True) == ("tgs_precision", "named with --metric")
    assert chosen_metric("surface_dice", on_terminal=True)[0] == "surface_dice"
    assert chosen_metric("math:fsum", on_terminal=True)[0] == "math:fsum"
    with pytest.raises(ConfigError, match="math:nothing cannot be imported"):
        chosen_metric("math:nothing", on_terminal=True)
    with pytest.raises(UsageError, match="--metric f1: unknown"):
        chosen_metric("f1", on_terminal=False)


def test_asked_for(monkeypatch):
    monkeypatch.setattr("builtins.input", lambda text: "iou")
    assert chosen_metric(None, on_terminal=True) == ("iou", "asked for")
    monkeypatch.setattr("builtins.input", lambda text: "")
    assert chosen_metric(None, on_terminal=True)[0] == "dice"


def test_the_default_is_said(capsys):
    assert chosen_metric(None, on_terminal=False)[0] == "dice"
    told = capsys.readouterr().out
    for name in (
        "dice",
        "iou",
        "f0.5",
        "f2",
        "tgs_precision",
        "pooled_dice",
        "miou",
        "pooled_f0.5",
        "pooled_f2",
        "TGS Salt",
    ):
        assert name in told
