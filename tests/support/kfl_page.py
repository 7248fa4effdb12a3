"""The generated part of docs/kfl.md: ``python -m tests.support.kfl_page`` writes it, a test holds it true."""

from __future__ import annotations

from pathlib import Path

from engine.kfl.cel.variables import VARIABLES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "kfl.md"
BEGIN, END = "<!-- variables -->\n", "<!-- /variables -->"


def variables_table() -> str:
    """One row per type, with the names of its variables."""
    rows: dict[str, list[str]] = {}
    for name, variable in VARIABLES.items():
        rows.setdefault(str(variable.type), []).append(f"`{name}`")
    lines = [f"| {kind} | {' '.join(names)} |" for kind, names in rows.items()]
    return "\n".join(["| type | variables |", "|---|---|", *lines]) + "\n"


if __name__ == "__main__":
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + variables_table() + END + rest.split(END)[1])
