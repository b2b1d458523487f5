"""The plan stage: from a folder of data and a number of minutes to a config that is written with its reasons."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from maskfold.artefacts.files import whole_file
from maskfold.artefacts.paths import RunPaths, display, resolve
from maskfold.commands import as_called
from maskfold.config import REPOSITORY, load_experiment
from maskfold.config.yaml_tree import read_tree
from maskfold.data.competition import Competition
from maskfold.data.recognition.overlays import draw_overlays
from maskfold.data.recognition.recognise import Found
from maskfold.errors import UsageError
from maskfold.planning.choices.data import choose_data
from maskfold.planning.choices.folds import first_run
from maskfold.planning.choices.metric import METRICS, chosen_metric
from maskfold.planning.choices.network import preferred
from maskfold.planning.choices.submission import choose_submission
from maskfold.planning.constants import COPIES_SECONDS, COPIES_SHARE
from maskfold.planning.draft import GIVEN, KEPT, Draft
from maskfold.planning.facts.checks import draw_tests, rare_classes, unlike_tests
from maskfold.planning.facts.copies import find_copies
from maskfold.planning.facts.fingerprint import Fingerprint, fingerprint
from maskfold.planning.facts.words import facts_in_words
from maskfold.planning.machine import this_machine
from maskfold.planning.plan_file import (
    first_run_text,
    in_order,
    is_plan_of,
    may_replace,
    plan_text,
    reasons_in,
    write_plan,
)
from maskfold.planning.planner import Situation, measure, plan_model, plan_rest
from maskfold.planning.weights_at_hand import weights_at_hand


@dataclass(frozen=True)
class PlanRequest:
    """What the user asks for. data: the folder; minutes: from the plan to the submission; keep: a config whose values
    stay as they are, None: nothing is fixed; name: of the run, None: auto_<folder> or <config>_planned; metric: of the
    competition, None: asked for or the default; weights: a file or folder of pretrained weights; cores: use no more
    than these; overrides: `key=value` as with --set; explain: print where each value comes from; configs: the folder to
    write to.
    """

    data: Path
    minutes: float
    keep: Path | None = None
    name: str | None = None
    metric: str | None = None
    weights: Path | None = None
    cores: int | None = None
    overrides: tuple[str, ...] = ()
    explain: bool = False
    configs: Path = REPOSITORY / "configs"

    @property
    def run_name(self) -> str:
        """The name of the run."""
        if self.name is None and self.keep is not None:
            return f"{self.keep.stem}_planned"
        return self.name or "auto_" + re.sub(r"[^A-Za-z0-9_-]+", "_", self.data.resolve().name).strip("_")

    @property
    def command(self) -> str:
        """The command that plans it again; a comment names the contents of the config whose values it keeps."""
        words = [
            *as_called("python src/plan.py").split(),
            "--data",
            display(self.data.resolve()),
            "--minutes",
            f"{self.minutes:g}",
        ]
        words += ["--keep", display(self.keep.resolve())] if self.keep else []
        words += ["--name", self.name] if self.name else []
        words += ["--metric", self.metric] if self.metric else []
        words += ["--weights", display(self.weights.resolve())] if self.weights else []
        words += ["--cores", str(self.cores)] if self.cores else []
        line = shlex.join([*words, *(["--set", *self.overrides] if self.overrides else [])])
        if self.keep is None:
            return line
        kept = json.dumps(read_tree(self.keep), sort_keys=True, default=str)
        return f"{line}  # {self.keep.name} {hashlib.sha256(kept.encode()).hexdigest()[:12]}"


def add_plan_arguments(parser: ArgumentParser) -> None:
    """Add the options of a plan to a command's parser."""
    add = parser.add_argument
    add("--data", type=Path, metavar="FOLDER", help="the competition's data, as it was unpacked")
    add("--keep", type=Path, metavar="CONFIG", help="a config whose values stay as they are; the rest is planned")
    add("--minutes", type=float, required=True, metavar="M", help="from the plan to the report, set-up apart")
    add("--name", metavar="NAME", help="of the run (default: auto_<folder>, or <config>_planned)")
    add("--metric", metavar="NAME", help=f"of the competition: {', '.join(METRICS)}")
    add("--weights", type=Path, metavar="PATH", help="pretrained weights: <encoder>-imagenet.pth, or a folder of them")
    add("--cores", type=int, metavar="N", help="use no more than these (default: all that this process may use)")
    add("--explain", action="store_true", help="print where every value of the config comes from")


def request_of(args: Namespace) -> PlanRequest:
    """What the options ask for. Raises UsageError if no folder of data is named."""
    overrides = tuple(override for group in args.overrides for override in group)
    data = args.data or (args.keep and _root_of(args.keep))
    if data is None:
        raise UsageError("no data: give --data FOLDER, or --keep CONFIG with a data.root")
    return PlanRequest(
        data, args.minutes, args.keep, args.name, args.metric, args.weights, args.cores, overrides, args.explain
    )


def _root_of(keep: Path) -> Path | None:
    """The folder of data that a config names."""
    root = (read_tree(keep).get("data") or {}).get("root")
    return None if root is None else resolve(str(root))


def _kept(request: PlanRequest) -> dict[str, Any]:
    """What the config sets that the plan keeps, but for its name. Raises UsageError for a blend."""
    tree = {} if request.keep is None else read_tree(request.keep)
    if tree.get("blend") is not None:
        raise UsageError(f"--keep {request.keep}: is a blend, which trains nothing that could be planned")
    return {name: value for name, value in tree.items() if name != "name"}


