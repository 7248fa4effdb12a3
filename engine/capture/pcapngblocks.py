"""What the blocks of a pcapng file say that hold no packets (draft-ietf-opsawg-pcapng, 4.1, 4.2, 4.5, 4.7).

::

    every block | type u32 | length u32 | body … | padding to 4 | length u32 |
    section     | … | magic u32 | major u16 | minor u16 | section length i64 | options |
    interface   | … | link type u16 | 0 u16 | snaplen u32 | options |
    option      | code u16 | length u16 | value | padding to 4 |

All are in the byte order of their section, which its magic tells.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import Struct, unpack_from

SECTION, INTERFACE, OLD_PACKET, SIMPLE_PACKET, NAMES, ENHANCED_PACKET, SECRETS = 0x0A0D0D0A, 1, 2, 3, 4, 6, 10
TLS_KEY_LOG = 0x544C534B
"""Kind of secrets: lines of an NSS key log."""
MAGIC = b"\x0a\x0d\x0d\x0a"
BLOCK_FRAME_BYTES = 12
"""Type and length in front of a block's body, the length again behind it."""
SECTION_BYTES = 28
LEAST_BYTES = {SECTION: SECTION_BYTES, INTERFACE: 20, OLD_PACKET: 32, SIMPLE_PACKET: 16, ENHANCED_PACKET: 32}
"""The shortest block of each kind; of others it is ``BLOCK_FRAME_BYTES``."""
MICROSECONDS, NANOSECONDS = 10**6, 10**9

_ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_PAIR = {order: Struct(order + "HH").unpack_from for order in "<>"}
_TIME_RESOLUTION, _TIME_OFFSET = 9, 14
_IPV4_RECORD, _IPV6_RECORD = 1, 2


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface of a section."""

    link_type: int
    snaplen: int
    """0: frames are not cut."""
    ticks_per_s: int
    """How many units of a timestamp make a second."""
    offset_s: int
    """What is added to each timestamp."""


@dataclass(slots=True)
class Section:
    """A part of a file that explains itself: what it says of interfaces ends with it."""

    order: str
    """``<`` or ``>``, as ``struct`` has it."""
    interfaces: list[Interface] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Secrets:
    """Keys that the file holds for decrypting its own packets; they never show in a text."""

    kind: int
    """``TLS_KEY_LOG``, or another."""
    data: bytes = field(repr=False)


def byte_order(section: bytes) -> str | None:
    """Order of a section whose first 12 bytes these are, else ``None``."""
    return _ORDERS.get(section[8:12])


def version(section: bytes, order: str) -> tuple[int, int]:
    """Major and minor version of a section header block."""
    major, minor = _PAIR[order](section, 12)
    return major, minor


def interface(block: bytes, order: str) -> Interface:
    """An interface description block of at least 20 bytes; options that make no sense are passed over."""
    link_type, _, snaplen = unpack_from(order + "HHI", block, 8)
    ticks_per_s, offset_s = MICROSECONDS, 0
    for code, value in _entries(block, 16, order):
        if code == _TIME_RESOLUTION and len(value) == 1:
            ticks_per_s = 2 ** (value[0] & 0x7F) if value[0] & 0x80 else 10 ** value[0]
        elif code == _TIME_OFFSET and len(value) == 8:
            offset_s = unpack_from(order + "q", value)[0]
    return Interface(link_type, snaplen, ticks_per_s, offset_s)


def names(block: bytes, order: str) -> Iterator[tuple[str, str]]:
    """Address and first name of each record of a name resolution block."""
    for code, value in _entries(block, 8, order):
        size = {_IPV4_RECORD: 4, _IPV6_RECORD: 16}.get(code, 0)
        name = value[size:].split(b"\0")[0].decode("utf-8", "replace")
        if size and name and len(value) > size:
            yield str(ipaddress.ip_address(value[:size])), name


def secrets(block: bytes, order: str) -> Secrets | None:
    """What a decryption secrets block holds; ``None`` where it is cut."""
    if len(block) < 20:
        return None
    kind, length = unpack_from(order + "II", block, 8)
    return Secrets(kind, block[16 : 16 + length]) if length <= len(block) - 20 else None


def _entries(block: bytes, position: int, order: str) -> Iterator[tuple[int, bytes]]:
    """Code and value of each option (or name record) from ``position`` on, up to the end mark or the end."""
    end = len(block) - 4
    while position + 4 <= end:
        code, length = _PAIR[order](block, position)
        if not code or position + 4 + length > end:
            return
        yield code, block[position + 4 : position + 4 + length]
        position += 4 + (length + 3) // 4 * 4
