"""What all tests share: a tiny competition on disk, which tests are slow, and a last word on those that did not run."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.data.competition import Competition


class TinyMasks:
    """Masks of the tiny competition: class 0 is what is bright, class 1 what is dark."""

    def __init__(self, paths):
        self.paths = paths

    def __call__(self, image_id):
        grey = cv2.imread(self.paths[image_id], cv2.IMREAD_GRAYSCALE)
        return np.stack([grey > 200, grey < 50]).astype(np.uint8)


@pytest.fixture
def tiny_competition(tmp_path):
    """Twelve training and five test images of mixed sizes; a third shows a bright square, a third a dark one."""
    rng = np.random.default_rng(0)
    tables = {}
    for split, count in (("train", 12), ("test", 5)):
        rows = []
        for number in range(count):
            height, width = [(40, 64), (64, 64), (50, 90)][number % 3]
            grey = rng.integers(100, 150, (height, width), dtype=np.uint8)
            if number % 3 < 2:
                grey[10:30, 20:40] = (255, 0)[number % 3]
            path = tmp_path / f"{split}{number}.png"
            cv2.imwrite(str(path), grey)
            rows.append((f"{split}{number}.png", str(path), height, width))
        tables[split] = pd.DataFrame(rows, columns=["image_id", "path", "height", "width"])
    paths = dict(zip(tables["train"]["image_id"], tables["train"]["path"], strict=True))
    return Competition(("bright", "dark"), tables["train"], tables["test"], TinyMasks(paths))


# Files whose tests train, export, start the scripts or drive a browser: minutes together; `run_tests.sh --quick` leaves
# them out, and the single tests of other files that are marked so.
SLOW = [
    "test_docs.py",
    "test_layers.py",
    "test_notebook.py",
    "test_package.py",
    "test_page_commands.py",
    "test_pipeline.py",
    "test_set_up.py",
    "data/test_random_competitions.py",
    "export/test_int8.py",
    "export/test_onnx.py",
    "hub/test_folder.py",
    "hub/test_remote.py",
    "inference/test_small_shared_memory.py",
    "report/test_browser.py",
    "report/test_browser_found.py",
    "report/test_many_classes.py",
    "speed/test_speed.py",
    "stages/test_audit_data.py",
    "stages/test_bad_images.py",
    "stages/test_blend_oof.py",
    "stages/test_campaign.py",
    "stages/test_damage.py",
    "stages/test_exclusive.py",
    "stages/test_export_bundle.py",
    "stages/test_ignored_pixels.py",
    "stages/test_layouts.py",
    "stages/test_make_report.py",
    "stages/test_neighbours.py",
    "stages/test_on_cluster.py",
    "stages/test_plan.py",
    "stages/test_predict.py",
    "stages/test_refit.py",
    "stages/test_run.py",
    "stages/test_run_plan.py",
    "stages/test_smallest_sets.py",
    "stages/test_train.py",
    "stages/test_tune_sampled.py",
    "stages/test_tune_thresholds.py",
    "submission/test_checking.py",
    "tracking/test_trackers.py",
    "training/test_checkpoints.py",
    "training/test_clock.py",
    "training/test_continuing.py",
    "training/test_deep_supervision.py",
    "training/test_depth.py",
    "training/test_fit.py",
    "training/test_image_cache.py",
    "training/test_mixing.py",
    "training/test_neighbours.py",
    "training/test_optimisers.py",
    "training/test_pseudo_labels.py",
    "training/test_soft_masks.py",
    "training/test_warm_start.py",
    "tuning/test_choice.py",
]

# Skips that --strict-skips lets pass: a part of their reason, and why that is right.
ALLOWED_SKIPS = {
    "real Severstal labels": "data that is not in the repository; a generated set of the same form is tested",
    "severstal_labels": "the same",
    "mobilenet_v2-imagenet.pth": "weights that are not in the repository; random ones in every form are tested",
    "OpenVINO": "an optional package of several hundred MB",
    "unshare -rm": "a machine that lets no process mount; the size of /dev/shm and hidden folders are tried alone",
    "unshare -rn": "a machine that lets no process leave the network; the bundle's other tests run",
}


def pytest_addoption(parser):
    parser.addoption("--strict-skips", action="store_true", help="fail when a test is skipped that should have run")


def pytest_collection_modifyitems(config, items):
    folder = config.rootpath / "tests"
    if unknown := [name for name in SLOW if not (folder / name).is_file()]:
        raise pytest.UsageError(f"tests/conftest.py: SLOW names files that do not exist: {', '.join(unknown)}")
    for item in items:
        if item.path.relative_to(folder).as_posix() in SLOW:
            item.add_marker(pytest.mark.slow)


def skip_reasons(reporter):
    """Reason -> number of the tests that were skipped for it."""
    found = Counter()
    for report in reporter.stats.get("skipped", []):
        _, _, reason = report.longrepr
        found[reason.removeprefix("Skipped: ")] += 1
    return found


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not session.config.getoption("--strict-skips"):
        return
    if any(not any(part in reason for part in ALLOWED_SKIPS) for reason in skip_reasons(reporter)):
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter, config):
    skipped = skip_reasons(terminalreporter)
    left_out = len(terminalreporter.stats.get("deselected", []))
    if skipped or left_out:
        terminalreporter.section("did not run")
    if left_out:
        terminalreporter.line(f"{left_out} tests were not selected; `bash run_tests.sh` runs all")
    for reason, count in skipped.most_common():
        why = next((why for part, why in ALLOWED_SKIPS.items() if part in reason), None)
        strict = config.getoption("--strict-skips") and why is None
        note = f" (allowed: {why})" if why else " (NOT allowed here)" if strict else ""
        terminalreporter.line(f"{count} skipped: {reason}{note}")
