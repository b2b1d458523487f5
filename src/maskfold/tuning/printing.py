"""The score table of the tuning stage on the screen."""

from __future__ import annotations

from rich.table import Table

from maskfold.execution.console import print_table, table_of
from maskfold.execution.text import class_words
from maskfold.rules.in_use import figure_in_use, honest_in_use, score_in_use
from maskfold.rules.text import plateau_text, rule_text
from maskfold.rules.tuned import TunedArtefact, TunedClass


def print_scores(artefact: TunedArtefact) -> None:
    """Print what the rules in use are worth, class by class and on average, then the tuned rules, used or not."""
    print_table(_in_use(artefact))
    print_table(_tuned(artefact))
    for entry in artefact.classes:
        if not entry.adopted:
            print(f"{class_words(entry.class_name)}: {entry.reason}")


def _in_use(artefact: TunedArtefact) -> Table:
    """Every figure but the two for comparison is that of the rule that the submission applies."""
    title = f"{artefact.name}: {artefact.metric} on the OOF images, with the rules in use"
    headers = ("all empty", "default", "score", "honest", "non-empty Dice", "non-empty, predicted / true")
    table = table_of(["class", "in use"], headers, title)
    for entry in artefact.classes:
        dice, share = (figure_in_use(entry, pair) for pair in (entry.non_empty_dice, entry.predicted_share))
        scores = (entry.scores.all_empty, entry.scores.default, score_in_use(entry), honest_in_use(entry))
        shares = f"{_figure(share)} / {entry.true_share:.3f}"
        table.add_row(entry.class_name, entry.used, *map(_score, scores), _figure(dice), shares)
    table.add_section()
    mean = artefact.scores
    means = (mean.all_empty, mean.default, mean.tuned, mean.honest)
    table.add_row("mean", "", *map(_score, means), "", "")
    return table


def _tuned(artefact: TunedArtefact) -> Table:
    headers = ("score", "honest", "honest gain, 95 %", "plateau")
    table = table_of(["class", "rule"], headers, "tuned rules, in use or not")
    for entry in artefact.classes:
        scores = _score(entry.scores.tuned), _score(entry.scores.honest)
        table.add_row(entry.class_name, rule_text(entry.tuned_rule), *scores, _gain(entry), plateau_text(entry))
    return table


def _score(value: float) -> str:
    return f"{value:.4f}"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _gain(entry: TunedClass) -> str:
    gain = f"{entry.scores.honest - entry.scores.default:+.4f}"
    if entry.gain_interval is None:
        return gain
    return f"{gain} [{entry.gain_interval.low:+.3f}, {entry.gain_interval.high:+.3f}]"
