"""A tuned run as a shared model: a folder, or a repository of the Hugging Face hub."""

from __future__ import annotations

import tempfile
from pathlib import Path

from maskfold.artefacts.files import whole_folder
from maskfold.artefacts.lock import one_writer
from maskfold.artefacts.manifest import MANIFEST
from maskfold.artefacts.paths import RunPaths, display
from maskfold.config import Config
from maskfold.data.opening import settled_orientation
from maskfold.errors import UsageError
from maskfold.export.offline_config import config_text, offline_config
from maskfold.folds.table import read_table
from maskfold.hub.address import HubAddress, address_of
from maskfold.hub.card import CardFacts, card_text, check_licence
from maskfold.hub.folder import refuse_own_code, write_model_folder
from maskfold.report.honest import honest_score
from maskfold.submission.usable_rules import checked_artefact


@one_writer("push_model")
def push_model(
    config: Config,
    to: str,
    public: bool = False,
    licence: str | None = None,
    message: str | None = None,
    overwrite: bool = False,
) -> str:
    """Write a tuned run to a folder, whole or not at all, or push it to `hf://user/repo`; returns where it is.

    public: whether everybody may read the repository; licence: of the weights, as the hub calls it; message: of the
    commit; overwrite: replace a shared model in the folder. Raises UsageError for what cannot be shared or pushed,
    StaleError for a run that is not trained and tuned.
    """
    address = address_of(to)
    check_licence(licence)
    if isinstance(address, HubAddress):
        place = address.repository and str(HubAddress(address.repository))
    else:
        if public or message:
            raise UsageError("--public and --message are for a repository (--to hf://user/repo), not for a folder")
        address, place = address.resolve(), address.name
        _check_target(address, overwrite)
    refuse_own_code(config, config.name)
    tuned = checked_artefact(config)
    honest = honest_score(config, tuned)
    facts = CardFacts(place, honest.score, honest.interval, _images(config), licence)
    text, card = config_text(offline_config(config, settled_orientation(config.data))), card_text(config, tuned, facts)
    if isinstance(address, Path):
        with whole_folder(address) as part:
            write_model_folder(part, config, text, card)
        print(f"push_model: wrote {display(address)}; its README.md says how to load it", flush=True)
        return str(address)
    from maskfold.hub.remote import push

    with tempfile.TemporaryDirectory(prefix="maskfold-") as temporary:
        folder = Path(temporary)
        write_model_folder(folder, config, text, card)
        where = push(folder, address, public, message or f"{config.name}, {tuned.metric} {honest} (honest)")
    print(f"push_model: pushed to hf://{where}", flush=True)
    return f"hf://{where}"


def _images(config: Config) -> int | None:
    """How many images the folds score; None without folds."""
    table = RunPaths.of(config).folds_csv
    return int((read_table(table, config.folds)["fold"] >= 0).sum()) if table.is_file() else None


def _check_target(target: Path, overwrite: bool) -> None:
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not overwrite:
        raise UsageError(f"{display(target)} is there already; give --overwrite to replace it, or another --to")
    if not (target / MANIFEST).is_file():
        raise UsageError(f"{display(target)} holds no {MANIFEST}, so it is no shared model to replace; another --to")
