"""What dissection on demand and capture filters cost and save: ``python -m benchmarks.demand [CAPTURE …] [--scale N]``.

Each capture goes through all that a worker does with it (``benchmarks.engine_run``), in pairs: dissected and not, with
filters by name that leave out nothing or everything and without. CPU time per packet, the median of the rounds, and the
ratio to the line that it is paired with. Every round runs all of them, so that a busy machine is busy for all.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from benchmarks.captures import Capture, build
from benchmarks.engine_run import Run
from engine.config import Settings
from engine.resolve.options import ResolveOptions, TargetOptions

CAPTURES = ("short", "keepalive", "dns", "bulk")
ROUNDS = 5
NAMES = "192.0.2.1: {name: somebody, namespace: elsewhere, pod: somebody-1}\n"


class Way(NamedTuple):
    """One line of the table."""

    name: str
    pair: str
    """What it is compared with."""
    wanted: bool
    targets: TargetOptions


WAYS = (
    Way("dissected", "dissected", True, TargetOptions()),
    Way("packets only", "dissected", False, TargetOptions()),
    Way("packets only, a filter keeps all", "packets only", False, TargetOptions(excluded_namespaces=["elsewhere"])),
    Way("packets only, a filter keeps none", "packets only", False, TargetOptions(namespaces=["elsewhere"])),
)


def cost_ns(capture: Capture, way: Way, folder: Path) -> float:
    """CPU per packet of one run."""
    names = folder / "names.yaml"
    names.write_text(NAMES)
    settings = replace(Settings(), resolve=ResolveOptions(str(names)), targets=way.targets)
    with tempfile.TemporaryDirectory(dir=folder) as data:
        run = Run(Path(data, "data"), None, settings, wanted=way.wanted)
        begin_ns = time.process_time_ns()
        run.capture(capture.path)
        used_ns = time.process_time_ns() - begin_ns
    kept = run.counters.get("segments_stored_total")
    assert kept == (0 if way.targets.namespaces else capture.packets), f"{way.name}: stored {kept}"
    assert bool(run.counters.get("items_total")) == (way.wanted and bool(capture.http + capture.dns)), way.name
    return used_ns / capture.packets


def measure(capture: Capture, rounds: int, folder: Path) -> dict[str, list[float]]:
    """By way, nanoseconds per packet of each round."""
    costs: dict[str, list[float]] = {way.name: [] for way in WAYS}
    for _ in range(rounds):
        for way in WAYS:
            gc.collect()
            costs[way.name].append(cost_ns(capture, way, folder))
    return costs


def main() -> None:
    """Print a table per capture."""
    parser = argparse.ArgumentParser(description="what dissection on demand and capture filters cost")
    parser.add_argument("captures", nargs="*", default=list(CAPTURES))
    parser.add_argument("--scale", type=float, default=0.5)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--tmpfs", type=Path, default=Path("/dev/shm"), help="where the data folder is made")
    options = parser.parse_args()
    gc.disable()
    for name in options.captures:
        capture = build(name, scale=options.scale)
        with tempfile.TemporaryDirectory(dir=options.tmpfs) as folder:
            costs = measure(capture, options.rounds, Path(folder))
        print(f"{name}: {capture.packets:,} packets")
        for way in WAYS:
            ratios = [mine / other for mine, other in zip(costs[way.name], costs[way.pair], strict=True)]
            median_ns, ratio = statistics.median(costs[way.name]), statistics.median(ratios)
            print(f"  {way.name:34} {median_ns:8.0f} ns a packet  {ratio:5.2f} of {way.pair!r}")


if __name__ == "__main__":
    main()
