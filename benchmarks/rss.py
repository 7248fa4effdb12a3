"""Memory over time, on captures ten times as long: ``python -m benchmarks.rss [CAPTURE …] [--write]``.

The engine's resident memory at each tenth of its run. What grows with the number of packets would show as a slope that
does not end.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from benchmarks.captures import CACHE, PEERED, build
from benchmarks.table import PAGE, machine, splice
from benchmarks.tools import ENGINE

SCALE, SAMPLE_S, PARTS = 2.0, 0.05, 10
_PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / (1 << 20)
BARS = "▁▂▃▄▅▆▇█"


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captures", nargs="*", help=f"of: {', '.join(PEERED)} (default: all)")
    parser.add_argument("--folder", type=Path, default=CACHE, help="where captures are kept and outputs go: tmpfs")
    parser.add_argument("--write", action="store_true", help=f"put the table into docs/{PAGE.name}")
    options = parser.parse_args()
    steps = [f"{100 * part // PARTS} %" for part in range(1, PARTS + 1)]
    lines = [f"{ENGINE.version()}; {machine()}.", "", f"| capture | packets | {' | '.join(steps)} | |"]
    lines.append(f"|---|--:|{'--:|' * PARTS}---|")
    for name in options.captures or PEERED:
        capture = build(name, options.folder, scale=SCALE)
        curve = at_each_part(samples(capture.path, options.folder))
        lines.append(f"| {name} | {capture.packets} | {' | '.join(f'{mib:.0f}' for mib in curve)} | {drawn(curve)} |")
        print(lines[-1], file=sys.stderr, flush=True)
    text = "\n".join(lines)
    print(text)
    if options.write:
        PAGE.write_text(splice(PAGE.read_text(), "rss", text))
    return 0


def samples(path: Path, folder: Path) -> list[float]:
    """MiB, evenly spaced in time; start-up is part of it."""
    found: list[float] = []
    with tempfile.TemporaryDirectory(dir=folder) as output, open(os.devnull, "wb") as nowhere:
        run = subprocess.Popen(ENGINE.command(path, Path(output)), stdout=nowhere)
        while run.poll() is None:
            pages = Path(f"/proc/{run.pid}/statm").read_text().split()
            if len(pages) > 1 and int(pages[1]):
                found.append(int(pages[1]) * _PAGE_MIB)
            time.sleep(SAMPLE_S)
    if run.returncode:
        raise SystemExit(f"{path}: the engine ended with {run.returncode}")
    return found


def at_each_part(found: list[float]) -> list[float]:
    """The highest of each tenth."""
    bounds = [len(found) * part // PARTS for part in range(PARTS + 1)]
    return [max(found[first : max(last, first + 1)]) for first, last in pairwise(bounds)]


def drawn(curve: list[float]) -> str:
    """From nothing to the highest."""
    return "".join(BARS[min(int(mib / max(curve) * len(BARS)), len(BARS) - 1)] for mib in curve)


if __name__ == "__main__":
    sys.exit(main())
