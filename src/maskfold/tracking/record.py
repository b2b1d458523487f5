"""A record: what a tracker keeps of one training, or of the scores of a run; trackers call it a run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskfold.artefacts.files import whole_file
from maskfold.artefacts.paths import RunPaths
from maskfold.config import Config, Experiment


@dataclass(frozen=True)
class Record:
    """One record.

    title: its name; group: the run that it belongs to; folder: where it is known under which id (trackers.json), so
    that a training that continues, or a later stage, goes on with it; store: the folder of trackers without a server;
    made_from: a hash of what it describes: of something else there is a new record.
    """

    title: str
    group: str
    folder: Path
    store: Path
    made_from: str = ""

    @classmethod
    def of_training(cls, config: Experiment, number: int) -> Record:
        """The record of one model's training."""
        paths = RunPaths.of(config)
        title = f"{config.name}, {config.model_title(number)}"
        return cls(title, config.name, paths.training(number), paths.trackers)

    @classmethod
    def of_scores(cls, config: Config, made_from: str) -> Record:
        """The record of the tuned rules that have this hash, and of their report."""
        paths = RunPaths.of(config)
        return cls(config.name, config.name, paths.run, paths.trackers, made_from)

    def id_of(self, tracker: str) -> str | None:
        """Under which id a tracker knows it; None: not yet."""
        found = self._known().get(tracker, {}).get("id")
        return found if isinstance(found, str) else None

    def has(self, tracker: str, what: str) -> bool:
        """Whether a tracker was given this part of it."""
        return what in self._known().get(tracker, {}).get("sent", [])

    def remember(self, tracker: str, record_id: str | None = None, sent: str | None = None) -> None:
        """Keep under which id a tracker knows it, or what the tracker was given."""
        known = self._known()
        entry = known.setdefault(tracker, {})
        if record_id is not None:
            entry["id"] = record_id
        if sent is not None:
            entry["sent"] = [*entry.get("sent", []), sent]
        self.folder.mkdir(parents=True, exist_ok=True)
        with whole_file(self._file) as temporary:
            temporary.write_text(json.dumps({"made from": self.made_from, "trackers": known}, indent=1) + "\n")

    @property
    def _file(self) -> Path:
        return self.folder / "trackers.json"

    def _known(self) -> dict[str, dict[str, Any]]:
        """Tracker -> its id and what it was given; a damaged file only costs a second record."""
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            return dict(kept["trackers"]) if kept["made from"] == self.made_from else {}
        except (OSError, ValueError, LookupError, TypeError):
            return {}
