"""Helper calls beside a capture: ``python -m benchmarks.rpc_live [PACKETS_PER_S …]``, or ``make bench-rpc``, as root.

A whole instance on a veth pair, as in ``benchmarks.live_script``: its worker captures, dissects and delivers to one
script, while another makes helper calls that touch no packets and takes the time of each. First nobody sends, then
tcpreplay does, rate by rate. Beside each row stands what the kernel takes at that moment for a message to a process
that does nothing but answer, and back: no call can be faster than that.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.captures import CACHE, build
from benchmarks.live import NEEDED, RECEIVER, SENDER, pair
from benchmarks.live_script import SCRIPT as LOOK
from benchmarks.live_script import instance, status
from engine.frames.endpoint import message_pair

RATES = (0, 20_000, 50_000, 100_000)
CALLS, SECONDS = 1000, 12
SETTLE_S = 1.5
SCRIPT = f"""
def measure():
    took = []
    for _ in range({CALLS}):
        begin = time.perf_counter()
        jobs.scheduler.isRunning()
        took.append((time.perf_counter() - begin) * 1e6)
    file.write(f"{{time.time_ns()}}.json", json.dumps(took))
jobs.schedule("measure", "* * * * * *", measure)
"""
COLUMNS = ("packets/s", "captured", "lost", "items", "calls", "p50 us", "p99 us", "bare message, p50 us", "p99 us")
BYTES = 40
"""Of a call as it travels."""


def main() -> int:
    """One line per rate, each in a namespace of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rates", nargs="*", type=int, default=RATES, metavar="PACKETS_PER_S")
    parser.add_argument("--seconds", type=int, default=SECONDS)
    parser.add_argument("--folder", type=Path, default=CACHE, help="where the capture and the data folder lie: tmpfs")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if os.geteuid() != 0 or not all(map(shutil.which, NEEDED)):
        print(f"needs root, {', '.join(NEEDED)}: not shown, so not met", file=sys.stderr)
        return 1
    path = build("short", options.folder, scale=2.0).path
    if options.inside:
        print(json.dumps(session(path, options.rates[0], options.seconds)))
        return 0
    print(f"| {' | '.join(COLUMNS)} |\n|{'--:|' * len(COLUMNS)}")
    for rate in options.rates:
        command = ["unshare", "--net", sys.executable, "-m", "benchmarks.rpc_live", str(rate), "--inside"]
        command += ["--seconds", str(options.seconds), "--folder", str(options.folder)]
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        print(f"| {' | '.join(str(cell) for cell in json.loads(answer.stdout))} |", flush=True)
    return 0


def session(path: Path, rate: int, seconds: int) -> list[Any]:
    """One row, inside the namespace."""
    pair()
    scripts = {"look.py": LOOK, "measure.py": SCRIPT}
    with (
        tempfile.TemporaryDirectory(dir=path.parent) as folder,
        instance(Path(folder), scripts, "scripting.calls=0") as data,
        sending(path, rate, seconds),
    ):
        os.sched_setaffinity(status(data)["processes"]["worker"]["pid"], {RECEIVER})
        time.sleep(SETTLE_S)
        answers = data / "scripts" / "measure.py" / "work"
        before = set(answers.glob("*.json"))
        kernel_us = messages_us(seconds - 2 * SETTLE_S)
        calls_us = [us for file in set(answers.glob("*.json")) - before for us in json.loads(file.read_text())]
        counters = status(data)["counters"]
    names = ("capture_packets_total", "capture_lost_total", "items_total")
    return [rate, *(counters.get(name, 0) for name in names), len(calls_us), *points(calls_us), *points(kernel_us)]


@contextlib.contextmanager
def sending(path: Path, rate: int, seconds: int) -> Iterator[None]:
    """A sender on the other end of the pair, for as long."""
    if not rate:
        yield
        return
    replay = [
        "tcpreplay",
        "-i",
        "left",
        "--pps",
        str(rate),
        "--loop",
        "0",
        "--unique-ip",
        "--limit",
        str(rate * seconds),
    ]
    with subprocess.Popen(
        ["taskset", "-c", str(SENDER), *replay, "-K", "-q", str(path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as sender:
        yield
        sender.wait()


def messages_us(seconds: float) -> list[float]:
    """What messages to an answering process and back take, a hundred now and then, so that they are in nobody's way."""
    ours, theirs = message_pair()
    child = os.fork()
    if not child:
        ours.close()
        while data := theirs.recv(BYTES):
            theirs.send(data)
        os._exit(0)
    theirs.close()
    took, end_s = [], time.monotonic() + seconds
    while time.monotonic() < end_s:
        for _ in range(100):
            begin_s = time.perf_counter()
            ours.send(b"x" * BYTES)
            ours.recv(BYTES)
            took.append((time.perf_counter() - begin_s) * 1e6)
        time.sleep(0.1)
    ours.close()
    os.waitpid(child, 0)
    return took


def points(times_us: Sequence[float]) -> tuple[float, float]:
    """``(p50, p99)``."""
    ordered = sorted(times_us)
    return round(ordered[len(ordered) // 2], 1), round(ordered[len(ordered) * 99 // 100], 1)


if __name__ == "__main__":
    sys.exit(main())
