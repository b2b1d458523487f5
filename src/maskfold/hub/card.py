"""The model card of a shared model: README.md, with the metadata of the Hugging Face hub at its top."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import jinja2
from huggingface_hub import EvalResult, ModelCardData

from maskfold import __version__
from maskfold.config import Blend, Config, Experiment
from maskfold.errors import UsageError
from maskfold.execution.console import markdown_table
from maskfold.execution.text import visible
from maskfold.rules.in_use import honest_in_use, score_in_use
from maskfold.rules.text import rule_text
from maskfold.rules.tuned import Interval, TunedArtefact

_TEMPLATE = Path(__file__).with_name("card.md.j2")
_LICENCE = re.compile(r"[a-z0-9][a-z0-9.-]*")


@dataclass(frozen=True)
class CardFacts:
    """What a card says that the config and the rules do not.

    place: where the model is loaded from; honest, interval: the mean over classes; images: labelled, None: unknown;
    licence: of the weights as the hub calls it, such as `apache-2.0`, None: not stated.
    """

    place: str
    honest: float
    interval: Interval | None
    images: int | None
    licence: str | None


def check_licence(licence: str | None) -> None:
    """Raise UsageError for a licence that is not written as the hub writes them."""
    if licence is not None and not _LICENCE.fullmatch(licence):
        raise UsageError(
            f"--license {licence}: expected an identifier of the hub, such as apache-2.0, mit or cc-by-4.0"
        )


def card_text(config: Config, tuned: TunedArtefact, facts: CardFacts) -> str:
    """The text of a model card."""
    names = [visible(entry.class_name) for entry in tuned.classes]
    low_high = facts.interval and f" [{facts.interval.low:.4f}, {facts.interval.high:.4f}]"
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        front_matter=_front_matter(config, tuned, facts),
        name=config.name,
        classes=names,
        version=__version__,
        networks="; ".join(_network(run) for run in config.experiments),
        facts=_facts(config, tuned, facts),
        metric=tuned.metric,
        honest=f"{facts.honest:.4f}{low_high or ''}",
        interval=facts.interval,
        scored="the labelled images" if facts.images is None else f"{facts.images:,} labelled images",
        scores=_scores(tuned, names),
        refit=any(run.refit is not None for run in config.experiments),
        rules=markdown_table(
            ["class", "in use", "rule"],
            [[name, entry.used, rule_text(entry.rule)] for name, entry in zip(names, tuned.classes, strict=True)],
            3,
        ),
        place=facts.place,
        startable=isinstance(config, Experiment) and config.train.select != "ensemble",
        several=any(run.train.select == "ensemble" for run in config.experiments),
        licence=_licence(config, facts.licence),
    )


def _front_matter(config: Config, tuned: TunedArtefact, facts: CardFacts) -> str:
    """The metadata between two lines of dashes."""
    result = EvalResult(
        task_type="image-segmentation",
        dataset_type=config.name,
        dataset_name=config.name,
        metric_type=tuned.metric,
        metric_name=f"{tuned.metric}, honest",
        metric_value=round(facts.honest, 6),
    )
    data = ModelCardData(
        library_name="maskfold",
        license=facts.licence,
        pipeline_tag="image-segmentation",
        tags=["maskfold", "segmentation-models-pytorch", "semantic-segmentation"],
        model_name=config.name,
        eval_results=[result],
    )
    return f"---\n{data.to_yaml()}\n---"


def _network(run: Experiment) -> str:
    return f"{run.model.architecture} with {run.model.encoder}"


def _facts(config: Config, tuned: TunedArtefact, facts: CardFacts) -> list[tuple[str, str]]:
    """Rows of the first table."""
    found = [("data", f"{config.data.format}, {config.in_channels} channels")]
    if facts.images is not None:
        found.append(("labelled images", f"{facts.images:,}"))
    found.append(("folds", config.folds.title))
    for run in config.experiments:
        models = [run.model_name(number) for number in run.test_numbers]
        whose = f" of {run.name}" if isinstance(config, Blend) else ""
        found.append((f"models{whose} that predict", ", ".join(models)))
    if tuned.combine is not None:
        shares = ", ".join(f"{name} {weight:.3g}" for name, weight in tuned.ensemble_weights.items())
        found.append(("blended by", f"{tuned.combine}: {shares}"))
    found.append(("test-time views besides the image itself", ", ".join(tuned.tta) or "none"))
    versions = {name: metadata.version(name) for name in ("torch", "segmentation-models-pytorch", "timm")}
    found.append(("packages", ", ".join(f"{name} {version}" for name, version in versions.items())))
    return found


def _scores(tuned: TunedArtefact, names: list[str]) -> str:
    rows = []
    for name, entry in zip(names, tuned.classes, strict=True):
        values = [entry.scores.all_empty, entry.scores.default, score_in_use(entry), honest_in_use(entry)]
        dice = entry.non_empty_dice.tuned if entry.used == "tuned" else entry.non_empty_dice.default
        rows.append([name, *(f"{value:.4f}" for value in values), "" if dice is None else f"{dice:.3f}"])
    means = tuned.scores
    mean = [means.all_empty, means.default, means.tuned, means.honest]
    rows.append(["mean", *(f"{value:.4f}" for value in mean), ""])
    return markdown_table(["class", "all empty", "default", "in use", "honest", "Dice, non-empty"], rows)


def _licence(config: Config, licence: str | None) -> str:
    """What is known of the licences of these weights and of those that the training started from."""
    own = "These weights: not stated." if licence is None else f"These weights: {licence}."
    return " ".join(dict.fromkeys([own, *(_start(run) for run in config.experiments)]))


def _start(run: Experiment) -> str:
    model = run.model
    if model.init_from is not None:
        name = model.init_from if "://" in model.init_from else Path(model.init_from).name
        return f"The training started from the network of {name}, whose licence counts, too."
    if model.encoder_weights is None:
        return "The training started from random weights."
    where = f"The encoder ({model.encoder}) was pretrained"
    if Path(model.encoder_weights).suffix:
        return f"{where}: a local file, {Path(model.encoder_weights).name}, of unknown licence."
    if model.encoder.startswith("tu-"):
        import timm

        settings = timm.models.get_pretrained_cfg(model.encoder.removeprefix("tu-"))
        licence = getattr(settings, "license", None)
        return f"{where} (timm, {settings.hf_hub_id if settings else 'unknown'}): {licence or 'licence not stated'}."
    return (
        f"{where} on {model.encoder_weights}; see https://huggingface.co/smp-hub/"
        f"{model.encoder}.{model.encoder_weights} for the licence."
    )
