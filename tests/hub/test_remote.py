"""Repositories: pushed and fetched with the hub's own client over HTTP, from a stand-in of the hub."""

from __future__ import annotations

import json

import pytest
from huggingface_hub import constants

from maskfold.artefacts import paths
from maskfold.artefacts.paths import RunPaths
from maskfold.config import load_config
from maskfold.errors import UsageError
from maskfold.hub.address import HubAddress, address_of
from maskfold.hub.opening import model_config, start_weights
from maskfold.stages.push_model import push_model
from support.bundled_run import write_run
from support.hub_server import TOKEN, HubServer


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("home"))


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A stand-in of the hub, an empty cache, and a user who is logged in."""
    server = HubServer()
    for name, value in {
        "ENDPOINT": server.address,
        "HUGGINGFACE_CO_URL_TEMPLATE": server.address + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(tmp_path / "cache"),
        "HF_TOKEN_PATH": str(tmp_path / "token"),
        "HF_HUB_DISABLE_XET": True,
        "HF_HUB_OFFLINE": False,
    }.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    yield server
    server.stop()


def test_addresses():
    assert address_of("hf://user/my.repo-1") == HubAddress("user/my.repo-1")
    assert address_of("hf://user/repo@v1.0") == HubAddress("user/repo", "v1.0")
    assert str(address_of("hf://user/repo@refs/pr/1")) == "hf://user/repo@refs/pr/1"
    assert address_of("models/mine").name == "mine"
    for wrong in ("hf://repo", "hf://a/b/c", "hf://user/repo@", "hf:///repo"):
        with pytest.raises(UsageError, match="expected hf://user/repo"):
            address_of(wrong)


def test_a_model_is_pushed_and_fetched_and_a_later_push_replaces_it(config, hub, capsys):
    where = push_model(config, "hf://user/tiny")
    repository = hub.repositories["user/tiny"]
    assert repository.private and where == f"hf://user/tiny@{repository.head}"
    assert repository.messages[-1] == "tiny, dice 0.0000 (honest)"
    assert {"README.md", "fold0.safetensors", "MANIFEST.json"} <= repository.commits[repository.head].keys()
    found = load_config(model_config("hf://user/tiny"))
    assert RunPaths.of(found).model(1).is_file() and found.name == "tiny"

    first = repository.head
    repository.add(repository.commits[first] | {"fold9.safetensors": b"of a model that is gone"}, "more")
    push_model(config, "hf://user/tiny", message="again")
    assert repository.messages[-1] == "again"
    assert "fold9.safetensors" not in repository.commits[repository.head]
    hub.served.clear()
    model_config(f"hf://user/tiny@{first}")
    assert hub.served == [], "a commit that is in the cache needs no network"


def test_only_the_files_of_the_manifest_are_fetched(config, hub):
    push_model(config, "hf://user/tiny")
    repository = hub.repositories["user/tiny"]
    repository.add(repository.commits[repository.head] | {"large.bin": b"x"}, "another file")
    hub.served.clear()
    model_config("hf://user/tiny")
    assert any(line.endswith("/fold0.safetensors") for line in hub.served)
    assert not any("large.bin" in line for line in hub.served)


def test_without_network_the_cached_copy_is_used_and_said(config, hub, capsys):
    push_model(config, "hf://user/tiny")
    with pytest.raises(UsageError, match="no such revision"):
        model_config("hf://user/tiny@v2")
    before = model_config("hf://user/tiny")
    hub.stop()
    capsys.readouterr()
    assert model_config("hf://user/tiny") == before
    head = hub.repositories["user/tiny"].head
    assert f"using the cached copy of hf://user/tiny, commit {head[:12]}, which may be old" in capsys.readouterr().out
    with pytest.raises(UsageError, match=r"no whole copy is in the cache.*or give a folder that holds the model"):
        model_config("hf://user/other")
    with pytest.raises(UsageError, match="no whole copy is in the cache"):
        model_config("hf://user/tiny@" + "0" * 40)


def test_what_the_hub_refuses_is_explained(config, hub, monkeypatch, tmp_path):
    with pytest.raises(UsageError, match=r"no such repository.*HF_TOKEN"):
        model_config("hf://user/nothing")
    with pytest.raises(UsageError, match=r"may not do this \(403\)"):
        push_model(config, "hf://others/tiny")
    push_model(config, "hf://user/open", public=True)
    assert not hub.repositories["user/open"].private
    with pytest.raises(UsageError, match="is public: give --public"):
        push_model(config, "hf://user/open")
    with pytest.raises(UsageError, match="leave @v1 out"):
        push_model(config, "hf://user/open@v1", public=True)
    repository = hub.repositories["user/open"]
    repository.add({"pytorch_model.bin": b"x"}, "something else")
    with pytest.raises(UsageError, match=r"holds something else \(pytorch_model.bin\)"):
        push_model(config, "hf://user/open", public=True)
    with pytest.raises(UsageError, match=r"holds no MANIFEST.json"):
        model_config("hf://user/open")
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(UsageError, match=rf"no token.*hf auth login.*{tmp_path / 'token'}"):
        push_model(config, "hf://user/tiny")


def test_a_push_without_network_changes_nothing(config, hub):
    hub.stop()
    with pytest.raises(UsageError, match=r"cannot be reached.*nothing was changed there. --to FOLDER"):
        push_model(config, "hf://user/tiny")


def test_without_a_home_the_cache_has_no_place(hub, monkeypatch):
    monkeypatch.setattr(constants, "HF_HOME", "~/.cache/huggingface")
    with pytest.raises(UsageError, match=r"no home folder.*set HF_HOME"):
        model_config("hf://user/tiny")


def test_a_damaged_model_in_a_repository_is_refused(config, hub):
    push_model(config, "hf://user/tiny")
    repository = hub.repositories["user/tiny"]
    repository.add(repository.commits[repository.head] | {"fold0.safetensors": b"damaged"}, "damage")
    with pytest.raises(UsageError, match=r"fold0.safetensors is damaged"):
        model_config("hf://user/tiny")


def test_a_training_starts_from_a_repository(config, hub):
    push_model(config, "hf://user/tiny")
    path, digest, names = start_weights("hf://user/tiny", 1)
    files = json.loads((path.parent / "MANIFEST.json").read_text())["files"]
    assert (path.name, digest, names) == ("fold1.safetensors", files["fold1.safetensors"], ("1", "2", "3", "4"))
    assert start_weights("hf://user/tiny", 7)[0].name == "fold0.safetensors"
