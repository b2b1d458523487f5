"""Predict a folder of test images with this bundle: no internet, no training data, nothing to download.

    python predict.py --images test_images --sample sample_submission.csv --out submission.csv --budget-minutes 60

The bundle may be read-only: only the submission is written, and next to it, until it is complete, finished parts,
so that a killed run continues. In a notebook: put this folder on sys.path, then `from predict import predict`.
"""

from __future__ import annotations

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    sys.path.pop(0)  # this folder: nothing in it may take the place of a module of Python
sys.dont_write_bytecode = True  # caches would be files that the manifest does not list

import argparse  # noqa: E402
import hashlib  # noqa: E402
import json  # noqa: E402
from importlib import metadata  # noqa: E402
from importlib.util import find_spec  # noqa: E402
from pathlib import Path  # noqa: E402

BUNDLE = Path(__file__).resolve().parent


class BundleError(RuntimeError):
    """The bundle is damaged, or this Python lacks a package; the message says which and what to do."""


def check_files() -> None:
    """Compare every file with its SHA-256 in MANIFEST.json.

    Raises BundleError naming all that are damaged, and those below src/ or next to predict.py that could be imported
    and that the manifest does not list.
    """
    try:
        manifest = json.loads((BUNDLE / "MANIFEST.json").read_text(encoding="utf-8"))
        checksum, expected = manifest.pop("checksum"), manifest["files"]
        if hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest() != checksum:
            raise ValueError("its checksum is another")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise BundleError(f"{BUNDLE / 'MANIFEST.json'} is damaged ({error}); copy the bundle again") from None
    problems = []
    for name, digest in expected.items():
        if not (BUNDLE / name).is_file():
            problems.append(f"{name} is missing")
            continue
        with (BUNDLE / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                problems.append(f"{name} is damaged")
    problems += [f"{name} does not belong to it" for name in _importable() if name not in expected]
    if problems:
        raise BundleError(f"the bundle in {BUNDLE} is not as it was exported: {'; '.join(problems)}; copy it again")


def _importable() -> list[str]:
    """What Python could import or run from the bundle: all below src/, and modules next to predict.py."""
    beside = [path for path in BUNDLE.iterdir() if path.suffix in (".py", ".pth", ".so", ".pyd", ".zip", ".egg")]
    packages = BUNDLE.glob("*/__init__.py")
    below = [path for path in (BUNDLE / "src").rglob("*") if path.is_file() or path.is_symlink()]
    return sorted(path.relative_to(BUNDLE).as_posix() for path in (*beside, *packages, *below))


def check_packages() -> None:
    """Raise BundleError for packages that are not there, and say which have another version than the bundle's."""
    packages = json.loads((BUNDLE / "MANIFEST.json").read_text(encoding="utf-8"))["packages"]
    missing, others = [], []
    for name, expected in packages.items():
        try:
            found = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            found = None
        if find_spec(expected["package"]) is None:
            missing.append(f"{name}=={expected['version']}")
        elif found is not None and found != expected["version"]:
            others.append(f"{name} {found} (bundle: {expected['version']})")
    if missing:
        wheels = BUNDLE / "wheels"
        place, hint = (wheels, "") if wheels.is_dir() else ("WHEELS", " (README.txt says how to get WHEELS)")
        raise BundleError(
            f"these packages are not installed in {sys.executable}: {', '.join(missing)}; without internet: "
            f"pip install --no-index --no-deps --find-links {place} -r {BUNDLE / 'wheels.txt'}{hint}"
        )
    if others:
        print(f"bundle: other versions than it was made with, a few pixels may differ: {', '.join(others)}")


def predict(
    images: str | Path,
    sample: str | Path | None = None,
    out: str | Path | None = None,
    budget_minutes: float | None = None,
    on_bad_image: str = "strict",
) -> None:
    """Write the submission for all images of a folder to `out`, by default submission.csv in the working folder.

    sample: the competition's sample submission, whose rows and order are taken over. budget_minutes: a warning comes
    when the run will take longer. on_bad_image: "empty" leaves the masks of images that cannot be read empty and names
    them in <out>.bad_images.csv; "strict" refuses them. Raises BundleError for a damaged bundle and a missing package.
    """
    check_bundle()
    place = None if out is None else Path(out)
    _predict(Path(images), None if sample is None else Path(sample), place, budget_minutes, on_bad_image)


def check_bundle() -> None:
    """Check files and packages, then let maskfold be imported from the bundle."""
    check_files()
    check_packages()
    if str(BUNDLE / "src") not in sys.path:
        sys.path.insert(0, str(BUNDLE / "src"))


def _predict(
    images: Path, sample: Path | None, out: Path | None, budget_minutes: float | None, on_bad_image: str
) -> None:
    from maskfold.stages.submit_offline import submit_test_images

    submit_test_images(BUNDLE, images, sample, out, budget_minutes, "empty" if on_bad_image == "empty" else "strict")


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, metavar="FOLDER", help="the test images")
    parser.add_argument("--sample", type=Path, metavar="FILE", help="the competition's sample submission")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: submission.csv")
    parser.add_argument("--budget-minutes", type=float, metavar="N", help="warn when it will take longer")
    parser.add_argument(
        "--on-bad-image",
        choices=("strict", "empty"),
        default="strict",
        help="images that cannot be read: stop before any work and name them (the default), or empty masks for them",
    )
    return parser.parse_args()


def main() -> None:
    """Check the bundle and predict; what a user can cause ends in one readable message and exit code 2."""
    args = parse_args()
    try:
        check_bundle()
    except BundleError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    from maskfold.command_line import run_stage

    run_stage(lambda: _predict(args.images, args.sample, args.out, args.budget_minutes, args.on_bad_image))


if __name__ == "__main__":
    main()
