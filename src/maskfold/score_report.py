"""The score table of the tuning stage on the screen."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from maskfold.postprocess import (
    ComponentRule,
    HardGate,
    MaskRule,
    Pair,
    SoftGate,
    TripletRule,
    TunedArtefact,
    TunedClass,
)

_WIDTH = 170  # of a file or pipe, where nothing wraps lines


def print_scores(artefact: TunedArtefact) -> None:
    """Print one row a class and their mean."""
    table = Table(title=f"{artefact.name}: {artefact.metric} on the OOF images", title_justify="left")
    table.add_column("class")
    for name in ("all empty", "default", "tuned", "honest"):
        table.add_column(name, justify="right")
    table.add_column("honest gain, 95 %", justify="right")
    table.add_column("used")
    table.add_column("tuned rule")
    table.add_column("Dice where shown", justify="right")
    table.add_column("predicted / true share", justify="right")
    for entry in artefact.classes:
        table.add_row(*_class_row(entry))
    table.add_section()
    scores = artefact.scores
    gain = f"{scores.honest - scores.default:+.4f}"
    means = [f"{value:.4f}" for value in (scores.all_empty, scores.default, scores.tuned, scores.honest)]
    table.add_row("mean", *means, gain, "", "", "", "")
    console = Console()
    (console if console.is_terminal else Console(width=_WIDTH)).print(table)
    for entry in artefact.classes:
        if not entry.adopted:
            print(f"class {entry.class_name}: {entry.reason}")


def _class_row(entry: TunedClass) -> list[str]:
    scores = entry.scores
    gain = f"{scores.honest - scores.default:+.4f}"
    if entry.gain_interval is not None:
        gain += f" [{entry.gain_interval.low:+.4f}, {entry.gain_interval.high:+.4f}]"
    share = f"{entry.predicted_share.default:.3f} → {entry.predicted_share.tuned:.3f} / {entry.true_share:.3f}"
    return [
        entry.class_name,
        *(f"{value:.4f}" for value in (scores.all_empty, scores.default, scores.tuned, scores.honest)),
        gain,
        "tuned" if entry.adopted else "default",
        rule_text(entry.tuned_rule),
        _pair_text(entry.non_empty_dice),
        share,
    ]


def _pair_text(pair: Pair) -> str:
    if pair.default is None or pair.tuned is None:
        return "-"
    return f"{pair.default:.3f} → {pair.tuned:.3f}"


def rule_text(rule: ComponentRule | MaskRule | TripletRule) -> str:
    """A rule in a few words: `component p ≥ 0.37, ≥ 120 px`."""
    if isinstance(rule, TripletRule):
        numbers = (
            f"p ≥ {rule.top_threshold / 255:.2f} on ≥ {rule.min_area_px} px, then p ≥ {rule.bottom_threshold / 255:.2f}"
        )
    else:
        numbers = f"p ≥ {rule.threshold / 255:.2f}, ≥ {rule.min_area_px} px"
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
