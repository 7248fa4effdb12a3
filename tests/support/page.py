"""Tables that commands write into a page of the documentation, between two marks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def write(page: str, mark: str, lines: Sequence[str]) -> None:
    """Replace what stands between ``<!-- mark -->`` and ``<!-- /mark -->`` of a page below ``docs``."""
    path = ROOT / "docs" / page
    text = path.read_text()
    between = f"<!-- {mark} -->\n\n" + "\n".join(lines) + f"\n\n<!-- /{mark} -->"
    text, count = re.subn(f"<!-- {mark} -->.*?<!-- /{mark} -->", lambda _: between, text, flags=re.DOTALL)
    assert count == 1, f"{page}: expected the marks of {mark!r} once, got {count}"
    path.write_text(text)


def table(rows: Sequence[Sequence[object]]) -> list[str]:
    """The first row is the head; numbers stand on the right."""
    right = [all(isinstance(row[at], int | float) for row in rows[1:]) for at in range(len(rows[0]))]
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("---:" if to_right else "---" for to_right in right) + "|")
    return lines
