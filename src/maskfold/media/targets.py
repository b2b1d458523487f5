"""Where the pictures of each input go, decided and checked before any work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from maskfold.errors import UsageError
from maskfold.media.request import (
    PHOTO_FORMATS,
    VIDEO_FORMATS,
    EffectName,
    Request,
)
from maskfold.media.sources import Source

# Sharp borders and transparency need png; a photo that is only tinted or blurred is a tenth of that as jpg.
_USUAL_FORMAT: dict[EffectName, str] = {
    "mask": "png",
    "cutout": "png",
    "overlay": "jpg",
    "blur": "jpg",
    "replace": "jpg",
}


class Task(NamedTuple):
    """One input, where its output goes, and in which of PHOTO_FORMATS or VIDEO_FORMATS."""

    source: Source
    target: Path
    form: str


def plan_tasks(sources: Sequence[Source], request: Request, folder: Path) -> list[Task]:
    """The output of every input: the file that --output names, else <stem>_<effect>.<format> in --output or `folder`.

    Raises UsageError with all problems together: a format that does not fit, two inputs with one output, an output
    that is an input, and, without --overwrite, one that exists.
    """
    output = request.output
    if output is not None and output.suffix and not output.is_dir():
        tasks = [_named(sources, output)]
    else:
        folder = folder if output is None else output
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder}: is a file; --output takes a folder, or a file name with a suffix")
        tasks = [_in_folder(source, folder, request) for source in sources]
    problems = _collisions(tasks)
    existing = [str(task.target) for task in tasks if task.target.exists()]
    if existing and not request.overwrite:
        shown = ", ".join(existing[:5]) + (f" and {len(existing) - 5} more" if len(existing) > 5 else "")
        problems.append(f"{shown}: exists already; give --overwrite to replace it, or another --output")
    if problems:
        raise UsageError("; ".join(problems))
    return tasks


def _named(sources: Sequence[Source], output: Path) -> Task:
    """The one input to the one file --output names."""
    if len(sources) > 1:
        raise UsageError(f"--output {output}: is one file for {len(sources)} inputs; give a folder (without a suffix)")
    [source] = sources
    form = {"jpeg": "jpg"}.get(output.suffix[1:].lower(), output.suffix[1:].lower())
    known = PHOTO_FORMATS if source.kind == "photo" else [name for name in VIDEO_FORMATS if name != "png"]
    if form not in known:
        frames = "" if source.kind == "photo" else "; frames as png go into a folder: --video-format png"
        raise UsageError(f"--output {output}: a {source.kind} is written as {', '.join(known)}, found .{form}{frames}")
    return Task(source, output, form)


def _in_folder(source: Source, folder: Path, request: Request) -> Task:
    form = request.photo_format or _USUAL_FORMAT[request.effect] if source.kind == "photo" else request.video_format
    suffix = "" if source.kind == "video" and form == "png" else f".{form}"
    return Task(source, folder / f"{source.stem}_{request.effect}{suffix}", form)


def _collisions(tasks: Sequence[Task]) -> list[str]:
    counts = Counter(task.target for task in tasks)
    problems = []
    for target in [target for target, count in counts.items() if count > 1]:
        names = ", ".join(str(task.source.path) for task in tasks if task.target == target)
        problems.append(
            f"{names}: would all be written to {target}; predict them one at a time, each to an --output of its own"
        )
    inputs = {task.source.path.resolve() for task in tasks if not task.source.is_stdin}
    problems += [
        f"{task.target}: is an input; give another --output" for task in tasks if task.target.resolve() in inputs
    ]
    return problems
