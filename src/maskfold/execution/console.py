"""Tables as Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]], text_columns: int = 1) -> str:
    """A Markdown table that ends with a newline; the first `text_columns` are left-aligned, all others right."""
    aligned = ["---" if column < text_columns else "---:" for column in range(len(headers))]
    lines = ["| " + " | ".join(headers) + " |", "|" + "|".join(aligned) + "|"]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
