"""Hooks of MkDocs (mkdocs.yml): the navigation as docs/README.md orders it, and two pages of the repository's root."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

REPOSITORY = Path(__file__).resolve().parents[1]
FROM_ROOT = ("CONTRIBUTING.md", "CHANGELOG.md")

_HEADING = re.compile(r"^(#{2,3}) (.+)$")
_ENTRY = re.compile(r"^(?:\| |- )\[([^\]]+)\]\(([^)#]+\.md)\)")
_IN_TABLE = re.compile(r"\[([^\]]+)\]\(([^)#]+\.md)\)")


def navigation(text: str) -> list[Any]:
    """The pages that docs/README.md lists, in its order: below each heading those of its table or list.

    Those of the first table, above the headings, come first: each page stands where it is named first.
    Returns what `nav` of mkdocs.yml holds.
    """
    nav: list[Any] = [{"Overview": "README.md"}]
    group, named = nav, {"README.md"}
    parents: dict[int, list[Any]] = {1: nav}
    for line in text.splitlines():
        if heading := _HEADING.match(line):
            depth = len(heading[1])
            group = []
            parents[depth - 1].append({heading[2]: group})
            parents[depth] = group
        pattern = _IN_TABLE if group is nav else _ENTRY
        for title, page in pattern.findall(line):
            page = page.removeprefix("../")
            if page not in named:
                named.add(page)
                group.append({title: page})
    return nav


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Take the navigation from docs/README.md, so that a new page is listed once."""
    config.nav = navigation((Path(config.docs_dir) / "README.md").read_text(encoding="utf-8"))
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the repository's root."""
    for name in FROM_ROOT:
        files.append(File.generated(config, name, abs_src_path=str(REPOSITORY / name)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links lead to where the pages are in the site."""
    if page.file.src_uri in FROM_ROOT:
        return markdown.replace("](docs/", "](")
    return re.sub(rf"\]\(\.\./({'|'.join(map(re.escape, FROM_ROOT))})", r"](\1", markdown)
