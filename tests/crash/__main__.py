"""``python -m tests.crash --kills N --seed S``: the long run; writes the table of docs/reliability.md.

A run kills one process up to five times; runs go round over the processes until there were enough kills.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.crash.replay import VICTIMS, Ran, run
from tests.support.page import table, write

KILLS_A_RUN = 5
HEAD = (
    "killed (SIGKILL)", "runs", "kills", "packets captured", "packets that had to arrive", "lost", "doubled",
    "objects doubled", "left behind",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--victims", nargs="*", choices=VICTIMS, default=VICTIMS)
    given = parser.parse_args()
    victims = tuple(given.victims)
    totals: dict[str, Counter[str]] = {victim: Counter() for victim in victims}
    began_s, number = time.monotonic(), 0
    while sum(total["kills"] for total in totals.values()) < given.kills:
        victim = victims[number % len(victims)]
        seed = given.seed * 1_000_000 + number
        ran = once(victim, seed)
        note(totals[victim], ran)
        print(
            f"{victim} seed={seed} kills={ran.kills} lost={ran.lost} doubled={ran.doubled} exit={ran.exit_code}",
            flush=True,
        )
        complete = victim == "worker" or ran.recorded == ran.stored
        if not complete or ran.exit_code or ran.lost or ran.doubled or ran.doubled_objects or ran.left:
            print(ran.output, file=sys.stderr)
            sys.exit(1)
        number += 1
    keys = ("runs", "kills", "stored", "wanted", "lost", "doubled", "objects", "left")
    rows = [(victim, *(totals[victim][key] for key in keys)) for victim in victims]
    whole = ("**all**", *(sum(total[key] for total in totals.values()) for key in keys))
    minutes = (time.monotonic() - began_s) / 60
    lines = [*table([HEAD, *rows, whole]), "", f"Seed {given.seed}, {minutes:.0f} minutes."]
    print("\n".join(lines))
    if victims == VICTIMS:
        write("reliability.md", "crash", lines)


def once(victim: str, seed: int) -> Ran:
    """One run in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="remora-crash-"))
    try:
        return run(folder, victim, KILLS_A_RUN, seed)
    finally:
        shutil.rmtree(folder)


def note(total: Counter[str], ran: Ran) -> None:
    """Add a run up."""
    total["runs"] += 1
    total["kills"] += ran.kills
    total["stored"] += ran.stored.total()
    total["wanted"] += ran.wanted.total()
    total["lost"] += ran.lost
    total["doubled"] += ran.doubled
    total["objects"] += ran.doubled_objects
    total["left"] += ran.left


if __name__ == "__main__":
    main()
