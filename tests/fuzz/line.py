"""Mutated frames through the whole line: ``python -m tests.fuzz.line --seed 1 --count 2000000``.

Decode, streams, segments on disk, reassembly, dissection and items get what ``tests.fuzz.decode`` makes, and besides it
conversations of which some frames are damaged, repeated, shuffled or lost. Nothing may raise or hang; in every stage
in = out + dropped; every item is JSON; a stream's own PCAP holds as many packets as its row says. The same seed gives
the same frames.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.capture.batch import Batch
from engine.capture.links import ETHERNET, LINKS
from engine.items.item import LazyItem
from engine.segments.options import StorageOptions
from engine.segments.reader import SegmentReader
from engine.streams.options import StreamOptions
from tests.fuzz.decode import mutated, sound_frames
from tests.support.frames_at_random import damaged, relinked
from tests.support.line import Line
from tests.support.packets import EPOCH_NS, Packet, TcpConversation, batch_of, udp_frame
from tests.support.reading import packets_of
from tests.support.traces_http import answer, get

BATCH_CPU_S = 30.0
"""A batch takes a few milliseconds: one that takes this long hangs."""
STORAGE = StorageOptions(window=False, storage_limit_bytes=64 << 20)
STREAMS = StreamOptions(stream_hold_bytes=64 << 10, total_hold_bytes=512 << 10)
_NAME = b"\4shop\4test\0\0\1\0\1"


def fuzz(count: int, seed: int, data: Path) -> Counter[str]:
    """Put at least ``count`` mutated frames through a line in ``data``; what became of them."""
    line, seen = Line(data, STORAGE, STREAMS), 0
    reader = SegmentReader(data)
    outcomes: Counter[str] = Counter()
    for number, batch in enumerate(_batches(seed), 1):
        if seen >= count:
            break
        with _named(f"seed {seed}, batch {number}"):
            outcomes["items"] += _looked_at(line.take(batch)[1])
            line.expire()
            if number % 50 == 0:
                line.check_balance()
                _look_back(reader)
        seen += len(batch.offsets)
    with _named(f"seed {seed}, the end"):
        outcomes["items"] += _looked_at(line.finish())
        line.check_balance()
        reader.close()
    totals = line.counters
    outcomes.update({name: totals.get(f"{name}_total") for name in ("capture_packets", "streams_started")})
    outcomes.update({f"{stage}_dropped": totals.dropped(stage) for stage in ("decode", "segments", "reassembly")})
    return outcomes


def _look_back(reader: SegmentReader) -> None:
    """The newest stream of the shelf has the packets on disk that its index says."""
    records = list(reader.streams())
    if records:
        stream = records[-1].stream
        stored = reader.stored(stream).packets
        with tempfile.TemporaryFile() as target:
            assert sum(reader.materialise(stream, target.fileno(), link) for link in LINKS) == stored


def hostile_packets(count: int, seed: int) -> list[Packet]:
    """At least ``count`` of the same frames, those of Ethernet, for a file."""
    packets: list[Packet] = []
    for batch in _batches(seed):
        packets += packets_of(batch) if batch.link_type == ETHERNET else []
        if len(packets) >= count:
            break
    return packets


def _batches(seed: int) -> Iterator[Batch]:
    """Without end."""
    chance = random.Random(f"line {seed}")
    pool, now_ns = sound_frames(seed, chance), EPOCH_NS
    while True:
        now_ns += chance.choice([1000, 50_000_000, 50_000_000, 3_000_000_000, 20_000_000_000])
        yield _batch(pool, now_ns, chance)


def _batch(pool: list[list[bytes]], now_ns: int, chance: random.Random) -> Batch:
    """Conversations and random frames, of one link type."""
    link_type = chance.choice([1, 1, 1, 1, *LINKS])
    packets = mutated(pool, chance.choice([1, 9, 49, 300]), link_type, now_ns, chance)
    for _ in range(chance.choice([0, 1, 5, 25])):
        packets += _mishaps(conversation(chance, now_ns), link_type, chance)
    if chance.random() < 0.3:
        packets.sort(key=lambda packet: packet.timestamp_ns)
    return batch_of(packets, link_type=link_type)


def conversation(chance: random.Random, start_ns: int) -> list[Packet]:
    """HTTP or DNS, over TCP or UDP, on one of a few ports, so that streams meet their own past."""
    client, server = ("10.0.0.1", 40_000 + chance.randrange(300)), ("10.0.0.2", chance.choice([53, 80, 8080]))
    sequences = (chance.choice([1000, (1 << 32) - 100, chance.getrandbits(32)]), chance.getrandbits(32))
    talk = TcpConversation(client, server, start_ns=start_ns, step_ns=1000, sequences=sequences, mss=500)
    if chance.random() < 0.9:
        talk.handshake()
    for _ in range(chance.randrange(1, 6)):
        if server[1] == 53:
            _ask_a_name(talk, chance)
        else:
            _get_a_page(talk, chance)
    if server[1] == 53 and chance.random() < 0.6:
        query = _dns(chance, answered=False)
        ends = (client, server, query), (server, client, _answer_to(query))
        return [Packet(start_ns + at, udp_frame(*end)) for at, end in enumerate(ends)]
    chance.choice([talk.finish, talk.reset, talk.client_acks])()
    return talk.packets


def _get_a_page(talk: TcpConversation, chance: random.Random) -> None:
    body = chance.randbytes(chance.choice([0, 10, 2000]))
    page = answer("200 OK", body, chance.choice(["Content-Type: text/plain", "Content-Encoding: gzip"]))
    if chance.random() < 0.3:
        page = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        page = page if body else b"HTTP/1.1 304 Not Modified\r\n\r\n"
    talk.client_says(get(f"/{chance.randrange(9)}"), [chance.randrange(1, 30)]).server_says(
        page, [chance.randrange(1, 99)]
    )


def _ask_a_name(talk: TcpConversation, chance: random.Random) -> None:
    query = _dns(chance, answered=False)
    for say, message in ((talk.client_says, query), (talk.server_says, _answer_to(query))):
        say(len(message).to_bytes(2, "big") + message, [chance.randrange(1, 20)])


def _dns(chance: random.Random, *, answered: bool) -> bytes:
    return chance.randbytes(2) + (b"\x81\x80" if answered else b"\1\0") + b"\0\1\0\0\0\0\0\0" + _NAME


def _answer_to(query: bytes) -> bytes:
    return query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query[12:] + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\0\0\2"


def _mishaps(packets: list[Packet], link_type: int, chance: random.Random) -> Iterator[Packet]:
    """The same packets with a share of mishaps that the whole conversation has."""
    rate = chance.choice([0, 0.02, 0.2])
    if chance.random() < rate:
        chance.shuffle(packets)
    for packet in packets:
        kind = chance.randrange(5) if chance.random() < rate else -1
        frame = relinked(packet.frame, link_type, chance)
        wire = len(frame)
        if kind == 0:
            frame = damaged(frame, chance)
        elif kind == 1:
            at = chance.randrange(len(frame) + 1)
            frame = frame[:at] + chance.randbytes(1) + frame[at + 1 :]
        if kind != 2:
            yield packet._replace(frame=frame, wire_length=max(wire, len(frame)))
        if kind == 3:
            yield packet._replace(frame=frame, wire_length=max(wire, len(frame)))


def _looked_at(items: Iterable[LazyItem]) -> int:
    """Build each item in both its forms."""
    found = 0
    for item in items:
        assert item.encode()
        json.dumps(item.as_dict())
        found += 1
    return found


@contextmanager
def _named(what: str) -> Iterator[None]:
    """A failure says where it happened; what takes more than ``BATCH_CPU_S`` of CPU is one."""
    signal.signal(signal.SIGVTALRM, _hangs)
    signal.setitimer(signal.ITIMER_VIRTUAL, BATCH_CPU_S)
    try:
        yield
    except BaseException as error:
        error.add_note(what)
        raise
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _hangs(*_: object) -> None:
    raise TimeoutError(f"one batch took more than {BATCH_CPU_S} s of CPU")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=2_000_000)
    given = parser.parse_args()
    logging.disable(logging.WARNING)  # the shelf says that it is full, as it should be
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        result = fuzz(given.count, given.seed, Path(temporary) / "data")
    print(f"line: seed={given.seed} seconds={time.monotonic() - began_s:.0f}", dict(result))
