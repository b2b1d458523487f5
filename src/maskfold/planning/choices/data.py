"""The data section of a plan: what the folder was recognised as, and what the user set of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from maskfold.artefacts.paths import display
from maskfold.config import AutoData
from maskfold.config.messages import problem_line
from maskfold.data.competition import Competition
from maskfold.data.opening import open_competition
from maskfold.data.recognition.recognise import Found, recognise
from maskfold.data.sample_submission import read_sample_file, sample_in
from maskfold.errors import ConfigError, DataError
from maskfold.planning.draft import Draft

_SAME_IN_CONFIG = "  the same in the config:"


def choose_data(draft: Draft, folder: Path) -> tuple[Found, Competition, list[str]]:
    """Choose the keys of `data`; the section, the competition opened with it, and notes on what was taken for what.

    Raises DataError for a folder that holds no labels, or several kinds, or bad files, and ConfigError for wrong keys
    that the user set.
    """
    given: dict[str, Any] = dict(draft.given.get("data") or {})
    folder, notes = folder.resolve(), []
    if given.get("format", "auto") == "auto":
        wanted = json.dumps({**given, "format": "auto", "root": str(folder)})
        found, told = recognise(_validated(wanted, AutoData))
        notes = told.split(f"\n{_SAME_IN_CONFIG}")[0].splitlines()
        print("\n".join(notes), flush=True)
        given.pop("format", None)
        folder = Path(found.root)  # below the one given, where that holds nothing else
        shown = found.model_dump(mode="json", exclude_unset=True)
        given = {"format": found.format} | shown | given
    section = _validated(json.dumps(given | {"root": display(folder)}), Found)
    section, competition = _with_sample(section, folder)
    values = section.model_dump(mode="json", exclude_unset=True)
    fields = type(section).model_fields
    for key in ("format", *(name for name in fields if name != "format")):
        field = fields[key]
        if key in values and (values[key] is not None or field.default is not None):
            draft.choose(f"data.{key}", values[key], "")
    return section, competition, notes


def _validated(text: str, kind: Any) -> Any:
    """A data section of this kind, from JSON."""
    try:
        return TypeAdapter(kind).validate_json(text)
    except ValidationError as error:
        lines = "\n".join(
            f"  {problem_line(problem | {'loc': ('data', *problem['loc'])})}" for problem in error.errors()
        )
        raise ConfigError(f"the data section cannot be used:\n{lines}") from None


def _with_sample(section: Found, folder: Path) -> tuple[Found, Competition]:
    """The section with a sample submission that lies in the folder and fits the test images, and the competition."""
    looked_for = section.sample_submission in (None, "auto")
    section = section.model_copy(update={"sample_submission": None}) if looked_for else section
    competition = open_competition(section)
    name = sample_in(folder) if looked_for else None
    if name is None or competition.test.empty:
        return section, competition
    path = folder / name
    for naming in (None, "index"):
        try:
            read_sample_file(path, competition.class_names, competition.test_files(), naming)
        except DataError as error:
            problem = error.problems[0]
            continue
        print(f"  {name}: the sample submission", flush=True)
        return section.model_copy(update={"sample_submission": name}), replace(competition, sample_submission=path)
    print(f"plan: warning: {name} looks like a sample submission, but is not used: {problem}", flush=True)
    return section, competition
