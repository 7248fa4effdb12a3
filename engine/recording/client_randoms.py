"""Which TLS sessions a batch holds: the random bytes of their clients, by which key logs name them.

A ClientHello opens its record, and its record a TCP segment (RFC 8446, 4.1.2 and 5.1)::

    | 0x16 | 3 | u8 | record length u16 | 1 | length u24 | version u16 | random 32 B |
"""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np

from engine.capture.batch import PAD_BYTES, Batch
from engine.counters import Counters
from engine.decode.decode import Decoder
from engine.recording.open_batch import read_index
from engine.recording.packets import Packets

_RANDOM_AT, _RANDOM_BYTES = 11, 32
_TCP = 6
_AT_ONCE = 4_000


def client_randoms(opened: Path, packets: int) -> set[bytes]:
    """Of the first ``packets`` packets of an open batch.

    Raises:
        OSError: they cannot be read.
    """
    index = read_index(opened, packets)
    found: set[bytes] = set()
    if not len(index):
        return found
    with (opened / "packets").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for first in range(0, len(index), _AT_ONCE):
            part = index[first : first + _AT_ONCE]
            start, stop = int(part["offset"][0]), int(part["offset"][-1] + part["length"][-1])
            part = part.copy()
            part["offset"] -= start
            found |= randoms_of(content[start:stop], part)
    return found


def randoms_of(data: bytes, index: Packets) -> set[bytes]:
    """The same of packets whose records lie in ``data`` where ``index`` says."""
    found: set[bytes] = set()
    for link_type in np.unique(index["link_type"]).tolist():
        found |= _randoms(data, index["offset"][index["link_type"] == link_type].astype(np.int64), link_type)
    return found


def _randoms(data: bytes, offsets: np.ndarray[tuple[int], np.dtype[np.int64]], link_type: int) -> set[bytes]:
    batch = Batch(memoryview(data + bytes(PAD_BYTES)), offsets, len(data), True, link_type, 0, -1)
    columns = Decoder(Counters()).decode(batch).columns
    long = (columns.drop == 0) & (columns.protocol == _TCP)
    long &= columns.payload_length >= _RANDOM_AT + _RANDOM_BYTES
    starts = columns.payload_start[long]
    octets = np.frombuffer(data, np.uint8)
    hello = (octets[starts] == 0x16) & (octets[starts + 1] == 3) & (octets[starts + 5] == 1)
    return {data[at + _RANDOM_AT : at + _RANDOM_AT + _RANDOM_BYTES] for at in starts[hello].tolist()}
