"""The look that all HTML pages share, and the templates they are made from.

A page is a template that extends base.html.j2, which holds style.css; its blocks are title, style, content and scripts.
"""

from __future__ import annotations

from pathlib import Path

import jinja2

from maskfold.drawing.class_colours import hex_colour
from maskfold.execution.text import class_words

_SHARED = Path(__file__).parent


def page_environment(folder: Path = _SHARED) -> jinja2.Environment:
    """Templates of `folder`, which may extend and include the shared ones; every value in them is escaped.

    They may call `colour(index)` for the colour of a class as #rrggbb, and `class_words(name)`.
    """
    loader = jinja2.FileSystemLoader([folder, _SHARED])
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    environment.globals |= {"colour": hex_colour, "class_words": class_words}
    return environment
