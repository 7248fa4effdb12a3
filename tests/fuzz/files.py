"""Mutated capture files: none may raise anything but ``CaptureError``, hang, or break a batch's promises.

``python -m tests.fuzz.files --seed 1 --count 20000``; a file depends on seed and number alone.
"""

from __future__ import annotations

import argparse
import random
import struct
import tempfile
import time
from collections import Counter
from pathlib import Path

from engine.capture.files import CaptureFile, open_file
from engine.decode.decode import decode
from engine.errors import CaptureError
from tests.support import pcapng
from tests.support.packets import EPOCH_NS, Packet, pcap_bytes, tcp_frame, udp_frame
from tests.support.packing import Pack, gzipped, zstandard
from tests.support.reading import packets_of

MOST_READS = 1000
"""Many more than these small files can have batches."""
_ODD = [
    b"\0" * 4,
    b"\xff" * 4,
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    struct.pack("<I", 262145),
    pcapng.section()[:12],
]


def original(chance: random.Random) -> bytes:
    """A sound file of any form, not compressed."""
    ends = ("10.0.0.1", 1), ("10.0.0.2", 80)
    frames = [tcp_frame(*ends, payload=chance.randbytes(chance.randrange(90))) for _ in range(5)]
    frames += [udp_frame(*ends, chance.randbytes(chance.randrange(90))) for _ in range(4)]
    packets = [Packet(EPOCH_NS + number, frame) for number, frame in enumerate(frames)]
    order = chance.choice("<>")
    if chance.random() < 0.4:
        return pcap_bytes(
            packets, nanoseconds=chance.random() < 0.5, order=order, link_type=chance.choice([1, 101, 113])
        )
    parts = [pcapng.section(order), pcapng.interface(order, resolution=chance.choice([None, 3, 9, 0x90]), offset_s=5)]
    for packet in packets:
        form = chance.choice([pcapng.enhanced, pcapng.enhanced, pcapng.old, pcapng.simple])
        others = [pcapng.name_block(order), pcapng.secrets_block(b"key", order), pcapng.interface(order, link_type=101)]
        parts += [form(packet, order), chance.choice([b"", b"", *others])]
    return b"".join(parts)


def mutated(content: bytes, chance: random.Random) -> bytes:
    """A few bytes changed, numbers replaced by odd ones, pieces cut out, doubled, or the end lost."""
    data = bytearray(content)
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(data) + 1)
        end = min(at + chance.randrange(1, 64), len(data))
        change = chance.randrange(5)
        if change == 0 and at < len(data):
            data[at] = chance.randrange(256)
        elif change == 1:
            data[at // 4 * 4 : at // 4 * 4 + 4] = chance.choice(_ODD)
        elif change == 2:
            del data[at:end]
        elif change == 3:
            data[at:at] = data[at:end]
        elif chance.random() < 0.3:
            del data[at:]
    return bytes(data)


def file_of(seed: int, number: int) -> bytes:
    """Damaged before it was compressed, after it, or both."""
    chance = random.Random(f"{seed}/{number}")
    content = original(chance)
    packs: list[Pack] = [bytes, bytes, bytes, gzipped, zstandard]
    pack = chance.choice(packs)
    if pack is bytes or chance.random() < 0.5:
        content = mutated(content, chance)
    packed = pack(content)
    return mutated(packed, chance) if pack is not bytes and chance.random() < 0.7 else packed


def read(path: Path) -> tuple[str, int]:
    """What became of a file, and how many packets it gave."""
    try:
        source = open_file(str(path), 0)
    except CaptureError:
        return "refused", 0
    try:
        found = _read_to_its_end(source)
    finally:
        source.close()
    return "warned of" if source.warning else "read", found


def _read_to_its_end(source: CaptureFile) -> int:
    found = 0
    for _ in range(MOST_READS):
        batch = source.read()
        if batch is not None:
            found += len(packets_of(batch))
            assert len(decode(batch).timestamp_ns) == len(batch.offsets)
        elif source.ended:
            return found
    raise AssertionError(f"no end after {MOST_READS} reads")


def fuzz(seed: int, first: int, count: int, folder: Path) -> Counter[str]:
    """Read ``count`` files; a failure names its number."""
    outcomes: Counter[str] = Counter()
    path = folder / "x"
    for number in range(first, first + count):
        path.write_bytes(file_of(seed, number))
        try:
            outcome, packets = read(path)
        except BaseException as error:
            error.add_note(f"seed {seed}, file {number}")
            raise
        outcomes[outcome] += 1
        outcomes["packets"] += packets
    return outcomes


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=20_000)
    given = parser.parse_args()
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        result = fuzz(given.seed, given.first, given.count, Path(temporary))
    print(f"files: seed={given.seed} files={given.count} seconds={time.monotonic() - began_s:.0f}", dict(result))
