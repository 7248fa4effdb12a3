"""docs/operations.md explains every counter, and none that is not there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = "".join(path.read_text() for path in sorted(ROOT.glob("engine/**/*.py")))
CALL = re.compile(r'counters\.(add|set|drop)\(\s*(f?)"([^"]+)"')


def counted() -> list[re.Pattern[str]]:
    """Names of counters; a part that is put in when it is counted may be any word."""
    found = []
    for kind, is_format, text in CALL.findall(SOURCES):
        name = text.split("{{")[0] if is_format else text.split("{")[0]
        pattern = re.sub(r"\{[^}]+\}", "[a-z]+(_[a-z]+)*", name)
        found.append(re.compile(f"{pattern}_dropped_total" if kind == "drop" else pattern))
    return found


def explained() -> set[str]:
    page = (ROOT / "docs/operations.md").read_text()
    cells = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`([a-z_]+)`", cell)}


def test_every_counter_is_explained() -> None:
    names = explained() | {"script_dropped_total", "script_delivered_total"}  # one sentence covers those by script
    assert len(counted()) > 40
    assert [pattern.pattern for pattern in counted() if not any(map(pattern.fullmatch, names))] == []


def test_nothing_is_explained_that_is_not_counted() -> None:
    assert [name for name in explained() if not any(pattern.fullmatch(name) for pattern in counted())] == []
