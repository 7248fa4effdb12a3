"""Packet blocks of pcapng, made into records in place, a run of one kind at a time (pcapng draft, 4.3, 4.4, A).

::

    enhanced | 6 u32 | length u32 | interface u32             | high u32 | low u32 | captured u32 | wire u32 | frame …
    old      | 2 u32 | length u32 | interface u16 | drops u16 | high u32 | low u32 | captured u32 | wire u32 | frame …
    simple   | 3 u32 | length u32 | wire u32 | frame …

28 bytes stand before a frame: the last 16 of them become the record header. Before the frame of a simple packet there
are only 12, so its record begins with the 4 bytes that repeat the length of the block before. The search for the blocks
is a loop, because each says where the next begins; the rest is done for all at once.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.capture.batch import RECORD_HEADER_BYTES
from engine.capture.pcapheader import MAX_CAPTURED_BYTES
from engine.capture.pcapngblocks import ENHANCED_PACKET, NANOSECONDS, OLD_PACKET, SIMPLE_PACKET, Interface, Section

Numbers = npt.NDArray[np.int64]
BLOCK_HEAD = {order: Struct(order + "II").unpack_from for order in "<>"}
"""Type and length of the block at an offset."""
_LAST_SECOND = 2**32 - 1
_BEFORE_FRAME = {ENHANCED_PACKET: 28, OLD_PACKET: 28, SIMPLE_PACKET: 12}
_LEAST = {kind: before + 4 for kind, before in _BEFORE_FRAME.items()}


class Records(NamedTuple):
    """Packets of a run; their record headers are written. One element per packet."""

    offsets: Numbers
    """Of the record headers."""
    ends: Numbers
    """First byte behind each frame."""
    link_types: Numbers
    last_ns: int
    """Time of the last packet."""
    strangers: int
    """Packets of interfaces that the section does not describe; they are left out."""


def scan(buffer: bytearray, start: int, filled: int, kind: int, order: str) -> tuple[Numbers, int]:
    """Offsets of the blocks of this ``kind`` from ``start`` on that lie wholly in the buffer, and where they end."""
    positions: list[int] = []
    append, head = positions.append, BLOCK_HEAD[order]
    position, last, least = start, filled - _LEAST[kind], _LEAST[kind]
    while position <= last:
        found, length = head(buffer, position)
        if found != kind or length < least:
            break
        append(position)
        position += length
    if position > filled:
        position = positions.pop()
    return np.array(positions, np.int64), position


def first_unsound(buffer: bytearray, positions: Numbers, end: int, kind: int, order: str) -> int:
    """Index of the first block that contradicts itself, else ``len(positions)``."""
    lengths = np.diff(positions, append=end)
    bad = gather(buffer, positions + lengths - 4, 1, order)[:, 0] != lengths
    if kind != SIMPLE_PACKET:
        captured = gather(buffer, positions, 6, order)[:, 5]
        bad |= (captured > lengths - _LEAST[kind]) | (captured > MAX_CAPTURED_BYTES)
    return int(bad.argmax()) if bad.any() else len(positions)


def write_records(buffer: bytearray, positions: Numbers, kind: int, section: Section, clock_ns: int) -> Records:
    """Make records of the sound blocks at ``positions``.

    ``clock_ns`` is the time of the packet before them: simple packets have no time of their own and take it.
    """
    if kind == SIMPLE_PACKET:
        fields = _simple(buffer, positions, section, clock_ns)
    else:
        fields = _enhanced(buffer, positions, kind, section)
    interfaces, seconds, ns, captured, wire = fields
    known = interfaces < len(section.interfaces)
    frames = positions[known] + _BEFORE_FRAME[kind]
    headers = np.stack([seconds, ns, captured, wire], axis=1)[known].astype("<u4")
    offsets = frames - RECORD_HEADER_BYTES
    _pieces(buffer, RECORD_HEADER_BYTES)[offsets] = headers.view("V16").reshape(-1)
    link_types = np.array([interface.link_type for interface in section.interfaces], np.int64)[interfaces[known]]
    if frames.size:
        clock_ns = int(headers[-1, 0]) * NANOSECONDS + int(headers[-1, 1])
    return Records(offsets, frames + captured[known], link_types, clock_ns, int(np.count_nonzero(~known)))


def gather(buffer: bytearray, positions: Numbers, count: int, order: str) -> Numbers:
    """``count`` numbers of 32 bits at each position: a row each."""
    return _pieces(buffer, 4 * count)[positions].view(order + "u4").reshape(-1, count).astype(np.int64)


def _enhanced(buffer: bytearray, positions: Numbers, kind: int, section: Section) -> list[Numbers]:
    _, _, interfaces, high, low, captured, wire = gather(buffer, positions, 7, section.order).T
    if kind == OLD_PACKET:
        interfaces = interfaces & 0xFFFF if section.order == "<" else interfaces >> 16
    ticks = (high.astype(np.uint64) << np.uint64(32)) | low.astype(np.uint64)
    seconds, ns = np.zeros_like(high), np.zeros_like(high)
    for number in np.unique(interfaces).tolist():
        if number < len(section.interfaces):
            chosen = interfaces == number
            seconds[chosen], ns[chosen] = times(ticks[chosen], section.interfaces[number])
    return [interfaces, seconds, ns, captured, wire]


def _simple(buffer: bytearray, positions: Numbers, section: Section, clock_ns: int) -> list[Numbers]:
    """All are of the section's first interface and are cut to its snap length."""
    _, lengths, wire = gather(buffer, positions, 3, section.order).T
    snaplen = section.interfaces[0].snaplen if section.interfaces else 0
    longest = min(snaplen or MAX_CAPTURED_BYTES, MAX_CAPTURED_BYTES)
    captured = np.minimum(np.minimum(wire, lengths - _LEAST[SIMPLE_PACKET]), longest)
    seconds, ns = divmod(clock_ns, NANOSECONDS)
    return [np.zeros_like(wire), np.full_like(wire, seconds), np.full_like(wire, ns), captured, wire]


def times(ticks: npt.NDArray[np.uint64], interface: Interface) -> tuple[Numbers, Numbers]:
    """Seconds, which fit 32 bits, and nanoseconds. Resolutions other than 10^-1 to 10^-9 are computed one by one."""
    per_s = interface.ticks_per_s
    if NANOSECONDS % per_s == 0:
        seconds = (ticks // np.uint64(per_s)).astype(np.int64)
        ns = (ticks % np.uint64(per_s)).astype(np.int64) * (NANOSECONDS // per_s)
    else:
        pairs = [divmod(tick * NANOSECONDS // per_s, NANOSECONDS) for tick in ticks.tolist()]
        seconds, ns = np.array(pairs, np.int64).T
    offset_s = max(min(interface.offset_s, 2**62), -(2**62))
    return np.clip(np.minimum(seconds, 2**62) + offset_s, 0, _LAST_SECOND), ns


def _pieces(buffer: bytearray, width: int) -> npt.NDArray[np.void]:
    """The buffer as overlapping pieces of ``width`` bytes, one at every offset."""
    return np.ndarray((len(buffer) - width + 1,), f"V{width}", buffer, strides=(1,))
