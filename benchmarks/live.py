"""Live capture without loss, and up to which rate: ``python -m benchmarks.live [PACKETS_PER_S …]``, as root.

In a network namespace of its own, tcpreplay on core 1 sends short HTTP connections (other addresses in each turn) into
one end of a veth pair; on core 0 the engine reads the ring of the other end: segments, items built, encoded and stored,
no script, no text. Lost is what the kernel counted.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.captures import CACHE, build
from benchmarks.engine_run import Run
from engine.capture.live import LiveSource
from engine.capture.packetsocket import open_packet_socket

NEEDED = ("unshare", "ip", "sysctl", "tcpreplay")
RATES = (50_000, 100_000, 150_000, 200_000)
RECEIVER, SENDER = 0, 1
QUIET_S = 0.5
"""After the sender is done and nothing came for so long, nothing comes any more."""
COLUMNS = ("asked_pps", "sent_pps", "sent", "captured", "lost_by_kernel", "stored", "items", "cpu_share")


def main() -> int:
    """One line per rate, each in a namespace of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rates", nargs="*", type=int, default=RATES, metavar="PACKETS_PER_S")
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--scale", type=float, default=2.0, help="size of the capture that is sent over and over")
    parser.add_argument("--folder", type=Path, default=CACHE, help="where the capture is kept: tmpfs")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if os.geteuid() != 0 or not all(map(shutil.which, NEEDED)):
        print(f"needs root, {', '.join(NEEDED)}: not shown, so not met", file=sys.stderr)
        return 1
    capture = build("short", options.folder, scale=options.scale)
    if options.inside:
        print(json.dumps(session(capture.path, options.rates[0], options.seconds)))
        return 0
    print(f"| {' | '.join(COLUMNS)} |\n|{'--:|' * len(COLUMNS)}")
    for rate in options.rates:
        words = [str(rate), "--seconds", str(options.seconds), "--scale", str(options.scale), "--inside"]
        command = ["unshare", "--net", sys.executable, "-m", "benchmarks.live", *words]
        command += ["--folder", str(options.folder)]
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        print(f"| {' | '.join(str(json.loads(answer.stdout)[name]) for name in COLUMNS)} |", flush=True)
    return 0


def session(path: Path, rate: int, seconds: int) -> dict[str, float]:
    """One rate, inside the namespace."""
    pair()
    os.sched_setaffinity(0, {RECEIVER})
    limit = str(rate * seconds)
    replay = ["tcpreplay", "-i", "left", "--pps", str(rate), "--loop", "0", "--unique-ip", "--limit", limit, "-K", "-q"]
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        run = Run(Path(folder, "data"), None)
        source = LiveSource(open_packet_socket("right"), "right")
        sender = subprocess.Popen(
            ["taskset", "-c", str(SENDER), *replay, str(path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        cpu_s, begin_s = time.process_time(), time.monotonic()
        receive(run, source, sender)
        cpu_s, wall_s = time.process_time() - cpu_s, time.monotonic() - begin_s
        said, _ = sender.communicate()
        counters = run.counters
        found: dict[str, float] = {"captured": counters.get("capture_packets_total"), "lost_by_kernel": source.lost()}
        source.close()
        run.finish()
    found |= {"stored": counters.get("segments_stored_total"), "items": counters.get("items_total")}
    found |= {"asked_pps": rate, **told(said)}
    return found | {"cpu_share": round(cpu_s / wall_s, 2)}


def receive(run: Run, source: LiveSource, sender: subprocess.Popen[str]) -> None:
    """Until the sender is done and the ring is empty."""
    quiet_s = time.monotonic()
    while sender.poll() is None or time.monotonic() < quiet_s + QUIET_S:
        run.make_room()
        batch = source.read()
        if batch is not None:
            run.take(batch)
            quiet_s = time.monotonic()
        else:
            select.select([source], [], [], QUIET_S / 10)


def told(said: str) -> dict[str, float]:
    """What tcpreplay says at its end.

    Raises:
        SystemExit: it said something else.
    """
    sent = re.search(r"Actual: (\d+) packets", said)
    pps = re.search(r"([\d.]+) pps", said)
    if sent is None or pps is None:
        raise SystemExit(f"tcpreplay: expected its summary, got {said!r}")
    return {"sent": int(sent[1]), "sent_pps": round(float(pps[1]))}


def pair() -> None:
    """A veth pair, ``left`` to ``right``, on which nobody else speaks."""
    for name in ("all", "default"):
        subprocess.run(["sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1"], check=True)
    ends = ["left", "mtu", "1600", "type", "veth", "peer", "name", "right", "mtu", "1600"]
    subprocess.run(["ip", "link", "add", *ends], check=True)
    for end in ("left", "right"):
        subprocess.run(["ip", "link", "set", end, "up"], check=True)


if __name__ == "__main__":
    sys.exit(main())
