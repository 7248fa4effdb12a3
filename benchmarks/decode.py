"""What reading, scanning and decoding a capture costs per packet: ``python -m benchmarks.decode [FILE]``.

Without FILE, a capture of short HTTP exchanges is built. CPU time, the best of five runs; the calibration loop says how
fast the machine is, so that figures of two machines can be compared as ratios.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from engine.capture.sources import open_source
from engine.decode.decode import decode
from tests.support.packets import Packet, TcpConversation, in_time_order, write_pcap

RUNS = 5
CALIBRATION_STEPS = 1_000_000


def main(arguments: list[str]) -> None:
    """Print nanoseconds per packet."""
    with tempfile.TemporaryDirectory() as folder:
        path = arguments[0] if arguments else str(write_pcap(Path(folder, "short.pcap"), short_exchanges(20_000)))
        loop_ns = best_ns(calibrate) / CALIBRATION_STEPS
        packets, dropped = run(path, decoded=True)
        read_ns = best_ns(lambda: run(path, decoded=False)) / packets
        both_ns = best_ns(lambda: run(path, decoded=True)) / packets
    print(f"{path}: {packets} packets, {dropped} dropped")
    print(f"calibration   {loop_ns:7.1f} ns per step")
    print(f"read and scan {read_ns:7.1f} ns per packet")
    print(f"decode        {both_ns - read_ns:7.1f} ns per packet")
    print(f"together      {both_ns:7.1f} ns per packet, {both_ns / loop_ns:.2f} calibration steps")


def run(path: str, *, decoded: bool) -> tuple[int, int]:
    """Packets in the capture, and how many of them ``decode`` drops."""
    source = open_source(path, 0)
    packets = dropped = 0
    while not source.ended:
        batch = source.read()
        if batch is not None:
            packets += len(batch.offsets)
            dropped += int(np.count_nonzero(decode(batch).drop)) if decoded else 0
    source.close()
    return packets, dropped


def calibrate() -> int:
    """A loop of the kind that interpreters are slow at."""
    total = 0
    for step in range(CALIBRATION_STEPS):
        total += step & 7
    return total


def best_ns(work: Callable[[], object]) -> int:
    """CPU time of the fastest of several runs."""
    times = []
    for _ in range(RUNS):
        start = time.process_time_ns()
        work()
        times.append(time.process_time_ns() - start)
    return min(times)


def short_exchanges(count: int) -> list[Packet]:
    """TCP connections with one HTTP exchange each, ten packets, interleaved in time."""
    return in_time_order(*(exchange(number).packets for number in range(count)))


def exchange(number: int) -> TcpConversation:
    """The connection with this number."""
    client = (f"10.0.{number >> 8 & 255}.{number & 255}", 1024 + number % 60_000)
    talk = TcpConversation(
        client, ("10.1.0.1", 80), start_ns=1_700_000_000_000_000_000 + number * 1_000_000
    ).handshake()
    talk.client_says(b"GET /cart HTTP/1.1\r\nHost: shop\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n").server_acks()
    talk.server_says(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 200\r\n\r\n" + b"x" * 200)
    return talk.client_acks().finish()


if __name__ == "__main__":
    main(sys.argv[1:])
