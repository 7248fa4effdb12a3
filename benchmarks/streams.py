"""What the stream table and reassembly cost per packet: ``python -m benchmarks.streams [FILE …]``.

Without FILE, captures of short HTTP connections, bulk transfer, DNS and lossy traffic are built. CPU time, the best of
five runs, batches as a file source yields them; the calibration loop says how fast the machine is. ``--sides``: each
side of a stream is counted too, as for items of connections.
"""

from __future__ import annotations

import gc
import itertools
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.capture.sources import open_source
from engine.counters import Counters
from engine.decode.decode import decode
from engine.streams.options import StreamOptions
from engine.streams.reassembly import Reassembler
from engine.streams.sides import Sides
from engine.streams.stream import TCP, UDP
from engine.streams.table import StreamTable
from tests.support.packets import Packet, TcpConversation, in_time_order, udp_frame, write_pcap

RUNS = 5
CALIBRATION_STEPS = 1_000_000
START_NS = 1_700_000_000_000_000_000
MS = 1_000_000


class Cost(NamedTuple):
    """CPU time of one run."""

    assign_ns: int
    feed_ns: int
    packets: int
    streams: int


def main(arguments: list[str]) -> None:
    """Print nanoseconds per packet."""
    gc.disable()
    sides, arguments = "--sides" in arguments, [each for each in arguments if each != "--sides"]
    print(f"calibration {calibration_ns():6.1f} ns per step")
    with tempfile.TemporaryDirectory() as folder:
        for path in map(Path, arguments) if arguments else built(Path(folder)):
            costs = [run(str(path), sides=sides) for _ in range(RUNS)]
            packets, streams = costs[0].packets, costs[0].streams
            assign = min(cost.assign_ns for cost in costs) / packets
            feed = min(cost.feed_ns for cost in costs) / packets
            print(
                f"{path.stem:12} {packets:7} packets {streams:6} streams"
                f"   assign {assign:6.0f} ns   feed {feed:6.0f} ns per packet"
            )


def run(path: str, *, sides: bool = False) -> Cost:
    """One pass over a capture, everything wanted."""
    source, counters, options = open_source(path, 0), Counters(), StreamOptions()
    table = StreamTable(options, counters, itertools.count(1).__next__)
    table.sides = Sides(table.register, (TCP, UDP)) if sides else None
    reassembler = Reassembler(options, counters, table.register)
    assign_ns = feed_ns = capture_ns = 0
    while not source.ended:
        batch = source.read()
        if batch is None:
            continue
        columns = decode(batch)
        begin_ns = time.process_time_ns()
        assigned = table.assign(columns)
        middle_ns = time.process_time_ns()
        reassembler.feed(batch, columns, assigned, np.ones(assigned.rows.size, np.bool_))
        feed_ns += time.process_time_ns() - middle_ns
        capture_ns = max(capture_ns, int(columns.timestamp_ns.max(initial=0)))
        middle_ns -= time.process_time_ns()
        table.expire(capture_ns)
        reassembler.expire(capture_ns)
        assign_ns += middle_ns + time.process_time_ns() - begin_ns
    source.close()
    return Cost(assign_ns, feed_ns, counters.get("streams_packets_total"), counters.get("streams_started_total"))


def calibration_ns() -> float:
    """A step of a loop of the kind that interpreters are slow at."""
    times = []
    for _ in range(RUNS):
        begin_ns = time.process_time_ns()
        total = 0
        for step in range(CALIBRATION_STEPS):
            total += step & 7
        times.append(time.process_time_ns() - begin_ns)
    return min(times) / CALIBRATION_STEPS


def built(folder: Path) -> Iterator[Path]:
    """The captures, one at a time."""
    yield write_pcap(folder / "short.pcap", in_time_order(*(exchange(number).packets for number in range(20_000))))
    yield write_pcap(folder / "bulk.pcap", in_time_order(*(transfer(number).packets for number in range(20))))
    yield write_pcap(folder / "dns.pcap", in_time_order(*(lookup(number) for number in range(50_000))))
    yield write_pcap(folder / "lossy.pcap", lossy(in_time_order(*(transfer(number).packets for number in range(20)))))


def exchange(number: int) -> TcpConversation:
    """One HTTP exchange in a connection of its own: eleven packets in 11 ms, of which one begins each millisecond."""
    client = (f"10.0.{number >> 8 & 255}.{number & 255}", 1024 + number % 60_000)
    talk = TcpConversation(client, ("10.1.0.1", 80), start_ns=START_NS + number * MS).handshake()
    talk.client_says(b"GET /cart HTTP/1.1\r\nHost: shop\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n").server_acks()
    body = b"x" * 2000
    talk.server_says(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2000\r\n\r\n" + body)
    return talk.client_acks().finish()


def transfer(number: int) -> TcpConversation:
    """2 MB from the server, acknowledged every twenty segments."""
    talk = TcpConversation(("10.2.0.1", 40_000 + number), ("10.1.0.1", 80), start_ns=START_NS + number, step_ns=20_000)
    talk.handshake().client_says(b"GET /film HTTP/1.1\r\n\r\n")
    for _ in range(70):
        talk.server_says(b"y" * 1448 * 20).client_acks()
    return talk.finish()


def lookup(number: int) -> list[Packet]:
    """A query and its answer."""
    client, server = (f"10.3.{number >> 8 & 255}.{number & 255}", 1024 + number % 60_000), ("10.1.0.53", 53)
    at_ns = START_NS + number * MS // 4
    query, answer = udp_frame(client, server, b"q" * 40), udp_frame(server, client, b"a" * 90)
    return [Packet(at_ns, query), Packet(at_ns + MS, answer)]


def lossy(packets: list[Packet]) -> list[Packet]:
    """0.3 % sent twice, 0.3 % lost and sent again 200 packets later."""
    chance = random.Random(1)
    out = list(packets)
    for index in range(2, len(out) - 200):
        dice = chance.random()
        if dice < 0.003:
            out.insert(index + 1, out[index])
        elif dice < 0.006:
            out.insert(index + 200, out.pop(index))
    return out


if __name__ == "__main__":
    main(sys.argv[1:])
