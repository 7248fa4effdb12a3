"""What an exchange costs from reassembled bytes to the stored item, by stage: ``python -m benchmarks.items [--write]``.

=======  =============================================================================================================
parse    the dissector alone: bytes to messages
item     the same, recognised, paired, as an item of which nothing is built
encode   all of the item built, and its msgpack
store    into the item segment, with its index
json     the line of text, from what was built
=======  =============================================================================================================

Microseconds of CPU per exchange, in groups as large as those of a worker. A calibration loop runs between the groups; a
figure is the median of the rounds in steps of that loop, times the fastest step of all: a busy machine slows both.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import exchanges
from benchmarks.table import PAGE, machine, splice
from engine.counters import Counters
from engine.dissect.options import DissectOptions
from engine.dissect.registry import load_rows
from engine.dissect.table import Dissector, ProtocolRow, recognise
from engine.items.dissection import Dissection
from engine.items.encoding import json_lines
from engine.items.item import LazyItem
from engine.pipeline import ITEMS_AT_ONCE
from engine.resolve.static import NoNames
from engine.segments.folder import open_folder
from engine.segments.items import ItemShelf
from engine.segments.options import StorageOptions
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, ICMP, SERVER, TCP, UDP, Stream
from tests.support import traces_tls

EXCHANGES = 4096
PER_CONNECTION = 64
GROUP = 2 * ITEMS_AT_ONCE
"""Chunks."""
CALIBRATION_STEPS = 2_000
"""Of the loop that runs after each group."""
STAGES = ("parse", "item", "encode", "store", "json")
ROWS = load_rows(installed=False)

Costs = dict[str, float]
"""Nanoseconds per exchange, by stage."""


def main() -> None:
    """Print a table, and write it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--tmpfs", type=Path, default=Path("/dev/shm"), help="where item segments are made")
    parser.add_argument("--write", action="store_true", help=f"put the table into docs/{PAGE.name}")
    options = parser.parse_args()
    gc.disable()
    text = "\n".join(report(options.rounds, options.tmpfs))
    print(text)
    if options.write:
        PAGE.write_text(splice(PAGE.read_text(), "items", text))


def report(rounds: int, tmpfs: Path) -> list[str]:
    """Lines of the table."""
    found = {name: middle([measured(make, tmpfs) for _ in range(rounds)]) for name, make in kinds().items()}
    step_ns = min(step for _, step in found.values())
    lines = [
        f"{machine()}. Median of {rounds} rounds of {EXCHANGES} exchanges; a step of the loop takes {step_ns:.1f} ns.",
        "",
        f"| us per exchange | {' | '.join(STAGES)} | item to store | with json |",
        f"|---|{'--:|' * (len(STAGES) + 2)}",
    ]
    for name, (steps, _) in found.items():
        costs = [steps[stage] * step_ns / 1000 for stage in STAGES]
        sums = (sum(costs[1:4]), sum(costs[1:]))
        lines.append(f"| {name} | {' | '.join(f'{cost:.1f}' for cost in (*costs, *sums))} |")
    return lines


