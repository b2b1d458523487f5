"""Whether files still hold what they held: their contents compared with those of an earlier check.

Every start takes a file of the same name, size and modification time for unchanged, since reading all images would take
minutes. `--verify` reads them.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from maskfold.artefacts.files import file_hash, whole_file
from maskfold.data.competition import Competition
from maskfold.errors import DataError
from maskfold.execution.jobs import available_cores
from maskfold.execution.progress import tracked

_STAMP = ["path", "size", "mtime_ns"]
_TYPES = {"path": "str", "size": "int64", "mtime_ns": "int64", "sha256": "str"}


def verify_contents(competition: Competition, record: Path) -> int:
    """Hash all images and masks, and compare with `record`, a csv of path, size, mtime_ns and sha256, which is updated.

    Returns how many files could be compared. Raises DataError naming every file whose content changed while its size
    and modification time stayed the same; such files keep their entries.
    """
    paths = {Path(path) for table in (competition.train, competition.test) for path in table["path"]}
    found = _hashes(sorted(paths | set(competition.label_images)))
    known = _known(record)
    both = found.merge(known, on=_STAMP, suffixes=("", "_before"))
    changed = both.loc[both["sha256"] != both["sha256_before"], "path"].tolist()
    kept = pd.concat([known[known["path"].isin(changed)], found[~found["path"].isin(changed)]])
    with whole_file(record) as temporary:
        kept.to_csv(temporary, index=False)
    if changed:
        raise DataError(
            [
                f"{path}: its content changed, but not its size and modification time, so that what was made from it "
                f"is taken for up to date; run `touch {path}`, and the stages again"
                for path in changed
            ]
        )
    return len(both)


def _hashes(paths: Iterable[Path]) -> pd.DataFrame:
    files = list(paths)
    stamps = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    with ThreadPoolExecutor(max_workers=available_cores()) as pool:
        hashes = list(tracked(pool.map(file_hash, files), len(files), "contents of files"))
    return pd.DataFrame(stamps, columns=_STAMP).assign(sha256=hashes)


def _known(record: Path) -> pd.DataFrame:
    """What an earlier check found; nothing where there is none, or it is damaged."""
    try:
        return pd.read_csv(record, dtype=_TYPES, keep_default_na=False)[list(_TYPES)]
    except (OSError, ValueError, KeyError):
        return pd.DataFrame(columns=list(_TYPES)).astype(_TYPES)
