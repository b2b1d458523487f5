"""Data as classic scripts: a page opened from disk may not fetch, but it may load `<script src="data.js">`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_ESCAPED = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&"})


def write_script(path: Path, function: str, *values: Any) -> None:
    """A script that hands JSON-able values to a function of the page: `function(value, …);`.

    Text is ASCII without <, > and &, so that it stays data wherever a browser reads it. Raises ValueError on a NaN.
    """
    texts = [json.dumps(value, separators=(",", ":"), allow_nan=False).translate(_ESCAPED) for value in values]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{function}({','.join(texts)});\n", encoding="ascii")
