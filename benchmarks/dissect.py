"""What an exchange costs from reassembled bytes to its item: ``python -m benchmarks.dissect``.

CPU time per exchange, the best of seven runs; the calibration loop says how fast the machine is, so that figures of two
machines can be compared as ratios.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence

from engine.counters import Counters
from engine.dissect.options import DissectOptions
from engine.dissect.registry import load_rows
from engine.items.dissection import Dissection
from engine.items.item import LazyItem
from engine.resolve.static import NoNames
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, SERVER, TCP, UDP, Stream
from hooks import Item

RUNS = 7
EXCHANGES = 4000
PER_CONNECTION = 100
CALIBRATION_STEPS = 1_000_000
ROWS = load_rows(installed=False)

REQUEST = (
    b"GET /items/4711?page=2&sort=price HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux)\r\n"
    b"Accept: text/html,application/json\r\nAccept-Encoding: identity\r\nCookie: session=0123456789abcdef\r\n"
    b"Connection: keep-alive\r\nX-Request-Id: 6f1c2d3e\r\n\r\n"
)
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Tue, 19 Dec 2023 20:44:30 GMT\r\n"
    b"Content-Type: application/json\r\n"
    b'Content-Length: 2000\r\nConnection: keep-alive\r\nCache-Control: no-cache\r\nETag: "65819c9e-7d0"\r\n\r\n'
) + b'{"value": "0123456789"}'.ljust(2000)
QUESTION = b"\3www\7example\3com\0\0\1\0\1"
QUERY = b"\xab\xcd\1\0\0\1\0\0\0\0\0\0" + QUESTION
ANSWER = b"\xab\xcd\x81\x80\0\1\0\2\0\0\0\0" + QUESTION + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\1\2\3\4" * 2


def main() -> None:
    """Print microseconds per exchange."""
    gc.disable()
    step_ns = best_ns(calibrate) / CALIBRATION_STEPS
    print(f"calibration {step_ns:.1f} ns per step")
    for name, make in (("http, keep-alive", keep_alive), ("http, one each", short), ("dns", dns)):
        report(name, make, step_ns)
    blobs: list[bytes] = []
    dissect(keep_alive(), lambda item: blobs.append(item.encode()))
    blob = blobs[0]
    touched_ns = best_ns(lambda: [Item.decode(blob).response.status for _ in range(EXCHANGES)]) / EXCHANGES
    print(f"hooks.Item, from the blob to response.status {touched_ns / 1000:6.2f} us")


def report(name: str, make: Callable[[], list[Chunk]], step_ns: float) -> None:
    """One line: to the lazy item, to the dict, to the encoded item."""
    wanted: tuple[tuple[str, Callable[[LazyItem], object]], ...] = (
        ("item", id),
        ("response.status", lambda item: item["response"].get("status")),
        ("as_dict", LazyItem.as_dict),
        ("encode", LazyItem.encode),
    )
    figures = []
    for word, look in wanted:
        costs = []
        for _ in range(RUNS):
            chunks = make()
            begin = time.process_time_ns()
            dissect(chunks, look)
            costs.append((time.process_time_ns() - begin) / EXCHANGES)
            gc.collect()
        figures.append(f"{word} {min(costs) / 1000:6.2f} us ({min(costs) / step_ns:4.0f} steps)")
    print(f"{name:17s}" + "  ".join(figures))


def dissect(chunks: Sequence[Chunk], look: Callable[[LazyItem], object]) -> None:
    """Make all items of these chunks, look at each and let it go."""
    dissection = Dissection(ROWS, DissectOptions(), NoNames(), "bench", "127.0.0.1", Counters())
    found = 0
    for chunk in chunks:
        for item in dissection.feed(chunk):
            look(item)
            found += 1
    assert found == EXCHANGES


def keep_alive() -> list[Chunk]:
    """Connections of many exchanges."""
    streams = [stream(number, TCP, 80) for number in range(EXCHANGES // PER_CONNECTION)]
    return [chunk for each in streams for _ in range(PER_CONNECTION) for chunk in exchange(each, REQUEST, RESPONSE)]


def short() -> list[Chunk]:
    """Connections of one exchange."""
    return [chunk for number in range(EXCHANGES) for chunk in exchange(stream(number, TCP, 80), REQUEST, RESPONSE)]


def dns() -> list[Chunk]:
    """Queries, each from a port of its own."""
    return [chunk for number in range(EXCHANGES) for chunk in exchange(stream(number, UDP, 53), QUERY, ANSWER)]


def stream(number: int, protocol: int, port: int) -> Stream:
    """A stream of its own addresses."""
    mapped = b"\0" * 10 + b"\xff\xff\x0a\0"
    client = mapped + bytes((number >> 8 & 255, number & 255))
    return Stream(number + 1, protocol, client, 40_000, mapped + b"\1\1", port, 10**18, 10**18)


def exchange(of: Stream, request: bytes, response: bytes) -> list[Chunk]:
    """The response comes in two packets."""
    at = 10**18 + of.id * 1_000_000
    middle = len(response) // 2
    starts, times = ([0, middle], [at + 400_000, at + 500_000]) if of.protocol == TCP else ([0], [at + 400_000])
    return [Chunk(of, CLIENT, request, [0], [at], 0), Chunk(of, SERVER, response, starts, times, 0)]


def calibrate() -> int:
    """A loop of the kind that interpreters are slow at."""
    total = 0
    for step in range(CALIBRATION_STEPS):
        total += step & 7
    return total


def best_ns(run: Callable[[], object]) -> float:
    """The best of some runs, in nanoseconds of CPU."""
    costs = []
    for _ in range(RUNS):
        begin = time.process_time_ns()
        run()
        costs.append(time.process_time_ns() - begin)
    return float(min(costs))


if __name__ == "__main__":
    main()
