"""The score table of the tuning stage on the screen."""

from __future__ import annotations

from rich.table import Table

from maskfold.execution.console import print_table
from maskfold.rules.text import pair_text, plateau_text, rule_text
from maskfold.rules.tuned import (
    RuleScores,
    TunedArtefact,
    TunedClass,
)


def print_scores(artefact: TunedArtefact) -> None:
    """Print the scores of every class with their mean, and below them what was chosen."""
    print_table(_scores(artefact))
    print_table(_choices(artefact))
    for entry in artefact.classes:
        if not entry.adopted:
            print(f"class {entry.class_name}: {entry.reason}")


def _scores(artefact: TunedArtefact) -> Table:
    table = Table(title=f"{artefact.name}: {artefact.metric} on the OOF images", title_justify="left")
    table.add_column("class")
    for name in ("all empty", "default", "tuned", "honest", "honest gain, 95 %", "non-empty Dice"):
        table.add_column(name, justify="right")
    for entry in artefact.classes:
        table.add_row(entry.class_name, *_four(entry.scores), _gain(entry), pair_text(entry.non_empty_dice))
    table.add_section()
    gain = f"{artefact.scores.honest - artefact.scores.default:+.4f}"
    table.add_row("mean", *_four(artefact.scores), gain, "")
    return table


def _choices(artefact: TunedArtefact) -> Table:
    table = Table("class", "used", "tuned rule", title="chosen", title_justify="left")
    table.add_column("plateau", justify="right")
    table.add_column("non-empty, predicted / true", justify="right")
    for entry in artefact.classes:
        share = f"{entry.predicted_share.default:.3f} → {entry.predicted_share.tuned:.3f} / {entry.true_share:.3f}"
        table.add_row(entry.class_name, entry.used, rule_text(entry.tuned_rule), plateau_text(entry), share)
    return table


def _four(scores: RuleScores) -> list[str]:
    return [f"{value:.4f}" for value in (scores.all_empty, scores.default, scores.tuned, scores.honest)]


def _gain(entry: TunedClass) -> str:
    gain = f"{entry.scores.honest - entry.scores.default:+.4f}"
    if entry.gain_interval is None:
        return gain
    return f"{gain} [{entry.gain_interval.low:+.3f}, {entry.gain_interval.high:+.3f}]"
