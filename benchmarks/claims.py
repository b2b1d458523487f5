"""How every benchmark states a claim: one line of JSON each."""

from __future__ import annotations

import json


def claim(text: str, value: float, bar: float, holds: bool) -> bool:
    """Print one claim as JSON; returns whether it holds."""
    print(json.dumps({"claim": text, "value": round(value, 6), "bar": bar, "holds": bool(holds)}), flush=True)
    return holds
