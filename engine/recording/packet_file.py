"""The packets of a batch as a file of gzip members, in whatever form: pcap or pcapng."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from engine.capture.batch import PAD_BYTES, Batch
from engine.counters import Counters
from engine.decode.decode import Decoder
from engine.recording.gzip_members import MEMBER_BYTES, Digest, HashedFile, SealedFile, member
from engine.recording.packets import Buffer, Packets, joined, placed

ETHERNET = 1


class Member(msgspec.Struct):
    """One gzip member of the file; holds whole packets."""

    offset: int
    first_ns: int
    last_ns: int
    packets: int


class Form(Protocol):
    """How packets stand in a file."""

    ending: str
    """Of the file's name."""

    def head(self) -> bytes:
        """What stands before the first packet."""

    def body(self, records: Buffer, index: Packets) -> Buffer:
        """Packets as they stand in the file; asked for in their order.

        Args:
            records: pcap records, end to end.
            index: where each lies in ``records``.
        """


class PacketFile(NamedTuple):
    """What was written."""

    sealed: SealedFile
    members: list[Member]
    payload_bytes: npt.NDArray[np.int64]
    """Transport payload on the wire, of each packet."""


def write_packets(
    path: Path, packets: Path, index: Packets, form: Form, new_digest: Callable[[], Digest]
) -> PacketFile:
    """Write the packets of ``index``, which lie in the file ``packets``.

    Raises:
        OSError: the disk is full or failing.
    """
    members: list[Member] = []
    payloads = [np.empty(0, np.int64)]
    decoder = Decoder(Counters())  # one for all parts: a datagram in fragments may lie across two
    with HashedFile(path, new_digest) as file:
        file.write(member(form.head()))
        content = _mapped(packets) if len(index) else memoryview(b"")
        for piece in _parts(index):
            records = bytes(joined(content, piece))
            part = placed(piece, 0)
            offset = file.write(member(form.body(records, part)))
            members.append(Member(offset, int(part["timestamp_ns"][0]), int(part["timestamp_ns"][-1]), len(part)))
            payloads.append(_payload_bytes(decoder, records, part))
        return PacketFile(file.sealed, members, np.concatenate(payloads))


def _payload_bytes(decoder: Decoder, records: bytes, part: Packets) -> npt.NDArray[np.int64]:
    payload_bytes = np.zeros(len(part), np.int64)
    padded = memoryview(records + bytes(PAD_BYTES))
    for link_type in np.unique(part["link_type"]).tolist():
        rows = np.flatnonzero(part["link_type"] == link_type)
        offsets = part["offset"][rows].astype(np.int64)
        columns = decoder.decode(Batch(padded, offsets, len(records), True, link_type, 0, -1)).columns
        payload_bytes[rows] = np.where(columns.drop == 0, columns.payload_length + columns.payload_missing, 0)
    return payload_bytes


def _mapped(path: Path) -> memoryview:
    """The content of a file that is not empty; unmapped when nobody refers to it any more."""
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _parts(index: Packets) -> Iterator[Packets]:
    """The packets in pieces of about ``MEMBER_BYTES``."""
    if not len(index):
        return
    number = (np.cumsum(index["length"].astype(np.int64)) - 1) // MEMBER_BYTES
    yield from np.split(index, np.flatnonzero(number[1:] != number[:-1]) + 1)
