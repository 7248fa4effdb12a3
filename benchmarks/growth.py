"""Whether cost and memory stay as they are when a capture is longer: ``python -m benchmarks.growth [--write]``.

Each capture, and the same traffic for ten times as long, by ``benchmarks.engine_run`` on one core; the median of some
runs. And ``crowd``: 100,000 connections that are open at the same time.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.captures import CACHE, PEERED, Capture, build
from benchmarks.measuring import Cost, measure, warm
from benchmarks.records import PCAP_HEADER
from benchmarks.table import PAGE, PEAK_MIB, machine, splice
from benchmarks.tools import ENGINE

TIMES = 10
LONGER_BY, CROWD_MIB = 0.1, 300
"""How much more a packet of the longer capture may cost; what the crowd may take."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captures", nargs="*", help=f"of: {', '.join(PEERED)} (default: all)")
    parser.add_argument("--scale", type=float, default=0.2, help="size of the shorter captures")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="the core that all run on")
    parser.add_argument("--folder", type=Path, default=CACHE, help="where captures are kept and outputs go: tmpfs")
    parser.add_argument("--write", action="store_true", help=f"put the table into docs/{PAGE.name}")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    warm(options.folder)
    start_s = start(options)
    lines = [
        f"{ENGINE.version()}; {machine()}. Median of {options.rounds} runs; start-up ({start_s:.2f} s) is taken off.",
        "",
        f"| capture | packets | us/packet | longer | ratio (≤ {1 + LONGER_BY:g}) | peak MiB (≤ {PEAK_MIB}) | longer |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name in options.captures or PEERED:
        runs = [run(name, scale, options) for scale in (options.scale, options.scale * TIMES)]
        lines.append(row(name, start_s, runs))
        print(lines[-1], file=sys.stderr, flush=True)
    packets, crowd = run("crowd", 1.0, options)
    cost_us = (crowd.cpu_s - start_s) / packets * 1e6
    lines.append(f"| crowd | {packets} | {cost_us:.2f} | | | {crowd.peak_mib:.0f} (aim ≤ {CROWD_MIB}) | |")
    text = "\n".join(lines)
    print(text)
    if options.write:
        PAGE.write_text(splice(PAGE.read_text(), "growth", text))
    return 0


def run(name: str, scale: float, options: argparse.Namespace) -> tuple[int, Cost]:
    """``(packets, cost)`` of one capture."""
    capture = build(name, options.folder, scale=scale)
    return capture.packets, cost_of(capture, options)


def start(options: argparse.Namespace) -> float:
    """CPU seconds until the first packet: a capture without any."""
    options.folder.mkdir(parents=True, exist_ok=True)
    path = options.folder / "empty.pcap"
    path.write_bytes(PCAP_HEADER)
    return cost_of(Capture(path, 0, 0, 0), options).cpu_s


def cost_of(capture: Capture, options: argparse.Namespace) -> Cost:
    """The median of the rounds."""
    rounds, core = options.rounds, options.core
    return measure("", capture, [ENGINE], rounds=rounds, core=core, tmpfs=options.folder).median(ENGINE.name)


def row(name: str, start_s: float, runs: Sequence[tuple[int, Cost]]) -> str:
    """Both lengths of one capture. Start-up is taken off, or it would hide what grows."""
    short, long = ((cost.cpu_s - start_s) / packets * 1e6 for packets, cost in runs)
    peaks = [cost.peak_mib for _, cost in runs]
    return (
        f"| {name} | {runs[0][0]}, {runs[1][0]} | {short:.2f} | {long:.2f} | {long / short:.2f}"
        f" | {peaks[0]:.0f} | {peaks[1]:.0f} |"
    )


if __name__ == "__main__":
    sys.exit(main())
