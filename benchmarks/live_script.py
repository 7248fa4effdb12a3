"""A whole instance with a script attached, live: ``python -m benchmarks.live_script [PACKETS_PER_S …]``, as root.

As ``benchmarks.live``, but `remora run` with all its processes: a jailed script gets every item and looks at two of its
fields. The worker has core 0 to itself as far as the scheduler is asked, the sender is on core 1 and shares it with the
script. A rate is free of drops where the kernel lost nothing, every packet was stored and every item delivered.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.captures import CACHE, build
from benchmarks.live import NEEDED, RECEIVER, SENDER, pair, told
from engine import controlsocket

RATES = (100_000, 125_000, 150_000, 175_000, 200_000)
SCRIPT = """
slow = {}
def onItemCaptured(data):
    if data.response and data.response.status >= 500:
        slow[data.request.path] = data.elapsedTime
        if len(slow) > 1000:
            slow.clear()
"""
QUIET_S, PATIENCE_S = 2.0, 120.0
STORAGE = "4Gi"
"""For 20 s at the highest rate and the TTL behind it; 500 MiB, the default, are full after 7 s of 75,000 packets/s."""
COLUMNS = ("asked_pps", "sent_pps", "sent", "captured", "lost_by_kernel", "not_stored", "items", "delivered", "dropped")


def main() -> int:
    """One line per rate, each in a namespace of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rates", nargs="*", type=int, default=RATES, metavar="PACKETS_PER_S")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--folder", type=Path, default=CACHE, help="where the capture and the data folder lie: tmpfs")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if os.geteuid() != 0 or not all(map(shutil.which, NEEDED)):
        print(f"needs root, {', '.join(NEEDED)}: not shown, so not met", file=sys.stderr)
        return 1
    capture = build("short", options.folder, scale=2.0)
    if options.inside:
        print(json.dumps(session(capture.path, options.rates[0], options.seconds)))
        return 0
    print(f"| {' | '.join(COLUMNS)} |\n|{'--:|' * len(COLUMNS)}")
    for rate in options.rates:
        command = ["unshare", "--net", sys.executable, "-m", "benchmarks.live_script", str(rate), "--inside"]
        command += ["--seconds", str(options.seconds), "--folder", str(options.folder)]
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        print(f"| {' | '.join(str(json.loads(answer.stdout)[name]) for name in COLUMNS)} |", flush=True)
    return 0


def session(path: Path, rate: int, seconds: int) -> dict[str, float]:
    """One rate, inside the namespace."""
    pair()
    limit = str(rate * seconds)
    replay = ["tcpreplay", "-i", "left", "--pps", str(rate), "--loop", "0", "--unique-ip", "--limit", limit, "-K", "-q"]
    with tempfile.TemporaryDirectory(dir=path.parent) as folder, instance(Path(folder), {"look.py": SCRIPT}) as data:
        os.sched_setaffinity(status(data)["processes"]["worker"]["pid"], {RECEIVER})
        done = subprocess.run(
            ["taskset", "-c", str(SENDER), *replay, str(path)],
            check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        counters = settled(data)
    items = counters.get("items_total", 0)
    stored, delivered = counters.get("segments_stored_total", 0), counters.get("scripts_delivered_total", 0)
    dropped = sum(count for name, count in counters.items() if name.startswith("scripts_dropped_total"))
    captured = counters.get("capture_packets_total", 0)
    return {
        "asked_pps": rate,
        **told(done.stdout),
        "captured": captured,
        "lost_by_kernel": counters.get("capture_lost_total", 0),
        "not_stored": captured - stored,
        "items": items,
        "delivered": delivered,
        "dropped": dropped,
    }


@contextlib.contextmanager
def instance(folder: Path, scripts: Mapping[str, str], *settings: str) -> Iterator[Path]:
    """`remora run` on the receiving end; its data folder, once the scripts are loaded."""
    folder.chmod(0o755)
    texts, data = folder / "scripts", folder / "data"
    texts.mkdir(mode=0o755)
    for name, text in scripts.items():
        (texts / name).write_text(text)
    command = [sys.executable, "-P", "-m", "engine.cli.app", "run", "--interface", "right"]
    command += ["--scripts", str(texts), "--data", str(data)]
    for setting in (f"tap.storageLimit={STORAGE}", *settings):
        command += ["--set", setting]
    with (folder / "said").open("wb+") as said:
        process = subprocess.Popen(command, stderr=said, stdout=said, env={**os.environ, "PYTHONPATH": os.getcwd()})
        try:
            give_up_s = time.monotonic() + PATIENCE_S
            while (folder / "said").read_bytes().count(b" loaded: ") < len(scripts):
                if process.poll() is not None or time.monotonic() > give_up_s:
                    raise SystemExit(f"remora run did not load its scripts: {(folder / 'said').read_text()}")
                time.sleep(0.1)
            yield data
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE_S)


def status(data: Path) -> dict[str, Any]:
    """What the instance says of itself."""
    rows, done = controlsocket.ask(data / "control.sock", "status", {})
    return {**done, "processes": {row["process"]: row for row in rows if "process" in row}}


def settled(data: Path) -> dict[str, int]:
    """The counters once they stand still."""
    before: dict[str, int] = {}
    give_up_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up_s:
        time.sleep(QUIET_S)
        counters: dict[str, int] = status(data)["counters"]
        names = ("capture_packets_total", "items_total", "scripts_delivered_total")
        if before and all(counters.get(name) == before.get(name) for name in names):
            return counters
        before = counters
    raise SystemExit("the instance did not come to rest")


if __name__ == "__main__":
    sys.exit(main())
