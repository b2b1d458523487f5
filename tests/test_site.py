"""The documentation as a site: all pages are in it and in its navigation, links lead somewhere, all of it is local."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from maskfold.config import REPOSITORY


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(
        command, cwd=REPOSITORY, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr  # a dead link or a page that no page lists
    return folder


def address(page):
    """The file of a page in the site."""
    return "index.html" if page == "README" else f"{page}/index.html"


def test_every_page_is_in_the_site_and_in_its_navigation(site):
    docs = REPOSITORY / "docs"
    pages = [path.relative_to(docs).with_suffix("").as_posix() for path in docs.rglob("*.md")]
    pages += ["CONTRIBUTING", "CHANGELOG"]
    overview = (site / "index.html").read_text(encoding="utf-8")
    side = overview[overview.index('<nav class="md-nav md-nav--primary') :]
    for page in pages:
        assert (site / address(page)).is_file()
        assert page == "README" or f'href="{page}/" class="md-nav__link' in side, page


def test_links_between_the_repository_s_pages_lead_to_pages_of_the_site(site):
    assert 'href="CONTRIBUTING/"' in (site / "index.html").read_text(encoding="utf-8")
    contributing = (site / "CONTRIBUTING/index.html").read_text(encoding="utf-8")
    assert 'href="../results/"' in contributing
    assert "docs/results.md" not in contributing


def test_nothing_is_loaded_from_elsewhere(site):
    for page in site.rglob("*.html"):
        loaded = re.findall(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=\"?(https?:[^\" >]+)", page.read_text())
        assert loaded == [], page
    assert not list(site.rglob("*.py"))
