"""The OOF stage of a blend: its members' OOF checked, weights chosen on it, and an OOF of its own combined from it."""

from __future__ import annotations

from maskfold.artefacts.code_version import code_version
from maskfold.artefacts.paths import RunPaths, display
from maskfold.artefacts.provenance import Provenance, contents_hash
from maskfold.artefacts.step import Step
from maskfold.blending.choice import BlendChoice, WeightSearch, choose_blend, other_metric, print_choice
from maskfold.blending.fold_oof import BlendJob, blend_fold
from maskfold.blending.oof_subset import sample_images
from maskfold.blending.scores import SCORED_BY, BlendScores
from maskfold.config import Blend, Config
from maskfold.data.competition import Competition
from maskfold.errors import StaleError
from maskfold.folds.table import read_folds, same_folds, shared_folds
from maskfold.folds.visibility import scored_competition
from maskfold.oof.origin import blended_metadata
from maskfold.oof.parts import OofPart, oof_parts
from maskfold.oof.with_truth import largest_map_px


def blend_oof(config: Blend, competition: Competition, accept_code_changes: bool = False) -> None:
    """Choose the weights of a blend's members on their OOF, and combine it, fold by fold, into the blend's own.

    Raises StaleError when a member's OOF is missing or stale, or the folds are not those of the members.
    """
    step = Step("predict_oof", accept_code_changes)
    blend, paths = config.blend, RunPaths.of(config)
    of_members = _checked_parts(config, competition, step)
    choice = _chosen(config, scored_competition(config, competition), step)
    jobs = []
    for fold in range(config.folds.count):
        made_from = Provenance(
            "predict_oof",
            {"combine": blend.combine, "weights": choice.weights},
            {member.name: _oof_hash(member, fold) for member in blend.members},
            code_version("blended oof"),
            f"fold{fold}",
            config.name,
        )
        title = f"{config.folds.part_word} {fold}"
        if step.due(paths.oof_parquet(fold), made_from, title):
            checkpoints = {
                f"{name}/{model}": digest
                for name, parts in of_members.items()
                for model, digest in parts[fold].checkpoints.items()
            }
            metadata = blended_metadata(config, checkpoints, choice.weights)
            files = tuple(RunPaths.of(member).oof_parquet(fold) for member in blend.members)
            weights = tuple(choice.weights[member.name] for member in blend.members)
            classes = len(config.data.class_names)
            path = paths.oof_parquet(fold)
            jobs.append(BlendJob(fold, title, files, weights, blend.combine, classes, path, metadata, made_from))
    for path in map(blend_fold, jobs):
        step.wrote(path)


def _checked_parts(config: Blend, competition: Competition, step: Step) -> dict[str, list[OofPart]]:
    """Member -> the parts of its OOF.

    Raises StaleError, with all problems together, unless all are up to date and of the same folds.
    """
    shared = shared_folds(config, competition)
    if not same_folds(read_folds(config, competition), shared, config.folds):
        path, option = display(RunPaths.of(config).folds_csv), f"--config configs/{config.name}.yaml"
        raise StaleError(f"{path}: not the folds of the blend's members; run `python src/make_folds.py {option}`")
    problems, found = [], {}
    for member in config.experiments:
        command = f"run `python src/predict_oof.py --config configs/{member.name}.yaml`"
        try:
            found[member.name] = oof_parts(member, competition)
        except StaleError as error:
            problems.append(str(error))
            continue
        for expected in found[member.name]:
            file = RunPaths.of(member).oof_parquet(expected.part)
            if reasons := step.reasons(file, expected.made_from):
                problems.append(
                    f"{member.name}, OOF of {member.folds.part_word} {expected.part}: {'; '.join(reasons)}; {command}"
                )
    if problems:
        lines = "\n".join(f"  {line}" for line in problems)
        raise StaleError(f"{config.name}: its members are not ready to be blended:\n{lines}")
    return found


def _oof_hash(member: Config, fold: int) -> str:
    command = f"python src/predict_oof.py --config configs/{member.name}.yaml"
    return contents_hash(RunPaths.of(member).oof_parquet(fold), command, f"fold{fold}")


def _chosen(config: Blend, competition: Competition, step: Step) -> BlendChoice:
    """The weights in blend.json, chosen again unless it is up to date."""
    blend, path, tuning = config.blend, RunPaths.of(config).blend_json, config.tuning.with_exact_metric()
    folds = range(config.folds.count)
    oof = {f"{run.name}/fold{fold}": RunPaths.of(run).oof_parquet(fold) for run in blend.members for fold in folds}
    settings = {
        "blend": blend.model_dump(exclude={"members"}) | {"members": [member.name for member in blend.members]},
        "tuning": tuning.model_dump(include=SCORED_BY),
        "seed": config.seed,
    }
    inputs = {f"{run.name}/fold{fold}": _oof_hash(run, fold) for run in blend.members for fold in folds}
    inputs |= competition.label_inputs()
    made_from = Provenance("blend", settings, inputs, code_version("blend weights"))
    reasons = step.reasons(path, made_from)
    choice = None if reasons else BlendChoice.read(path)
    if choice is None:
        step.announce(path, reasons or ["it cannot be read"], "weights of the members")
        by_fold = [[oof[f"{member.name}/fold{fold}"] for member in blend.members] for fold in folds]
        sample = sample_images(by_fold, competition, blend.sample_px, config.seed)
        scores = BlendScores(sample, blend.combine, tuning, largest_map_px(competition), competition.exclusive)
        names = [member.name for member in blend.members]
        search = WeightSearch(blend.combine, blend.weights, blend.trials, tuning.metric)
        choice = choose_blend(names, search, config.seed, scores, len(sample), len(competition.train))
        choice.write(path)
        made_from.write(path)
    else:
        step.skip(path)
    print_choice(config.name, choice)
    if note := other_metric(config.tuning):
        step.say(note)
    return choice
