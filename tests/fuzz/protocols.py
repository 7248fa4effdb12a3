"""Mutated streams of one protocol: ``python -m tests.fuzz.protocols --protocol redis --seed 1 --count 1000000``.

``tests/fuzz/samples/<name>.py`` has what they are made from, and is found by its name::

    ROW = "dns"             # name of its ProtocolRow, or the row itself; absent: the name of the file
    PORT = 53               # of the server
    TRANSPORT = UDP         # absent: TCP
    def conversations() -> list[list[Said]]: ...   # the first one is recognised by its first bytes
    def keys() -> KeyRing: ...                     # absent: nothing is decrypted

Streams are cut anywhere, damaged, spliced with others, have gaps and end in all ways. Half of them go through a
Dissection, as the network would bring them; half go to the row's own dissector, which need not recognise them first.
Nothing may raise or hang, every item is JSON, nothing waits without bound. The same seed gives the same streams.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import random
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from engine.dissect.message import Message
from engine.dissect.options import DissectOptions
from engine.dissect.registry import load_rows
from engine.dissect.table import Carrier, ProtocolRow
from engine.dissect.tls_keylog import KeyRing
from engine.items.item import LazyItem
from engine.streams.chunk import Chunk
from engine.streams.stream import STATES, TCP
from tests.support.dissecting import dissection
from tests.support.streams import START_NS, Said, a_stream

if TYPE_CHECKING:
    from _typeshed import SupportsLenAndGetItem

CPU_S = 10.0
"""One stream takes about a millisecond: one that takes this long hangs."""
MAX_TURNS = 40
"""Chunks of one stream."""
RSS_LIMIT_BYTES = 600 << 20
OPTIONS = DissectOptions(max_body_bytes=4096, max_header_bytes=8192, max_pending=16)
"""Small, so that mutated streams meet the caps."""
_WORDS = (
    b"\0", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\xff\xff", b"\r\n", b"\n", b"0",
    b"-1", b"99999999999999999999", b"2147483647", b"4294967296", b"\xc0\x0c", b"\x80", b" ",
)  # fmt: skip


class Chance(random.Random):
    """Draws by a product with ``random()``: a third of the time, which was half of the fuzzer's; the skew is 2**-53."""

    def randrange(self, start: int, stop: int | None = None, step: int = 1) -> int:
        """As of ``random.Random``; ``step`` is 1."""
        low, high = (0, start) if stop is None else (start, stop)
        return low + int(self.random() * (high - low))

    def choice(self, seq: SupportsLenAndGetItem[Any]) -> Any:
        """As of ``random.Random``."""
        return seq[int(self.random() * len(seq))]


@dataclass(frozen=True, slots=True)
class Samples:
    """What one module gives."""

    row: ProtocolRow
    port: int
    conversations: list[list[Said]]
    keys: KeyRing | None = None
    """What decrypts them."""


def names() -> list[str]:
    """The protocols that have samples."""
    folder = Path(__file__).parent / "samples"
    return sorted(file.stem for file in folder.glob("*.py") if file.stem != "__init__")


def samples_of(name: str) -> Samples:
    """Of the module with this name."""
    module = importlib.import_module(f"tests.fuzz.samples.{name}")
    row, transport = getattr(module, "ROW", name), getattr(module, "TRANSPORT", TCP)
    keys: KeyRing | None = module.keys() if hasattr(module, "keys") else None
    rows = load_rows(installed=False, keys=keys)
    found = [each for each in rows if each is row or (each.name, each.transport) == (row, transport)]
    return Samples(found[0], module.PORT, module.conversations(), keys)


def fuzz(name: str, count: int, seed: int) -> Counter[str]:
    """Dissect ``count`` mutated streams; what became of them."""
    chance = Chance(f"{name} {seed}")
    samples = samples_of(name)
    outcomes: Counter[str] = Counter()
    before_bytes = _peak_bytes()
    for number in range(count):
        with _named(f"{name}: seed {seed}, stream {number}"):
            chunks = list(mutated(samples, chance, number + 1))
            ways: tuple[Callable[[Samples, list[Chunk], str], Counter[str]], ...] = (_through_all, _directly)
            outcomes += chance.choice(ways)(samples, chunks, chance.choice(STATES))
    grown_bytes = _peak_bytes() - before_bytes
    assert grown_bytes < RSS_LIMIT_BYTES, f"{name}: seed {seed}: {grown_bytes} bytes of memory"
    return outcomes


