"""Fixtures that tests of several formats share."""

import pytest


@pytest.fixture
def no_index(tmp_path, monkeypatch):
    """No index of images that earlier tests have looked at."""
    monkeypatch.setattr("maskfold.artefacts.paths.REPOSITORY", tmp_path / "repository")


@pytest.fixture
def root(tmp_path):
    """The folder of a competition, which a test makes."""
    return tmp_path / "mine"
