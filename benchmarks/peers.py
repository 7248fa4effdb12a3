"""Remora beside others on the same captures and one core: ``python -m benchmarks.peers [--quick] [--write]``.

A round runs, one after the other, our two programs and each peer that is installed, whole processes, start-up
included, files on tmpfs; a ratio is that of CPU seconds within a round, and its median over the rounds counts. A peer
that is not there is not shown, which is not the same as met. `engine` is ``benchmarks.engine_run``: all that a worker
does, segments and item segments included, and a line of JSON per item; `query` is ``remora query``, which stores
nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from benchmarks import lo_real
from benchmarks.against_tshark import calibrate
from benchmarks.captures import CACHE, PEERED, Capture, build
from benchmarks.measuring import Measured, measure, warm
from benchmarks.table import PAGE, report, splice
from benchmarks.tools import ENGINE, PEERS, QUERY, SURICATA, TCPFLOW, TSHARK

NAMES = (*PEERED, "lo_real")
ORDER = (ENGINE, SURICATA, QUERY, TSHARK, TCPFLOW)
"""Of a round: what is nearest to each other in cost runs next to each other."""


def main() -> int:
    """Measure and print."""
    options = arguments()
    options.folder.mkdir(parents=True, exist_ok=True)
    warm(options.folder)
    before_s = calibrate()
    results = [result for name in options.captures or NAMES if (result := measured(name, options))]
    text = report(
        results,
        [peer for peer in PEERS if peer.installed],
        scale=options.scale,
        rounds=options.rounds,
        calibrations=(before_s, calibrate()),
    )
    print(text)
    if options.write:
        PAGE.write_text(splice(PAGE.read_text(), "peers", text))
    return 0


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captures", nargs="*", help=f"of: {', '.join(NAMES)} (default: all)")
    parser.add_argument("--scale", type=float, default=1.0, help="size of the generated captures")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="a fifth of the size, two rounds")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="the core that all run on")
    parser.add_argument("--folder", type=Path, default=CACHE, help="where captures are kept and outputs go: tmpfs")
    parser.add_argument("--write", action="store_true", help=f"put the table into docs/{PAGE.name}")
    options = parser.parse_args()
    if unknown := sorted({*options.captures} - {*NAMES}):
        parser.error(f"expected captures of {', '.join(NAMES)}, got {', '.join(unknown)}")
    if options.quick:
        options.scale, options.rounds = options.scale / 5, min(options.rounds, 2)
    return options


def measured(name: str, options: argparse.Namespace) -> Measured | None:
    """One capture; ``None`` where it cannot be had."""
    capture = _capture(name, options)
    if capture is None:
        print(f"{name}: needs root, {', '.join(lo_real.NEEDED)}: not shown, so not met", file=sys.stderr)
        return None
    tools = [tool for tool in ORDER if tool.installed]
    print(f"{name}: {capture.packets} packets", file=sys.stderr, flush=True)
    return measure(name, capture, tools, rounds=options.rounds, core=options.core, tmpfs=options.folder)


def _capture(name: str, options: argparse.Namespace) -> Capture | None:
    if name in PEERED:
        return build(name, options.folder, scale=options.scale)
    return lo_real.build(options.folder) if lo_real.possible() else None


if __name__ == "__main__":
    sys.exit(main())
