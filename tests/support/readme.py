"""The generated part of the README: ``python -m tests.support.readme`` writes it, a test holds it true."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.config import all_keys
from engine.options import Key
from engine.units import format_bytes, format_duration

README = Path(__file__).resolve().parents[2] / "README.md"
BEGIN, END = "<!-- configuration -->\n", "<!-- /configuration -->"


def configuration_table() -> str:
    """One row per key, in the order of the stages."""
    rows = ["| key | default | environment | what it is |", "|---|---|---|---|"]
    for _, _, key, default in all_keys():
        variables = ", ".join(f"`{name}`" for name in key.environment)
        rows.append(f"| `{key.name}` | {_shown(key, default)} | {variables} | {key.help} |")
    return "\n".join(rows) + "\n"


def _shown(key: Key, default: Any) -> str:
    if key.kind == "duration":
        return format_duration(default)
    if key.kind == "size":
        return format_bytes(default)
    if key.kind == "flag":
        return str(default).lower()
    return ", ".join(default) if isinstance(default, list) else str(default or "")


def split_readme() -> tuple[str, str, str]:
    """``(before, table, after)``."""
    before, rest = README.read_text().split(BEGIN)
    table, after = rest.split(END)
    return before, table, after


if __name__ == "__main__":
    before, _, after = split_readme()
    README.write_text(before + BEGIN + configuration_table() + END + after)