def make_plan(request: PlanRequest) -> Path:
    """Recognise, look at, measure and plan; the config file that is written. An unchanged plan of this request is kept.

    Raises DataError for data that cannot be used, UsageError for a budget, memory or disk that is too small, and for a
    file of the plan's name that was not planned, or was changed since.
    """
    started, path = time.monotonic(), request.configs / f"{request.run_name}.yaml"
    first = first_run_of(path)
    if request.minutes <= 0:
        raise UsageError(f"--minutes {request.minutes:g}: expected a number above 0")
    may_replace(path)
    may_replace(first)
    if first.is_file() and is_plan_of(path, request.command):
        print(f"plan: {display(path)} is up to date (delete it to plan again)", flush=True)
    else:
        planned, early = _planned(request, started)
        write_plan(path, planned)
        write_plan(first, early)
    config = load_experiment(path)
    if request.explain:
        _explain(config.model_dump(mode="json"), path)
    return path


def first_run_of(path: Path) -> Path:
    """The config of the first, short run of a plan."""
    return path.with_name(f"{path.stem}_first.yaml")


def _planned(request: PlanRequest, started: float) -> tuple[str, str]:
    """The text of the plan, and that of its first run."""
    origin = None if request.keep is None else f"{KEPT} {display(request.keep.resolve())}"
    draft = Draft(request.overrides, _kept(request), origin)
    draft.check_given()
    draft.choose("name", request.run_name, "")
    if request.metric is not None or draft.value("tuning.metric") is None:
        draft.choose("tuning.metric", *chosen_metric(request.metric))
    data, competition, notes = choose_data(draft, request.data)
    root = resolve(str(draft.value("output_root", ".")))
    paths = RunPaths(root, str(draft.value("name")), fold_models=0)
    draw_overlays(competition, paths.labels_png)
    print(f"plan: look at {display(paths.labels_png)}: six images with their masks, as they were read", flush=True)
    machine = this_machine(request.cores, root)
    data, competition = _with_groups(draft, data, competition, request, machine.cores)
    facts = fingerprint(competition)
    for line in (*facts_in_words(facts), machine.in_words):
        print(f"plan: {line}", flush=True)
    _warn(facts, competition, paths.tests_png)
    encoders = preferred(machine, request.minutes)
    weights = weights_at_hand(request.weights, request.data.resolve(), REPOSITORY, encoders)
    situation = Situation(facts, machine, weights, request.minutes, started)
    sizes = plan_model(draft, situation)
    speed, how = measure(draft, sizes, situation, competition, data)
    clock = plan_rest(draft, sizes, speed, situation)
    choose_submission(draft, competition, data)
    heading = [
        f"{request.run_name}: planned for {request.minutes:g} minutes from a look at the data and the machine. Change "
        f"what you like, and run it: {as_called('bash run_all.sh')} configs/{request.run_name}.yaml",
        *facts_in_words(facts),
        f"Machine: {machine.in_words}; {1 / clock.draw:.1f} images a second in training ({how}).",
    ]
    tree = in_order(draft.tree(), draft.config().model_dump(mode="json"))
    text = plan_text(tree, draft.reasons(), heading, request.command, notes)
    return text, first_run_text(first_run(draft, clock, facts), f"{request.run_name}.yaml")


def _warn(facts: Fingerprint, competition: Competition, picture: Path) -> None:
    """Print what is unusual about the data; test images unlike the training images are drawn."""
    unlike = unlike_tests(facts)
    for line in (*rare_classes(facts), *unlike):
        print(f"plan: warning: {line}", flush=True)
    if unlike:
        draw_tests(competition, picture)
        print(f"plan: look at {display(picture)}: training images above, test images below", flush=True)


def _with_groups(
    draft: Draft, data: Found, competition: Competition, request: PlanRequest, cores: int
) -> tuple[Found, Competition]:
    """The data with groups of copies, written to folds/<name>.groups.csv, unless there are groups or no copies."""
    if "group" in competition.train or "groups_csv" in (draft.given.get("data") or {}):
        return data, competition
    copies = find_copies(competition, min(COPIES_SECONDS, COPIES_SHARE * 60 * request.minutes), cores)
    print(f"plan: {copies.words}", flush=True)
    if copies.groups is None:
        return data, competition
    path = resolve(str(draft.value("output_root", "."))) / "folds" / f"{request.run_name}.groups.csv"
    with whole_file(path) as temporary:
        copies.groups.to_csv(temporary, index=False)
    draft.choose("data.groups_csv", str(path), f"{copies.words}; each stays in one fold")
    data = data.model_copy(update={"groups_csv": str(path)})
    group = copies.groups["GroupId"].to_numpy()
    return data, replace(competition, train=competition.train.assign(group=group))


def _explain(config: dict[str, Any], path: Path) -> None:
    """Print every key of the config, its value, and where it comes from, one key a line."""
    reasons = reasons_in(path.read_text(encoding="utf-8"))
    rows = []
    for key, value in _leaves(config, ""):
        own = next((reasons[part] for part in _parents(key) if part in reasons), None)
        of_user = own is not None and own.startswith((GIVEN, KEPT))
        origin = "default" if own is None else own if of_user else f"plan: {own}" if own else "plan"
        rows.append((key, str(value), origin))
    keys, values = (max(len(row[column]) for row in rows) for column in (0, 1))
    for key, value, origin in rows:
        print(f"{key:{keys}}  {value:{min(values, 30)}}  {origin}")


def _leaves(tree: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _parents(key: str) -> list[str]:
    """`a.b.c`, `a.b`: the key and those it is in, but for the section."""
    parts = key.split(".")
    return [".".join(parts[:end]) for end in range(len(parts), min(2, len(parts)) - 1, -1)]
