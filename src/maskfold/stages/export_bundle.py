"""All that a machine offline needs for test images, in one folder or zip: weights, code, rules, a notebook."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

from maskfold.artefacts.files import scratch_folder, whole_file, whole_folder
from maskfold.artefacts.lock import one_writer
from maskfold.artefacts.manifest import MANIFEST
from maskfold.artefacts.paths import display
from maskfold.config import Config
from maskfold.data.opening import settled_orientation
from maskfold.errors import UsageError
from maskfold.export.bundle import HALF_NOTE, needed_requirements, needed_versions, write_bundle
from maskfold.export.target import Target
from maskfold.export.wheels import fetch_wheels, wanted_by
from maskfold.submission.usable_rules import checked_artefact


class WheelRequest(NamedTuple):
    """Where wheels are kept, and for which target they are."""

    folder: Path
    target: Target


@one_writer("export_bundle")
def export_bundle(
    config: Config,
    folder: Path,
    half: bool = False,
    zipped: bool = False,
    overwrite: bool = False,
    wheels: WheelRequest | None = None,
) -> Path:
    """Write the bundle of a tuned run, whole or not at all, to `folder`, or to the zip of that name; returns the path.

    half: weights in half precision; wheels: of the packages that the target lacks, None: none travel. Raises UsageError
    when something is there already (with `overwrite`: something that is no bundle), the run cannot be bundled or a
    wheel cannot be had; StaleError when the run is not trained and tuned.
    """
    target = folder.with_name(f"{folder.name}.zip") if zipped else folder
    _check_target(target, overwrite)
    checked_artefact(config)
    orientation = settled_orientation(config.data)
    brought = None if wheels is None else _wheels(wheels)
    if zipped:
        with whole_file(target) as temporary, scratch_folder(target) as unzipped:
            (unzipped / "files").mkdir()
            write_bundle(unzipped / "files", config, half, orientation, brought)
            archive = Path(shutil.make_archive(str(unzipped / "bundle"), "zip", unzipped / "files"))
            archive.replace(temporary)
    else:
        with whole_folder(target) as part:
            write_bundle(part, config, half, orientation, brought)
    print(f"export_bundle: wrote {display(target)}; README.txt in it says how to run it offline")
    if half:
        print(f"export_bundle: {HALF_NOTE}")
    return target


def _wheels(request: WheelRequest) -> list[Path]:
    """Fetch what the target lacks, and say what that is."""
    wanted = wanted_by(needed_requirements(needed_versions()), request.target)
    for each in wanted:
        print(f"export_bundle: brings {each.lack}", flush=True)
    if not wanted:
        print("export_bundle: the target has all that the bundle needs", flush=True)
    return fetch_wheels(wanted, request.target, request.folder)


def _check_target(target: Path, overwrite: bool) -> None:
    if not target.exists():
        return
    if not overwrite:
        raise UsageError(f"{display(target)} is there already; give --overwrite to replace it, or another --out")
    if target.is_dir() and not (target / MANIFEST).is_file():
        raise UsageError(f"{display(target)} holds no {MANIFEST}, so it is no bundle to replace; give another --out")
