"""Items to jailed scripts: ``python -m benchmarks.scripts``, or ``make bench-scripts``.

The worker's own delivery on one side, real hosts in their jail on the other; only the packets are missing. Throughput:
as many items as the hosts take, each looked into by its script. Latency: items one by one at a fixed rate; the script
takes the time when its hook begins. Wall time says what this machine did just now, CPU per item what a core can do at
best. On a machine that has other work, ``chrt -f 10`` before it keeps that away.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from engine.clock import cpu_ns_of
from engine.counters import Counters
from engine.frames.host import KIND_ITEMS
from engine.scripting.delivery import Delivery
from engine.scripting.line import Line
from engine.scripting.options import ScriptOptions
from tests.support.scripthost import HostEnds, Zygote, running_zygote

ITEMS = 200_000
RATE, SECONDS = 10_000, 3.0
CHUNK = 64
"""Items that one batch of packets brings."""

SCRIPTS = {
    "touched": """
n = 0
def onItemCaptured(data):
    global n
    if data.response.status >= 500:
        n += 1
""",
    "not touched": """
n = 0
def onItemCaptured(data):
    global n
    n += 1
""",
}
CLOCK = """
late = []
def onItemCaptured(data):
    late.append(time.monotonic_ns() - data.timestamp)
def tell():
    ordered = sorted(late)
    print(ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100])
jobs.schedule("tell", "0 0 0 1 1 *", tell)
"""
HOOK = "onItemCaptured"
TRACE = Path(__file__).parents[1] / "tests/traces/http_keep_alive.items.json"
REAL = json.loads(TRACE.read_text())[0]
"""An HTTP exchange as the dissector makes it, about 1.5 kB."""
encode = msgspec.msgpack.Encoder().encode


class Rate(NamedTuple):
    """Of one run."""

    items_per_s: float
    """To each script."""
    host_us: float
    """CPU per item and host."""
    worker_us: float
    """CPU per item and host on the worker's side."""


class NoLeases:
    """Delivery alone is measured."""

    def lease(self, stream_id: int) -> None:
        pass

    def release(self, stream_id: int) -> None:
        pass


class Bench:
    """A worker's delivery and some hosts."""

    def __init__(self, zygote: Zygote, sources: Sequence[str]) -> None:
        self.delivery = Delivery(ScriptOptions(), Counters(), NoLeases(), lossless=True, kill=print)
        self.hosts = [zygote.spawn(source, name=f"{number}.py") for number, source in enumerate(sources)]
        self.poll = select.poll()
        self.lines: dict[int, Line] = {}
        for host in self.hosts:
            host.ready()
            line = Line(host.number, host.pid, host.events.detach(), _copy(host), 0.0)
            self.lines[line.fileno()] = line
            self.poll.register(line, select.POLLIN)
            self.delivery.attach(f"{host.number}.py", line, [HOOK])

    def put(self, blobs: Sequence[bytes]) -> None:
        self.delivery.put(KIND_ITEMS, HOOK, [(0, blob) for blob in blobs])
        self.delivery.flush(0.0)

    def turn(self, timeout_ms: float) -> None:
        """Take acknowledgements, send what they make room for."""
        for descriptor, _ in self.poll.poll(timeout_ms):
            line = self.lines[descriptor]
            line.write()
            self.delivery.readable(line, 0.0)
        for line in self.lines.values():
            if line.wants_write:
                line.write()
        self.delivery.flush(0.0)

    def drain(self) -> None:
        while not self.delivery.idle():
            self.turn(1)


def _copy(host: HostEnds) -> int:
    return os.dup(host.progress_fd)


@contextlib.contextmanager
def bench(zygote: Zygote, sources: Sequence[str]) -> Iterator[Bench]:
    made = Bench(zygote, sources)
    try:
        yield made
    finally:
        for line in made.lines.values():
            line.close()
        for host in made.hosts:
            zygote.kill(host)


def throughput(zygote: Zygote, source: str, scripts: int, items: int) -> Rate:
    """All hosts get the same items, as they do in a worker."""
    blobs = [encode(REAL)] * CHUNK
    with bench(zygote, [source] * scripts) as running:
        running.put(blobs)
        running.drain()
        hosts_ns = [cpu_ns_of(host.pid) for host in running.hosts]
        began_s, began_cpu_s = time.monotonic(), time.thread_time()
        for _ in range(items // CHUNK):
            running.put(blobs)
            while not running.delivery.room():
                running.turn(10)
        running.drain()
        wall_s, cpu_s = time.monotonic() - began_s, time.thread_time() - began_cpu_s
        spent_ns = [cpu_ns_of(host.pid) - before for host, before in zip(running.hosts, hosts_ns, strict=True)]
    done = items // CHUNK * CHUNK
    return Rate(done / wall_s, sum(spent_ns) / scripts / done / 1000, cpu_s / scripts / done * 1e6)


def latency_us(zygote: Zygote, rate: int, seconds: float) -> tuple[float, float]:
    """``(p50, p99)`` from the moment an item is put to the beginning of its hook."""
    with bench(zygote, [CLOCK]) as running:
        begin_s = due_s = time.monotonic()
        while due_s < begin_s + seconds:
            while time.monotonic() < due_s:
                running.turn(0)
            running.put([encode({**REAL, "timestamp": time.monotonic_ns()})])
            running.turn(0)
            due_s += 1 / rate
        running.drain()
        (host,) = running.hosts
        host.run_job("tell")
        middle, high = map(int, host.lines[-1].removeprefix("log: ").split())
    return middle / 1000, high / 1000


def main() -> None:
    """Print all rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=ITEMS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    options = parser.parse_args()
    print(f"{'items to scripts':28} {'items/s each':>13} {'a core':>10} {'host CPU':>10} {'worker CPU':>11}")
    with running_zygote() as zygote:
        for title, source in SCRIPTS.items():
            for scripts in (1, 3):
                found = throughput(zygote, source, scripts, options.items)
                print(
                    f"{f'{title}, {scripts} script(s)':28} {found.items_per_s:13,.0f} {1e6 / found.host_us:10,.0f}"
                    f" {found.host_us:7.2f} us {found.worker_us:8.2f} us"
                )
        middle, high = latency_us(zygote, RATE, options.seconds)
        print(f"from put to hook at {RATE:,} items/s: p50 {middle:.0f} us, p99 {high:.0f} us")


if __name__ == "__main__":
    main()