def kinds() -> dict[str, Callable[[], list[Chunk]]]:
    """What is measured: makers of ``EXCHANGES`` exchanges each."""
    return {
        "HTTP, keep-alive": lambda: http(EXCHANGES // PER_CONNECTION, PER_CONNECTION),
        "HTTP, one each": lambda: http(EXCHANGES, 1),
        "HTTP/2": lambda: http2(EXCHANGES // PER_CONNECTION, PER_CONNECTION),
        "gRPC": lambda: http2(EXCHANGES // PER_CONNECTION, PER_CONNECTION, grpc=True),
        "WebSocket": lambda: websocket(EXCHANGES // PER_CONNECTION, PER_CONNECTION),
        "WebSocket, deflated": lambda: websocket(EXCHANGES // PER_CONNECTION, PER_CONNECTION, deflate=True),
        "DNS": dns,
        "ICMP": lambda: icmp(EXCHANGES // PER_CONNECTION, PER_CONNECTION),
        "TLS handshakes": tls,
        "Redis": lambda: redis(EXCHANGES // PER_CONNECTION, PER_CONNECTION),
        "Kafka": lambda: queued(exchanges.kafka, 9092, EXCHANGES // PER_CONNECTION, PER_CONNECTION),
        "AMQP": lambda: queued(exchanges.amqp, 5672, EXCHANGES // PER_CONNECTION, PER_CONNECTION),
    }


def middle(rounds: Sequence[tuple[Costs, float]]) -> tuple[Costs, float]:
    """The median of each stage in steps of the loop in its round; and the fastest step, in nanoseconds."""
    steps = {stage: statistics.median(costs[stage] / step_ns for costs, step_ns in rounds) for stage in STAGES}
    return steps, min(step_ns for _, step_ns in rounds)


def measured(make: Callable[[], list[Chunk]], tmpfs: Path) -> tuple[Costs, float]:
    """One round: the costs, and nanoseconds per step of the calibration loop."""
    costs = dict.fromkeys((*STAGES, "steps"), 0.0)
    parse(make(), costs)
    with tempfile.TemporaryDirectory(dir=tmpfs) as folder:
        data = Path(folder, "data")
        open_folder(data, "bench", 0)
        shelf = ItemShelf(data, replace(StorageOptions(window=False), json_ttl_s=0.0), Counters())
        run(make(), shelf, costs)
        shelf.close()
    gc.collect()
    step_ns = costs.pop("steps") / (2 * EXCHANGES / GROUP * 2 * CALIBRATION_STEPS)
    return {stage: cost / EXCHANGES for stage, cost in costs.items()}, step_ns


def parse(chunks: Sequence[Chunk], costs: Costs) -> None:
    """All messages, each let go at once."""
    dissectors: dict[int, Dissector] = {}
    for chunk in chunks:
        if chunk.stream.id not in dissectors:
            rows = [row for row in ROWS if row.transport == chunk.stream.protocol]
            row = recognise(rows, chunk.data, (chunk.stream.server_port, chunk.stream.client_port))
            assert isinstance(row, ProtocolRow)
            dissectors[chunk.stream.id] = row.open(DissectOptions())
    for first in range(0, len(chunks), GROUP):
        begin = time.process_time_ns()
        for chunk in chunks[first : first + GROUP]:
            dissector = dissectors[chunk.stream.id]
            dissector.feed(chunk)
            if dissector.lost and (successor := dissector.successor) is not None and successor.open is not None:
                dissectors[chunk.stream.id] = successor.open(DissectOptions())
        costs["parse"] += time.process_time_ns() - begin
        costs["steps"] += calibrate()


def run(chunks: Sequence[Chunk], shelf: ItemShelf, costs: Costs) -> None:
    """All stages, in groups."""
    dissection = Dissection(ROWS, DissectOptions(), NoNames(), "bench", "127.0.0.1", Counters())
    clock = time.process_time_ns
    found = 0
    for first in range(0, len(chunks), GROUP):
        at = [clock()]
        items: list[LazyItem] = []
        for chunk in chunks[first : first + GROUP]:
            items += dissection.feed(chunk)
        at.append(clock())
        entries = [(item.stream.id, item.index, item.timestamp_ns, item.encode()) for item in items]
        at.append(clock())
        shelf.append(entries, 0.0)
        at.append(clock())
        json_lines([item.whole() for item in items])
        at.append(clock())
        found += len(items)
        for stage, begin, end in zip(STAGES[1:], at, at[1:], strict=False):
            costs[stage] += end - begin
        costs["steps"] += calibrate()
    assert found == EXCHANGES, f"{found} items of {EXCHANGES} exchanges"


def http(connections: int, each: int) -> list[Chunk]:
    """Connections of some exchanges, of the kind that captures are generated from."""
    chance = random.Random(7)
    return [
        chunk
        for stream in (a_stream(number, TCP, 80) for number in range(connections))
        for turn in range(stream.id, stream.id + each)
        for chunk in exchange(
            stream, exchanges.request(chance, turn, keep=each > 1), exchanges.response(chance, turn, keep=each > 1)
        )
    ]


def http2(connections: int, each: int, *, grpc: bool = False) -> list[Chunk]:
    """The same over HTTP/2, one after the other on each connection."""
    chance = random.Random(7)
    return [
        chunk
        for stream in (a_stream(number, TCP, 80) for number in range(connections))
        for connection in [exchanges.Http2(grpc=grpc)]
        for turn in range(stream.id, stream.id + each)
        for chunk in exchange(stream, connection.request(chance, turn), connection.response(chance, turn))
    ]


def websocket(connections: int, each: int, *, deflate: bool = False) -> list[Chunk]:
    """Messages behind a handshake, which is the first item of each connection."""
    chance = random.Random(7)
    chunks: list[Chunk] = []
    for stream in (a_stream(number, TCP, 80) for number in range(connections)):
        talk = exchanges.Socket(deflate=deflate)
        chunks += exchange(stream, talk.ask, talk.agree)
        said = [talk.message(chance, turn) for turn in range(each - 1)]
        chunks += [Chunk(stream, side, data, [0], [stream.start_ns], 0) for side, data in said]
    return chunks


def icmp(connections: int, each: int) -> list[Chunk]:
    """Pings and their replies."""
    chance = random.Random(7)
    return [
        chunk
        for stream in (a_stream(number, ICMP, 0) for number in range(connections))
        for turn in range(each)
        for chunk in exchange(stream, *exchanges.echo(chance, turn))
    ]


def redis(connections: int, each: int) -> list[Chunk]:
    """Commands and replies of a cache, one after the other on each connection."""
    chance = random.Random(7)
    return [
        chunk
        for stream in (a_stream(number, TCP, 6379) for number in range(connections))
        for turn in range(stream.id, stream.id + each)
        for chunk in exchange(stream, *exchanges.cached(chance, turn))
    ]


def queued(
    make: Callable[[random.Random, int], tuple[bytes, bytes]], port: int, connections: int, each: int
) -> list[Chunk]:
    """Records or messages of a broker, one exchange after the other on each connection."""
    chance = random.Random(7)
    return [
        chunk
        for stream in (a_stream(number, TCP, port) for number in range(connections))
        for turn in range(stream.id, stream.id + each)
        for chunk in exchange(stream, *make(chance, turn))
    ]


def dns() -> list[Chunk]:
    """Lookups, each from a port of its own."""
    chance = random.Random(7)
    return [
        chunk
        for number in range(EXCHANGES)
        for chunk in exchange(a_stream(number, UDP, 53), *exchanges.lookup(chance, number))
    ]


def tls() -> list[Chunk]:
    """Handshakes of TLS 1.2 with one certificate, each on a connection of its own, nothing decrypted."""
    hello = traces_tls.record(traces_tls.client_hello())
    return [
        chunk
        for number in range(EXCHANGES)
        for chunk in exchange(a_stream(number, TCP, 443), hello, traces_tls.flight())
    ]


def a_stream(number: int, protocol: int, port: int) -> Stream:
    """A stream of its own addresses."""
    mapped = b"\0" * 10 + b"\xff\xff\x0a\0"
    client = mapped + bytes((number >> 8 & 255, number & 255))
    return Stream(number + 1, protocol, client, 40_000, mapped + b"\1\1", port, 10**18, 10**18)


def exchange(of: Stream, request: bytes, response: bytes) -> list[Chunk]:
    """A response over TCP comes in two packets."""
    at = 10**18 + of.id * 1_000_000
    starts, times = ([0, 1448], [at + 400_000, at + 500_000]) if len(response) > 1448 else ([0], [at + 400_000])
    return [Chunk(of, CLIENT, request, [0], [at], 0), Chunk(of, SERVER, response, starts, times, 0)]


def calibrate() -> int:
    """Nanoseconds of a loop of the kind that interpreters are slow at."""
    begin, total = time.process_time_ns(), 0
    for step in range(CALIBRATION_STEPS):
        total += step & 7
    return time.process_time_ns() - begin


if __name__ == "__main__":
    main()
