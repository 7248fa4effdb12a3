"""Frames of HTTP/2 (RFC 9113, 4 and 6): their headers, payloads without padding, and how they look.

::

    +------------+---------+----------+---------------+---------------+
    | length u24 | type u8 | flags u8 | stream id u32 | length bytes  |
    +------------+---------+----------+---------------+---------------+
"""

from __future__ import annotations

import struct
from typing import NamedTuple

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client says first."""
HEADER = struct.Struct(">IBI")
"""Length and type in one word, flags, stream."""
HEADER_BYTES = 9
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITISED = 0x01, 0x01, 0x04, 0x08, 0x20
STREAM = 0x7FFF_FFFF
"""Without the reserved bit."""
LIKELY_BYTES = 16384
"""What a frame has at most where nobody allowed more (RFC 9113, 4.2)."""

ERRORS = (
    "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
    "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
)  # fmt: skip
"""RFC 9113, 7."""


class _Kind(NamedTuple):
    """What the header of one type of frame may say."""

    flags: int
    least: int
    most: int
    connection: bool | None
    """Of the whole connection (stream 0); None: of that or of one stream."""


_KINDS = (
    _Kind(END_STREAM | PADDED, 0, LIKELY_BYTES, False),
    _Kind(END_STREAM | END_HEADERS | PADDED | PRIORITISED, 1, LIKELY_BYTES, False),
    _Kind(0, 5, 5, False),
    _Kind(0, 4, 4, False),
    _Kind(ACK, 0, 6 * 64, True),
    _Kind(END_HEADERS | PADDED, 5, LIKELY_BYTES, False),
    _Kind(ACK, 8, 8, True),
    _Kind(0, 8, LIKELY_BYTES, True),
    _Kind(0, 4, 4, None),
    _Kind(END_HEADERS, 0, LIKELY_BYTES, False),
)


def error_name(code: int) -> str:
    """As RFC 9113 calls it."""
    return ERRORS[code] if code < len(ERRORS) else f"error {code}"


def is_likely(data: bytes, pos: int) -> bool:
    """Whether a frame may begin at ``pos``, as far as there are bytes; of random ones, one in a million does."""
    head = data[pos : pos + HEADER_BYTES]
    have = len(head)
    if head[:1] != b"\0":
        return not have
    if have < 4:
        return True
    length, number = int.from_bytes(head[:3], "big"), head[3]
    if number >= len(_KINDS):
        return False
    kind = _KINDS[number]
    if not kind.least <= length <= kind.most or (number == SETTINGS and length % 6):
        return False
    if have > 4 and head[4] & ~kind.flags:
        return False
    if have < HEADER_BYTES:
        return True
    stream = int.from_bytes(head[5:], "big")
    return stream <= STREAM and (kind.connection is None or kind.connection == (stream == 0))


def is_broken(kind: int, length: int, stream: int) -> bool:
    """Whether no endpoint would go on behind such a header (RFC 9113, 4.2 and 6). Unknown types may mean anything."""
    if kind >= len(_KINDS):
        return length > LIKELY_BYTES
    rule = _KINDS[kind]
    if length < rule.least or (rule.least == rule.most != length) or (kind == SETTINGS and length % 6):
        return True
    return rule.connection is not None and rule.connection != (stream == 0)


def block_of(payload: bytes, flags: int) -> bytes | None:
    """The piece of a header block in a HEADERS frame, without padding and priority; None: it has no room for them."""
    if not flags & (PADDED | PRIORITISED):
        return payload
    start, end = 0, len(payload)
    if flags & PADDED:
        start, end = 1, end - payload[0]
    if flags & PRIORITISED:
        start += 5
    return payload[start:end] if start <= end else None


def settings_in(payload: bytes) -> dict[int, int] | None:
    """Settings by their number (RFC 9113, 6.5.2); None: none, or such as nobody sends."""
    settings: dict[int, int] = dict(struct.iter_unpack(">HI", payload))
    if not settings or settings.get(2, 0) > 1 or not LIKELY_BYTES <= settings.get(5, LIKELY_BYTES) < 1 << 24:
        return None
    known = all(0 < number < 0x20 or number >> 8 >= 0xF0 or number & 0x0F0F == 0x0A0A for number in settings)
    return settings if known else None
