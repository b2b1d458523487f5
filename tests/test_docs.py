"""README, CONTRIBUTING, CHANGELOG and docs/: links, paths, options and config keys exist, and every page is linked."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import sys
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
import yaml
from benchmarks.run import NAMES, settings_of
from pydantic import BaseModel

from maskfold.config import Blend, Experiment
from maskfold.config.data import CocoData, MaskFoldersData, PathsCsvData, RleCsvData
from maskfold.config.data.mask_images import MaskImageData

REPOSITORY = Path(__file__).resolve().parents[1]
LIBRARY = REPOSITORY / "src" / "maskfold"
PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
PAGES_OF_TODAY = [page for page in PAGES if page.name != "CHANGELOG.md"]  # which names what there was, too
DATA_FORMATS = (RleCsvData, MaskFoldersData, PathsCsvData, CocoData)
SOURCES = sorted([*(REPOSITORY / "src").rglob("*.py"), *(REPOSITORY / "configs").glob("*.yaml")])

_FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_PATH = re.compile(r"(?<![\w./>-])((?:src|docs|configs|benchmarks|notebooks|tests)/[\w./*-]*[\w*/])(?![\w<…])")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]+")
_OF_OTHER_PROGRAMS = {"--no-deps", "--no-index", "--find-links", "--only-binary"}  # of pip and uv
_OF_OTHER_PROGRAMS |= {"--head", "--num-cpus", "--num-gpus"}  # of ray
_OF_OTHER_PROGRAMS |= {"--rm", "--user", "--tag", "--build-arg", "--shm-size", "--gpus"}  # of docker
_OF_OTHER_PROGRAMS |= {"--npz"}  # of nnU-Net


def name(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub forms them."""
    headings = re.findall(r"^#{1,6} (.+)$", _FENCED.sub("", text_of(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[tuple[Path, str]]:
    """(target, anchor) of every relative link of a page."""
    found = []
    for link in _LINK.findall(_FENCED.sub("", text_of(page))):
        if not re.match(r"[a-z]+:", link):
            path, _, anchor = link.partition("#")
            found.append(((page.parent / path).resolve() if path else page, anchor))
    return found


def configs_of_the_reader() -> set[str]:
    """Config files that a page shows with their contents: a code block that begins with their name."""
    return {path for page in PAGES for path in re.findall(r"^ *# (configs/\w+\.yaml)$", text_of(page), re.MULTILINE)}


@cache
def options_of(script: str) -> frozenset[str]:
    """The options that a script in src/ knows, from its help."""
    spec = importlib.util.spec_from_file_location(f"docs_{Path(script).stem}", REPOSITORY / script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.MonkeyPatch.context() as patch:
        written: list[str] = []
        patch.setattr(sys, "argv", [script, "--help"])
        patch.setattr(sys.stdout, "write", written.append)
        with pytest.raises(SystemExit):
            module.parse_args()
    usage = "".join(written).partition("examples:")[0]
    assert "--help" in usage
    return frozenset(_OPTION.findall(usage))


def options_in_text_of(*patterns: str) -> set[str]:
    files = [path for pattern in patterns for path in REPOSITORY.glob(pattern)]
    assert files
    return {option for path in files for option in _OPTION.findall(text_of(path))}


def commands(page: Path) -> list[tuple[str, list[str]]]:
    """(script, arguments) of every `python src/….py …` of a page."""
    text = re.sub(r"<!--.*?-->", "", text_of(page).replace("\\\n", " "))
    lines = re.findall(r"python (src/\w+\.py)([^\n`|&;#]*)", text)
    return [(script, shlex.split(arguments)) for script, arguments in lines]


def fields(annotation: Any) -> dict[str, Any] | None:
    """key -> annotation of what a config value may hold; None where its keys are free or it has none."""
    if get_origin(annotation) is Annotated:
        return fields(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        found = [keys for keys in map(fields, get_args(annotation)) if keys is not None]
        names = dict.fromkeys(key for keys in found for key in keys)
        merged = {key: [keys[key] for keys in found if key in keys] for key in names}
        return {key: Union[tuple(each)] for key, each in merged.items()} if found else None  # noqa: UP007
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {key: field.annotation for key, field in annotation.model_fields.items()}
    return None


def unknown_keys(value: Any, annotation: Any, place: str = "") -> list[str]:
    """The keys of a piece of YAML that the config does not have."""
    keys = fields(annotation)
    if keys is None and get_origin(annotation) is tuple and isinstance(value, list):
        return [line for item in value for line in unknown_keys(item, get_args(annotation)[0], place)]
    if keys is None or not isinstance(value, dict):
        return []
    return [
        line
        for key, child in value.items()
        for line in (unknown_keys(child, keys[key], f"{place}{key}.") if key in keys else [f"{place}{key}"])
    ]


def unknown_config_keys(tree: dict[str, Any]) -> list[str]:
    """The keys of a config that neither an experiment nor a blend has."""
    blend = {key: value for key, value in tree.items() if key == "blend"}
    return unknown_keys(blend, Blend) + unknown_keys({key: tree[key] for key in tree if key != "blend"}, Experiment)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_relative_link_leads_somewhere(page):
    for target, anchor in links(page):
        assert target.exists(), f"{name(page)}: no file {target}"
        assert not anchor or anchor in anchors(target), f"{name(page)}: {name(target)} has no heading #{anchor}"


def test_every_link_of_the_notebook_leads_somewhere():
    notebook = REPOSITORY / "notebooks" / "tour.ipynb"
    cells = json.loads(text_of(notebook))["cells"]
    texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    found = [link for text in texts for link in _LINK.findall(text)]
    assert found
    for link in found:
        assert (notebook.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_path_that_a_page_names_exists(page):
    written = configs_of_the_reader()
    for path in _PATH.findall(text_of(page)):
        exists = path in written or "NAME" in path or any(REPOSITORY.glob(path.rstrip("/")))
        assert exists, f"{name(page)}: no file {path}"


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/design.md"])
def test_every_file_of_the_library_that_a_page_names_exists(page):
    inside = re.findall(
        r"`((?!(?:src|docs|tests)/)[a-z_]+/(?:[\w./*]*\.(?:py|j2|js|css)|(?:[a-z_]+/)*))`", text_of(REPOSITORY / page)
    )
    assert len(inside) > 20
    for path in inside:
        assert any(LIBRARY.glob(path.rstrip("/"))), f"{page}: no src/maskfold/{path}"


@pytest.mark.parametrize("page", PAGES_OF_TODAY, ids=name)
def test_every_module_that_a_page_names_exists(page):
    for module in re.findall(r"(?<![\w/])maskfold((?:\.[a-z_]+)+)", text_of(page)):
        path = LIBRARY.joinpath(*module.strip(".").split("."))
        assert path.is_dir() or path.with_suffix(".py").is_file(), f"{name(page)}: no module maskfold{module}"


def test_the_layout_names_every_package():
    layout = text_of(REPOSITORY / "docs" / "design.md").partition("## Layout")[2].partition("## Contracts")[0]
    listed = re.findall(r"^\| `(\w+)/` \|", layout, re.MULTILINE)
    assert sorted(listed) == sorted(path.parent.name for path in LIBRARY.glob("*/__init__.py"))


def test_every_page_can_be_reached_from_the_readme():
    reached: set[Path] = set()
    waiting = [REPOSITORY / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached:
            reached.add(page)
            waiting += [target for target, _ in links(page) if target.suffix == ".md"]
    assert sorted(name(page) for page in {*PAGES} - reached) == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_option_in_a_command_is_known_to_its_script(page):
    for script, arguments in commands(page):
        named = {argument.partition("=")[0] for argument in arguments if argument.startswith("--")}
        assert named <= options_of(script), f"{name(page)}: {script} knows no {named - options_of(script)}"


def test_the_table_of_commands_names_every_script_and_only_options_it_knows():
    rows = [line for line in text_of(REPOSITORY / "docs/reference/commands.md").splitlines() if "| `src/" in line]
    scripts = {match[1]: row for row in rows if (match := re.search(r"`(src/\w+\.py)", row))}
    assert sorted(scripts) == sorted(name(path) for path in (REPOSITORY / "src").glob("*.py"))
    for script, row in scripts.items():
        assert {*_OPTION.findall(row)} <= options_of(script), script


@pytest.mark.parametrize("page", PAGES_OF_TODAY, ids=name)
def test_every_option_that_a_page_names_belongs_to_a_command(page):
    known = _OF_OTHER_PROGRAMS.union(*(options_of(name(path)) for path in (REPOSITORY / "src").glob("*.py")))
    known |= options_in_text_of(
        "*.sh",
        "src/maskfold/__main__.py",
        "benchmarks/run.py",
        "tests/mutation/run.py",
        "src/maskfold/**/bundle_files/predict.py",
    )
    known |= {f"--{key.replace('_', '-')}" for each in NAMES for key in settings_of(each).model_fields}
    assert {*_OPTION.findall(text_of(page))} <= known


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_config_key_that_a_page_shows_exists(page):
    unknown = []
    for language, block in _FENCED.findall(text_of(page)):
        if language == "yaml":
            tree = {key: value for key, value in yaml.safe_load(block).items() if key != "extends"}
            unknown += unknown_config_keys(tree)
    for key, _ in re.findall(r"(?<=[\s'\"`])([a-z_]+(?:\.[a-z_]+)+)=([^\s`]*)", text_of(page)):
        tree: Any = None
        for part in reversed(key.split(".")):
            tree = {part: tree}
        unknown += unknown_config_keys(tree)
    assert unknown == []


def shown_data_keys(section: type[BaseModel]) -> dict[str, list[tuple[Any, str]]]:
    """Key -> (example, comment) of each line that the page of the formats shows of this format and of all formats."""
    found: dict[str, list[tuple[Any, str]]] = {}
    for language, block in _FENCED.findall(text_of(REPOSITORY / "docs/reference/formats.md")):
        tree = yaml.safe_load(block).get("data") if language == "yaml" else None
        if tree and (tree["format"] == section.model_fields["format"].default or "exclude" in tree):
            for line in block.splitlines():
                key, _, rest = line.strip().removeprefix("# ").partition(": ")
                value, _, comment = re.sub(r"  +# ", "  # ", rest).partition("  # ")
                found.setdefault(key, []).append((yaml.safe_load(value) if rest else None, comment))
    return found


@pytest.mark.parametrize("section", DATA_FORMATS, ids=lambda section: section.__name__)
def test_every_key_of_every_format_is_shown_with_an_example_and_its_default(section):
    shown = shown_data_keys(section)
    if section is PathsCsvData:  # which the page says are those of mask_folders
        shown |= {key: shown_data_keys(MaskFoldersData)[key] for key in MaskImageData.__annotations__}
    assert set(section.model_fields) <= set(shown)
    defaults = section.model_validate_json('{"root": "x", "class_names": ["x"]}').model_dump(mode="json")
    for key in set(section.model_fields) - {"format", "root", "class_names", "columns", "sample_submission"}:
        for example, comment in shown[key]:
            said = re.match(r".*?default: ([^;,]+|\[.*\]|{.*})", comment)
            assert (yaml.safe_load(said[1]) if said else example) == defaults[key], (
                f"data.{key}: {example!r}, {comment}"
            )
    columns = section.model_fields.get("columns")
    for name in [] if columns is None else fields(columns.annotation) or []:
        assert re.search(rf"[{{,] ?{name}: \S", text_of(REPOSITORY / "docs/reference/formats.md")), name


@pytest.mark.parametrize("source", [path for path in SOURCES if "docs/" in text_of(path)], ids=name)
def test_every_page_that_the_code_names_exists(source):
    for path in re.findall(r"(?<![\w/])docs/[\w./-]*\w", text_of(source)):
        assert (REPOSITORY / path).exists(), f"{name(source)}: no file {path}"
