"""What a helper call costs, from a host's socket and back: ``python -m benchmarks.rpc``.

A real broker process, a host that waits for each reply. The same calls again while another script keeps the broker at
work with archives, and beside a busy core. Microseconds of wall time.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.broker import Hosting, RunningBroker, give_to_a_user, running_broker, store_streams
from tests.support.packets import EPOCH_NS, TcpConversation

CALLS = 3000
Ask = Callable[[int], Any]


def main() -> None:
    """Print the median and the 99th percentile of each call."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        store_streams(data, {number: packets(number) for number in range(1, 200)})
        with running_broker(give_to_a_user(data), calls_per_s=0) as broker:
            measure(broker)


def measure(broker: RunningBroker) -> None:
    """All rows of the table."""
    host, other = broker.attach(1, "one.py"), broker.attach(2, "two.py")
    name: Ask = lambda _: host.call("utils.nodeName")  # noqa: E731  # a row of the table
    row("utils.nodeName", name)
    row("pcap.path", lambda _: host.call("pcap.path", "000000000144.pcap"))
    row("jobs.schedule", lambda _: host.call("jobs.schedule", "tag", "0 0 0 1 1 *"))
    row("file.write 100 B", lambda n: host.call("file.write", f"f{n % 100}", "x" * 100))
    row("file.append 100 B", lambda _: host.call("file.append", "a", "x" * 100), 1000)
    row("pcap.record", lambda n: host.call("pcap.record", n % 199 + 1, f"r{n // 199}"), 1000)
    row("file.copy of a stream", lambda n: host.call("file.copy", f"pcaps/{n % 199 + 1}", "kept.pcap"), 1000)
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        row("utils.nodeName, one core busy", name)
        busy.kill()
    prepare(other)
    row("utils.nodeName, a neighbour packs", beside(other, name))


def row(title: str, ask: Ask, calls: int = CALLS) -> None:
    """Measure and print one row."""
    times = []
    for number in range(calls):
        start = time.perf_counter()
        ask(number)
        times.append((time.perf_counter() - start) * 1e6)
    times.sort()
    print(f"{title:36} p50 {times[calls // 2]:8.1f} us   p99 {times[calls * 99 // 100]:8.1f} us")


def prepare(host: Hosting) -> None:
    """Some megabytes to pack."""
    host.call("file.mkdir", "d")
    text = random.Random(1).randbytes(15_000).hex()
    for number in range(300):
        host.call("file.write", f"d/{number}", text)


def beside(host: Hosting, ask: Ask) -> Ask:
    """``ask`` while ``host`` has an archive made, one after the other."""
    host.ask("file.tar", "d")
    host.socket.setblocking(False)

    def both(number: int) -> None:
        ask(number)
        try:
            host.endpoint.receive()
        except BlockingIOError:
            return
        host.ask("file.tar", "d")

    return both


def packets(number: int) -> Any:
    """One short exchange."""
    talk = TcpConversation(("10.0.0.1", number), ("10.0.0.2", 80), start_ns=EPOCH_NS + number).handshake()
    return talk.client_says(b"x" * 200).server_says(b"y" * 800).finish().packets


if __name__ == "__main__":
    main()
