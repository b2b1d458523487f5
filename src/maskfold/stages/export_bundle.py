"""All that a machine offline needs for test images, in one folder or zip: weights, code, rules, a notebook."""

from __future__ import annotations

import shutil
from pathlib import Path

from maskfold.artefacts.files import scratch_folder, whole_file, whole_folder
from maskfold.artefacts.lock import one_writer
from maskfold.artefacts.paths import display
from maskfold.config import Config
from maskfold.data.opening import settled_orientation
from maskfold.errors import UsageError
from maskfold.export.bundle import HALF_NOTE, write_bundle
from maskfold.export.manifest import MANIFEST
from maskfold.submission.usable_rules import checked_artefact


@one_writer("export_bundle")
def export_bundle(
    config: Config, folder: Path, half: bool = False, zipped: bool = False, overwrite: bool = False
) -> Path:
    """Write the bundle of a tuned run, whole or not at all, to `folder`, or to the zip of that name; returns the path.

    half: weights in half precision. Raises UsageError when something is there already (with `overwrite`: something that
    is no bundle) or the run cannot be bundled, StaleError when it is not trained and tuned.
    """
    target = folder.with_name(f"{folder.name}.zip") if zipped else folder
    _check_target(target, overwrite)
    checked_artefact(config)
    orientation = settled_orientation(config.data)
    if zipped:
        with whole_file(target) as temporary, scratch_folder(target) as unzipped:
            (unzipped / "files").mkdir()
            write_bundle(unzipped / "files", config, half, orientation)
            archive = Path(shutil.make_archive(str(unzipped / "bundle"), "zip", unzipped / "files"))
            archive.replace(temporary)
    else:
        with whole_folder(target) as part:
            write_bundle(part, config, half, orientation)
    print(f"export_bundle: wrote {display(target)}; README.txt in it says how to run it offline")
    if half:
        print(f"export_bundle: {HALF_NOTE}")
    return target


def _check_target(target: Path, overwrite: bool) -> None:
    if not target.exists():
        return
    if not overwrite:
        raise UsageError(f"{display(target)} is there already; give --overwrite to replace it, or another --out")
    if target.is_dir() and not (target / MANIFEST).is_file():
        raise UsageError(f"{display(target)} holds no {MANIFEST}, so it is no bundle to replace; give another --out")
