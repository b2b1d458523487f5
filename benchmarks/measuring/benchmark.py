"""What a benchmark is made of: its options, the claims that it checks, and the folder that it works in."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict

_HOLDS = {"≤": operator.le, "<": operator.lt, "≥": operator.ge, ">": operator.gt, "=": operator.eq}


class Settings(BaseModel):
    """The options of a benchmark: every field becomes an option of run.py, its docstring the help.

    minutes: about how long it takes on two cores, with --quick and without; quick: the values of --quick.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
    minutes: ClassVar[tuple[float, float]]
    quick: ClassVar[dict[str, object]] = {}


class Claim(BaseModel):
    """A statement about a measured value. relation: of value and bar, one of ≤ < ≥ > =."""

    text: str
    value: float
    relation: str
    bar: float

    @property
    def holds(self) -> bool:
        """Whether the value meets the bar; never if it is NaN."""
        return bool(_HOLDS[self.relation](self.value, self.bar))


@dataclass
class Bench:
    """What a benchmark works with and reports to.

    folder: empty, removed afterwards; shared: kept until the last benchmark of a run ends.
    """

    folder: Path
    shared: Path
    claims: list[Claim] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def claim(self, text: str, value: float, relation: str, bar: float) -> None:
        """State a claim, such as `peak memory, MB`, 812, `≤`, 2048."""
        claim = Claim(text=text, value=float(value), relation=relation, bar=float(bar))
        self.claims.append(claim)
        say(f"{claim.text}: {number(claim.value)} ({claim.relation} {number(claim.bar)})")

    def leave_out(self, what: str) -> None:
        """Say what was not measured, why, and what would change that."""
        self.left_out.append(what)
        say(f"left out: {what}")


def say(text: str) -> None:
    """Print progress or a figure at once."""
    print(f"  {text}", flush=True)


def number(value: float) -> str:
    """A whole number as it is; else four significant digits, and every digit before the point."""
    if not np.isfinite(value):
        return str(value)
    if value == int(value):
        return f"{int(value):,}"
    whole = len(str(int(abs(value))))
    return f"{value:,.{max(0, 4 - whole)}f}" if abs(value) >= 1 else f"{value:.4g}"
