"""Blocks of pcapng files, in both byte orders."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from tests.support.packets import Packet

LITTLE, BIG = "<", ">"


def block(kind: int, body: bytes, order: str = LITTLE) -> bytes:
    """Any block; the body is padded."""
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def option(code: int, value: bytes, order: str = LITTLE) -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(order: str = LITTLE, options: bytes = b"") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1) + options, order)


def interface(
    order: str = LITTLE,
    *,
    link_type: int = 1,
    snaplen: int = 262144,
    resolution: int | None = 9,
    offset_s: int | None = None,
    options: bytes = b"",
) -> bytes:
    """``resolution`` is the byte of if_tsresol."""
    if resolution is not None:
        options += option(9, bytes([resolution]), order)
    if offset_s is not None:
        options += option(14, struct.pack(order + "q", offset_s), order)
    return block(1, struct.pack(order + "HHI", link_type, 0, snaplen) + options + bytes(4), order)


def enhanced(
    packet: Packet, order: str = LITTLE, number: int = 0, *, ticks: int | None = None, more: bytes = b""
) -> bytes:
    return block(6, struct.pack(order + "I", number) + _timed(packet, order, ticks) + more, order)


def old(packet: Packet, order: str = LITTLE, number: int = 0, *, ticks: int | None = None) -> bytes:
    return block(2, struct.pack(order + "HH", number, 7) + _timed(packet, order, ticks), order)


def simple(packet: Packet, order: str = LITTLE) -> bytes:
    return block(3, struct.pack(order + "I", packet.wire_length or len(packet.frame)) + packet.frame, order)


def name_block(order: str = LITTLE) -> bytes:
    records = [(1, bytes([10, 0, 0, 1]) + b"one\0alias\0"), (2, bytes(15) + b"\1six\0"), (3, b"mac"), (1, b"\1")]
    return block(4, b"".join(option(code, value, order) for code, value in records) + bytes(4), order)


def secrets_block(data: bytes, order: str = LITTLE) -> bytes:
    return block(10, struct.pack(order + "II", 0x544C534B, len(data)) + data, order)


def pcapng_bytes(packets: Iterable[Packet], order: str = LITTLE) -> bytes:
    """A file of one interface, in nanoseconds."""
    return section(order) + interface(order) + b"".join(enhanced(packet, order) for packet in packets)


def _timed(packet: Packet, order: str, ticks: int | None) -> bytes:
    high, low = divmod(packet.timestamp_ns if ticks is None else ticks, 1 << 32)
    lengths = len(packet.frame), packet.wire_length or len(packet.frame)
    padding = bytes(-len(packet.frame) % 4)
    return struct.pack(order + "IIII", high, low, *lengths) + packet.frame + padding


def blocks_in(data: bytes) -> list[tuple[int, bytes]]:
    """Kind and body of each block of a little-endian file."""
    found, at = [], 0
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        assert size % 4 == 0
        assert data[at + size - 4 : at + size] == struct.pack("<I", size), "a torn block"
        found.append((kind, data[at + 8 : at + size - 4]))
        at += size
    return found


def link_types_in(data: bytes) -> list[int]:
    """Of each interface."""
    return [struct.unpack_from("<H", body)[0] for kind, body in blocks_in(data) if kind == 1]


def packets_in(data: bytes) -> list[tuple[int, bytes]]:
    """Time and frame of each packet, in nanoseconds."""
    packets = []
    for kind, body in blocks_in(data):
        if kind == 6:
            _, high, low, captured, _ = struct.unpack_from("<IIIII", body)
            packets.append((high << 32 | low, body[20 : 20 + captured]))
    return packets
