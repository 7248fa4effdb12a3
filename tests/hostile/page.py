"""The tables of ``docs/security.md``: ``python -m tests.hostile.page`` runs the process attempts and writes them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.hostile import language, messages

PAGE = Path(__file__).resolve().parents[2] / "docs/security.md"
ENDS = {
    "refused": language.REFUSED,
    "exception": language.RAISES,
    "abandoned": language.STOPPED,
    "killed": language.ENDLESS,
    "dies alone": language.CRASHES,
    "nothing": language.HARMLESS,
}
Found = Mapping[str, Mapping[str, str]]
"""Stack -> attempt -> outcome."""


def run_attempts(*stacks: str) -> Found:
    """Every process-level attempt under these stacks, or under all; as root."""
    command = [sys.executable, "-m", "tests.hostile.run", *stacks]
    done = subprocess.run(command, cwd=PAGE.parents[1], stdout=subprocess.PIPE, check=True)
    found: Found = json.loads(done.stdout)
    return found


def process_table(found: Found) -> list[str]:
    """A row per category, a column per stack: how many attempts it stopped."""
    categories = list(dict.fromkeys(name.split(": ")[0] for name in found["none"]))
    rows = [["attempts with the language switched off", "", *list(found)[1:]]]
    for category in [*categories, ""]:
        names = [name for name in found["none"] if name.startswith(f"{category}: ") or not category]
        stopped = [str(sum(outcomes[name] != "done" for name in names)) for outcomes in list(found.values())[1:]]
        rows.append([category or "**all**", str(len(names)), *stopped])
    return _table(rows)


def language_table() -> list[str]:
    """A row per category, a column per end."""
    categories = dict.fromkeys(category for table in ENDS.values() for category in table)
    rows = [["attempts in the language", "", *ENDS]]
    for category in categories:
        counts = [len(table.get(category, {})) for table in ENDS.values()]
        rows.append([category, str(sum(counts)), *(str(count or "") for count in counts)])
    totals = [sum(map(len, table.values())) for table in ENDS.values()]
    return _table([*rows, ["**all**", str(sum(totals)), *map(str, totals)]])


def message_table() -> list[str]:
    """A row per listener."""
    rows = [["messages of a hijacked host", "", "killed and replaced"]]
    for listener, table in (("to the broker", messages.TO_THE_BROKER), ("to the worker", messages.TO_THE_WORKER)):
        rows.append([listener, str(len(table)), str(len(table))])
    return _table(rows)


def written(name: str) -> list[str]:
    """The table as the page has it."""
    text = PAGE.read_text()
    return text.split(f"<!-- {name} -->\n")[1].split(f"<!-- /{name} -->")[0].splitlines()


def write(name: str, table: Sequence[str]) -> None:
    """Put it into the page."""
    head, _, rest = PAGE.read_text().partition(f"<!-- {name} -->\n")
    _, _, tail = rest.partition(f"<!-- /{name} -->")
    PAGE.write_text(f"{head}<!-- {name} -->\n" + "\n".join(table) + f"\n<!-- /{name} -->{tail}")


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    line = "| " + " | ".join(["---", *["--:"] * (len(rows[0]) - 1)]) + " |"
    head, *body = ["| " + " | ".join(row) + " |" for row in rows]
    return [head, line, *body]


if __name__ == "__main__":
    write("processes", process_table(run_attempts()))
    write("language", language_table())
    write("messages", message_table())
