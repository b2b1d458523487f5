"""Checks that all readers share: files, channels, the sample submission, groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from maskfold.config import LabelledData
from maskfold.data.competition import Competition, OnBadImage
from maskfold.data.groups import read_groups
from maskfold.data.images.depth import mixed_types
from maskfold.data.images.files import (
    UNKNOWN_PEAK,
    ImageHeader,
    check_channels,
    check_images,
)
from maskfold.data.images.headers import read_declared
from maskfold.data.images.orientation import orientations
from maskfold.data.images.stacks import without_neighbours
from maskfold.data.problems import Problems
from maskfold.data.sample_submission import read_sample_file, sample_in
from maskfold.errors import DataError

_EMPTY_HINT = "; to give such test images empty masks, use --on-bad-image empty"


def check_files(
    train: Iterable[Path],
    test: Mapping[str, Path],
    data: LabelledData,
    on_bad_image: OnBadImage,
    problems: Problems,
) -> tuple[dict[Path, ImageHeader], dict[str, str]]:
    """Check every file once; returns the headers, and image_id -> reason of the test images that cannot be read.

    Strict: those are problems as all others are. Otherwise they are let pass, with the size they declare, or else that
    of most other test images; every test image is then decoded, since none may fail later. That all fail is a problem.
    data: says how files are checked, and in which orientation they are read, which the headers follow.
    """
    if on_bad_image == "strict":
        headers, bad_images = check_images([*train, *test.values()], data.check)
        only_test = {str(path) for path in test.values() if path not in headers}
        hints = [_EMPTY_HINT if line.partition(": ")[0] in only_test else "" for line in bad_images]
        problems += [line + hint for line, hint in zip(bad_images, hints, strict=True)]
        return _oriented(headers, data), {}
    headers, bad_images = check_images([*train], data.check)
    problems += bad_images
    of_test, bad_tests = check_images([*test.values()], "decode")
    reasons = {line.partition(": ")[0]: line.partition(": ")[2] for line in bad_tests}
    unreadable = {key: reasons.get(str(path), "cannot be read") for key, path in test.items() if path not in of_test}
    if unreadable and not of_test:
        problems += [*bad_tests, "no test image can be read"]
    usual = Counter(header[:2] for header in of_test.values()).most_common(1)
    for image_id in unreadable:
        height, width = _declared_size(test[image_id]) or (usual[0][0] if usual else (1, 1))
        of_test[test[image_id]] = ImageHeader(height, width, UNKNOWN_PEAK)
    return _oriented(headers | of_test, data), unreadable


def _oriented(headers: dict[Path, ImageHeader], data: LabelledData) -> dict[Path, ImageHeader]:
    """The headers of files read as stored, or upright."""
    if data.orientation != "upright":
        return headers
    return headers | {path: headers[path].turned(found) for path, found in orientations(headers).items()}


def readable(images: Mapping[str, Path], headers: Mapping[Path, ImageHeader]) -> dict[str, Path]:
    """The images that the check found whole: all of them, unless problems are tolerated."""
    return {image_id: path for image_id, path in images.items() if path in headers}


def with_channels(competition: Competition, channels: int, on_bad_image: OnBadImage) -> Competition:
    """The competition, its channels checked: a test image that has others cannot be read either."""
    test = competition.readable_test
    train = [*map(Path, competition.train["path"]), *competition.neighbour_files]
    bad_train = check_channels(train, channels)
    bad_test = check_channels([Path(path) for path in test["path"]], channels)
    refused = on_bad_image == "strict" or len(bad_test) == len(test)
    problems = [*bad_train.values(), *(bad_test.values() if refused else ())]
    problems += mixed_types([*train, *map(Path, test["path"])])
    if problems:
        raise DataError(problems)
    pairs = zip(test["image_id"], map(Path, test["path"]), strict=True)
    more = {name: bad_test[path].removeprefix(f"{path}: ") for name, path in pairs if path in bad_test}
    if not more:
        return competition
    without = without_neighbours(competition.test, bad_test)
    return replace(competition, test=without, unreadable={**competition.unreadable, **more})


def _declared_size(path: Path) -> tuple[int, int] | None:
    try:
        declared = read_declared(path)
    except DataError:
        return None
    return None if declared is None else (declared.height, declared.width)


def check_sample(
    root: Path, name: str | None, class_names: Sequence[str], test: Mapping[str, Path], problems: Problems
) -> Path | None:
    """The competition's sample submission, checked against the test images; None where there is none."""
    found = sample_in(root) if name == "auto" and test else None if name == "auto" else name
    if found is None:
        return None
    wrong = Problems()
    wrong.attempt(lambda: read_sample_file(root / found, class_names, test), None)
    if name == "auto" and wrong:
        wrong[0] += f" ({found} is called like a sample submission; data.sample_submission: null leaves it out)"
    problems += wrong
    return root / found


def checked_groups(
    root: Path, name: str | None, train: Mapping[str, Path], problems: Problems
) -> dict[str, str] | None:
    """image_id -> group of the competition's groups file, checked; None where the config names none."""
    return None if name is None else problems.attempt(lambda: read_groups(root / name, list(train)), dict[str, str]())
