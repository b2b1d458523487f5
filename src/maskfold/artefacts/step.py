"""One run of a stage: says what will be computed and why, and what is done, in one wording for all stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from maskfold.artefacts.paths import display
from maskfold.artefacts.provenance import Provenance, forget


@dataclass(frozen=True)
class Step:
    """A stage at work.

    name: the stage's, e.g. `make_folds`; every line it prints begins with it;
    accept_code_changes: whether an artefact counts as up to date that only another version of the code made.
    """

    name: str
    accept_code_changes: bool = False

    def reasons(self, artefact: Path, made_from: Provenance) -> list[str]:
        """Why an artefact must be computed, in words; empty when it is up to date. Prints nothing."""
        return made_from.staleness(artefact, self.accept_code_changes)

    def due(self, artefact: Path, made_from: Provenance, what: str = "", more: Sequence[str] = ()) -> bool:
        """Whether an artefact must be computed; prints that with the reasons, or that it is up to date.

        what: what to call it, its path where this is empty;
        more: further reasons, which no record knows.
        """
        reasons = [*self.reasons(artefact, made_from), *more]
        if reasons:
            self.announce(artefact, reasons, what)
        else:
            self.skip(artefact, what)
        return bool(reasons)

    def announce(self, artefact: Path, reasons: Sequence[str], what: str = "") -> None:
        """Print that an artefact will be computed, for the first time or again, and why."""
        again = "recomputed" if artefact.exists() else "computed"
        self.say(f"{what or display(artefact)} will be {again}: {'; '.join(reasons)}")

    def skip(self, artefact: Path, what: str = "") -> None:
        """Print that an artefact is up to date."""
        self.say(f"{what or display(artefact)} is up to date, skipped")

    def begin(self, artefact: Path) -> None:
        """Remove the record of an artefact whose files are about to be replaced: it must not vouch for a mixture."""
        forget(artefact)

    def done(self, artefact: Path, made_from: Provenance, note: str = "", also: Sequence[Path] = ()) -> None:
        """Record what an artefact was made from, and print that it was written.

        note: ends the line; also: further files in its folder that were written with it.
        """
        made_from.write(artefact, also)
        self.wrote(artefact, note)

    def wrote(self, artefact: Path, note: str = "") -> None:
        """Print that a file or folder was written; note: ends the line."""
        self.say(f"wrote {display(artefact)}{note}")

    def say(self, text: str) -> None:
        """Print a line of this stage."""
        print(f"{self.name}: {text}", flush=True)