def _peak_bytes() -> int:
    """Of memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _through_all(samples: Samples, chunks: list[Chunk], state: str) -> Counter[str]:
    """As a stream that must be recognised first."""
    whole = dissection(
        keys=samples.keys,
        max_body_bytes=OPTIONS.max_body_bytes,
        max_header_bytes=OPTIONS.max_header_bytes,
        max_pending=OPTIONS.max_pending,
    )
    items = [item for chunk in chunks for item in [*whole.feed(chunk), *whole.expire(chunk.times_ns[-1])]]
    if chunks:
        chunks[0].stream.state = state
        items += whole.ended(chunks[0].stream)
        assert whole.finish() == []
    _look_at_items(items)
    return Counter({"streams": 1, "items": len(items), "recognised": bool(items)})


def _directly(samples: Samples, chunks: list[Chunk], state: str) -> Counter[str]:
    """As a stream whose protocol is known."""
    row, dissector, left, told = samples.row, samples.row.open(OPTIONS), chunks, 0
    while True:
        rest = iter(left)
        for chunk in rest:
            told += _look_at_messages(row, dissector.feed(chunk))
            if row.carries:
                assert all(inner.data for inner in cast(Carrier, dissector).inner())
            assert isinstance(dissector.answering, bool | Set)
            if dissector.lost:
                break
        lost, successor = dissector.lost, dissector.successor
        told += _look_at_messages(row, dissector.close(state))
        if not lost or successor is None or successor.row is None:
            return Counter({"streams": 1, "messages": told, f"{row.name} lost: {lost or 'not'}": 1})
        row, left = successor.row, [*successor.chunks, *rest]
        dissector = (successor.open or row.open)(OPTIONS)


def _look_at_items(items: Iterable[LazyItem]) -> None:
    for item in items:
        assert item.encode()
        json.dumps(item.as_dict())


def _look_at_messages(row: ProtocolRow, messages: list[Message]) -> int:
    for message in messages:
        payload = message.payload
        problem = payload.problem()
        assert problem is None or (problem.type and problem.msg)
        json.dumps(payload.section())
        halves = (payload, None) if message.is_request else (None, payload)
        assert row.describe(*halves)["name"]
        assert message.start_ns > 0 or message.instead
        assert message.size_bytes >= 0
    return len(messages)


def mutated(samples: Samples, chance: random.Random, number: int) -> Iterator[Chunk]:
    """The chunks of one stream."""
    stream = a_stream(samples.row.transport, samples.port, number)
    stream.shaken = chance.random() < 0.7
    now_ns, rate = START_NS, chance.choice((0.0, 0.05, 0.3, 1.0))
    for direction, whole in _talk(samples.conversations, chance):
        for piece in _cut(whole, chance) if samples.row.transport == TCP else [whole]:
            data = _damaged(piece, samples, chance) if chance.random() < rate else piece
            if not data or chance.random() < rate * 0.1:
                continue
            way = 1 - direction if chance.random() < rate * 0.1 else direction
            missing = chance.choice((1, 7, 300, 100_000)) if chance.random() < rate * 0.2 else 0
            starts = sorted({0, *(chance.randrange(len(data)) for _ in range(chance.choice((0, 0, 1, 4))))})
            now_ns += chance.choice((1, 1000, 1_000_000, 2_000_000_000, 40_000_000_000))
            yield Chunk(stream, way, data, starts, [now_ns + at for at in starts], missing)


def _talk(conversations: Sequence[list[Said]], chance: random.Random) -> list[Said]:
    """Turns of one conversation, or of several one after the other; perhaps from the middle of it, perhaps mixed up."""
    turns = [turn for _ in range(chance.choice((1, 1, 2, 8))) for turn in chance.choice(conversations)]
    if chance.random() < 0.2:
        turns = turns[chance.randrange(len(turns)) :]
    if chance.random() < 0.1:
        chance.shuffle(turns)
    return turns[:MAX_TURNS]


def _cut(data: bytes, chance: random.Random) -> Iterator[bytes]:
    """Mostly whole; else in a few pieces."""
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.choice((0, 0, 0, 1, 3, 9))))
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        yield data[start:end]


def _damaged(piece: bytes, samples: Samples, chance: random.Random) -> bytes:
    """Up to three changes."""
    data = bytearray(piece)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(data) + 1)
        kind = chance.randrange(8)
        if kind == 0 and data:
            data[at % len(data)] = chance.randrange(256)
        elif kind == 1 and data:
            data[at % len(data)] ^= 1 << chance.randrange(8)
        elif kind == 2:
            del data[at : at + chance.choice((1, 2, 9, 100))]
        elif kind == 3:
            data[at:at] = data[at : at + chance.choice((1, 2, 9, 100))] * chance.choice((1, 2, 50))
        elif kind == 4:
            word = chance.choice(_WORDS)
            data[at : at + chance.choice((0, len(word)))] = word
        elif kind == 5:
            _, other = chance.choice(chance.choice(samples.conversations))
            start = chance.randrange(len(other) + 1)
            data[at : at + chance.choice((0, 50))] = other[start : start + chance.choice((4, 50, 500))]
        elif kind == 6:
            data[at:at] = chance.randbytes(chance.choice((1, 4, 64)))
        else:
            del data[at:]
    return bytes(data)


@contextmanager
def _named(what: str) -> Iterator[None]:
    """A failure says where it happened; what takes more than ``CPU_S`` of CPU is one."""
    signal.signal(signal.SIGVTALRM, _hangs)
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_S)
    try:
        yield
    except BaseException as error:
        error.add_note(what)
        raise
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _hangs(*_: object) -> None:
    raise TimeoutError(f"one stream took more than {CPU_S} s of CPU")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--protocol", choices=names(), help="absent: each of them")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1_000_000)
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    for protocol in [given.protocol] if given.protocol else names():
        began_s = time.monotonic()
        found = fuzz(protocol, given.count, given.seed)
        print(f"{protocol}: seed={given.seed} seconds={time.monotonic() - began_s:.0f}", dict(found), flush=True)
