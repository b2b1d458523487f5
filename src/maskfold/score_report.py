"""The score table of the tuning stage on the screen."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from maskfold.postprocess import (
    EMPTY_RULE,
    ComponentRule,
    HardGate,
    MaskRule,
    Pair,
    Scores,
    SoftGate,
    TripletRule,
    TunedArtefact,
    TunedClass,
)

_WIDTH = 110  # of a file or pipe, where nothing wraps lines


def print_scores(artefact: TunedArtefact) -> None:
    """Print the scores of every class with their mean, and below them what was chosen."""
    terminal = Console()
    console = terminal if terminal.is_terminal else Console(width=_WIDTH)
    console.print(_scores(artefact))
    console.print(_choices(artefact))
    for entry in artefact.classes:
        if not entry.adopted:
            print(f"class {entry.class_name}: {entry.reason}")


def _scores(artefact: TunedArtefact) -> Table:
    table = Table(title=f"{artefact.name}: {artefact.metric} on the OOF images", title_justify="left")
    table.add_column("class")
    for name in ("all empty", "default", "tuned", "honest", "honest gain, 95 %", "Dice where shown"):
        table.add_column(name, justify="right")
    for entry in artefact.classes:
        table.add_row(entry.class_name, *_four(entry.scores), _gain(entry), _pair_text(entry.non_empty_dice))
    table.add_section()
    gain = f"{artefact.scores.honest - artefact.scores.default:+.4f}"
    table.add_row("mean", *_four(artefact.scores), gain, "")
    return table


def _choices(artefact: TunedArtefact) -> Table:
    table = Table("class", "used", "tuned rule", title="chosen", title_justify="left")
    table.add_column("plateau", justify="right")
    table.add_column("shown, predicted / true", justify="right")
    for entry in artefact.classes:
        share = f"{entry.predicted_share.default:.3f} → {entry.predicted_share.tuned:.3f} / {entry.true_share:.3f}"
        table.add_row(entry.class_name, entry.answer, rule_text(entry.tuned_rule), plateau_text(entry), share)
    return table


def _four(scores: Scores) -> list[str]:
    return [f"{value:.4f}" for value in (scores.all_empty, scores.default, scores.tuned, scores.honest)]


def _gain(entry: TunedClass) -> str:
    gain = f"{entry.scores.honest - entry.scores.default:+.4f}"
    if entry.gain_interval is None:
        return gain
    return f"{gain} [{entry.gain_interval.low:+.3f}, {entry.gain_interval.high:+.3f}]"


def plateau_text(entry: TunedClass) -> str:
    """The thresholds and minimum areas that score about as well as the chosen ones; `-` where none are known."""
    if entry.plateau is None:
        return "-"
    (low, high), (small, large) = entry.plateau.threshold, entry.plateau.min_area_px
    return f"p {probability_text(low)} to {probability_text(high)}, {small} to {large} px"


def _pair_text(pair: Pair) -> str:
    if pair.default is None or pair.tuned is None:
        return "-"
    return f"{pair.default:.3f} → {pair.tuned:.3f}"


def probability_text(threshold: int) -> str:
    """A threshold of 1..255 as a probability with two digits, or three where two would say 0 or 1."""
    text = f"{threshold / 255:.2f}"
    return f"{threshold / 255:.3f}" if text in ("0.00", "1.00") else text


def rule_text(rule: ComponentRule | MaskRule | TripletRule) -> str:
    """A rule in a few words: `component p ≥ 0.37, ≥ 120 px`."""
    if rule == EMPTY_RULE:
        return "always empty"
    if isinstance(rule, TripletRule):
        numbers = (
            f"p ≥ {probability_text(rule.top_threshold)} on ≥ {rule.min_area_px} px, "
            f"then p ≥ {probability_text(rule.bottom_threshold)}"
        )
    else:
        numbers = f"p ≥ {probability_text(rule.threshold)}, ≥ {rule.min_area_px} px"
    extras = []
    if isinstance(rule.gate, HardGate):
        extras.append(f"gate ≥ {rule.gate.min_class_prob:.2f}")
    if isinstance(rule.gate, SoftGate):
        numbers = numbers.replace(f"≥ {rule.min_area_px} px", f"≥ {rule.gate.area_px[0]}…{rule.gate.area_px[-1]} px")
        extras.append("soft gate")
    if rule.largest_k is not None:
        extras.append(f"largest {rule.largest_k}")
    if rule.fill_holes:
        extras.append("holes filled")
    return ", ".join([f"{rule.rule} {numbers}", *extras])
