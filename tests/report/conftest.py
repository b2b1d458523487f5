"""What several tests of the pages share: the browser, a report, and how its pages are opened."""

import pytest

from maskfold.artefacts.paths import RunPaths
from maskfold.stages.make_report import make_report
from support.browser import started_browser
from support.synthetic_run import EVIL_NAMES, write_run


@pytest.fixture(scope="module")
def browser():
    with started_browser() as browser:
        yield browser


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """A tuned run with a report of 130 images and 60 test images; names that would be code if anybody let them."""
    root = tmp_path_factory.mktemp("report")
    config, competition = write_run(root, 130, 60, evil=EVIL_NAMES)
    make_report(config, competition)
    return config, RunPaths.of(config)


@pytest.fixture
def load(run, browser):
    """Opens a page of the report from disk; afterwards nothing may have complained, asked or left the disk."""
    complaints, contexts = [], []

    def load(name, **options):
        contexts.append(browser.new_context(**{"viewport": {"width": 1280, "height": 800}} | options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
        page.on("request", lambda request: request.url.startswith(("file:", "data:")) or complaints.append(request.url))
        page.goto(f"file://{run[1].report / name}")
        return page

    yield load
    for context in contexts:
        context.close()
    # These tests read pixels back, which the pages never do.
    assert [text for text in complaints if "willReadFrequently" not in text] == []
