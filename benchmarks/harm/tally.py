"""What the trials of a campaign ended in, kept in a file so that a campaign can be made in parts."""

from __future__ import annotations

import collections
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

from rich.table import Table

from benchmarks.measuring.benchmark import say
from maskfold.execution.console import print_table

FAULTS = ("traceback", "dead end", "other bytes", "left over", "hang", "wrong exit code", "differs")


class Tally:
    """Counts of (what was done, how it ended), and an example of each fault."""

    def __init__(self, seed: int, deadline: float, file: Path | None = None) -> None:
        """seed: of all trials; deadline: after which none begins; file: of the trials made so far, one a line."""
        self.seed, self.deadline, self.file = seed, deadline, file
        self.counts: collections.Counter[tuple[str, str]] = collections.Counter()
        self.seen: set[tuple[str, str]] = set()
        if file is not None and file.is_file():
            for line in file.read_text(encoding="utf-8").splitlines():
                deed, how = json.loads(line)[:2]
                self.counts[deed, how] += 1

    def trials(self, deed: str, count: int) -> Iterator[random.Random]:
        """The random numbers of each trial that is not made yet, up to `count`, until it is late."""
        made = sum(number for (done, _), number in self.counts.items() if done == deed)
        for number in range(made, count):
            if time.monotonic() > self.deadline:
                return
            yield random.Random(f"{self.seed} {deed} {number}")

    def add(self, deed: str, how: str, details: str = "") -> None:
        """Count a trial; the first examples of a fault are printed."""
        self.counts[deed, how] += 1
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps([deed, how, details[:2000] if how in FAULTS else ""]) + "\n")
        if how in FAULTS and (key := (how, details[-160:])) not in self.seen:
            self.seen.add(key)
            say(f"FAULT {deed}, {how}: {details}")

    def total(self, how: str) -> int:
        """How many trials ended like this."""
        return sum(count for (_, ended), count in self.counts.items() if ended == how)

    def show(self) -> None:
        """Print the counts as a table."""
        endings = sorted({how for _, how in self.counts}, key=lambda how: (how in FAULTS, how))
        table = Table("what was done", "trials", *endings)
        for deed in dict.fromkeys(deed for deed, _ in self.counts):
            counts = [self.counts[deed, how] for how in endings]
            table.add_row(deed, str(sum(counts)), *map(str, counts))
        print_table(table)
