"""``python -m tests.faults``: every fault once; writes the table of docs/reliability.md (about a minute)."""

from __future__ import annotations

import warnings

from tests.faults.shipping import FAULTS, Row, run
from tests.support.page import table, write

HEAD = (
    "what goes wrong for two minutes", "objects lost", "doubled", "refused for good", "requests meanwhile",
    "failed uploads", "of them in the log", "lines meanwhile", "what the log calls it",
)  # fmt: skip
LONGEST = 90


def cells(row: Row) -> tuple[object, ...]:
    """As the page has it."""
    named = row.errors[-1].partition(": ")[2].replace("|", "/") if row.errors else "(the client repeats by itself)"
    shown = f"{named[:LONGEST]}…" if len(named) > LONGEST else named
    return (
        row.fault, row.lost, row.doubled, row.dead, row.requests, row.attempts, row.told, row.lines, shown,
    )  # fmt: skip


def main() -> None:
    warnings.simplefilter("ignore", ImportWarning)
    rows = [HEAD, *(cells(run(name)) for name in FAULTS)]
    lines = table(rows)
    print("\n".join(lines))
    write("reliability.md", "faults", lines)


if __name__ == "__main__":
    main()
