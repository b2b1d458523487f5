"""The data of a competition: downloaded so that a break costs little, and unpacked whole or not at all."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from maskfold.artefacts.files import whole_folder
from maskfold.artefacts.paths import display
from maskfold.errors import UsageError
from maskfold.execution.progress import tracked
from maskfold.on_kaggle.client import connected, explained

_DEPTH = 3  # archives in archives


def pull_data(competition: str, folder: Path) -> bool:
    """Download a competition's data to a folder, unless it is there; whether it was downloaded.

    Archives in the archive are unpacked too. What a broken download left, next to the folder, is continued. Raises
    UsageError as `connected` does, for rules that were not accepted, and for an archive that is damaged.
    """
    if folder.is_dir() and any(folder.iterdir()):
        return False
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{display(folder)} is a file; give another folder with --to")
    api = connected()
    kept = folder.with_name(f".{folder.name}.download")
    kept.mkdir(parents=True, exist_ok=True)
    with explained(competition, competition):
        try:
            api.competition_download_files(competition, path=str(kept), quiet=False)
        except ValueError as error:  # of the client: another size than was announced
            raise UsageError(f"{competition}: {error}; start the same command again") from None
    archives = [path for path in kept.iterdir() if zipfile.is_zipfile(path)]
    if len(archives) != 1:
        shutil.rmtree(kept)
        raise UsageError(f"{competition}: what Kaggle sent is no zip; start again to download it again")
    try:
        with whole_folder(folder) as part:
            _unpack(archives[0], part)
            _unpack_inner(part)
    except (zipfile.BadZipFile, EOFError) as error:
        shutil.rmtree(kept)
        raise UsageError(f"{competition}: the archive is damaged ({error}); start again to download it again") from None
    shutil.rmtree(kept)
    return True


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive, whose checksums are compared; names that lead out of the folder stay inside."""
    with zipfile.ZipFile(archive) as opened:
        members = opened.infolist()
        for member in tracked(members, len(members), f"unpacking {archive.name}"):
            opened.extract(member, folder)


def _unpack_inner(folder: Path) -> None:
    """Replace each archive by what it holds: in a folder of its name, or beside it if it brings one or is one file."""
    for _ in range(_DEPTH):
        archives = [path for path in sorted(folder.rglob("*.zip")) if zipfile.is_zipfile(path)]
        for archive in archives:
            with zipfile.ZipFile(archive) as opened:
                names = [name for name in opened.namelist() if not name.startswith("__MACOSX/")]
            tops = {name.partition("/")[0] for name in names}
            beside = len(names) == 1 or tops == {archive.stem}
            _unpack(archive, archive.parent if beside else archive.parent / archive.stem)
            archive.unlink()
