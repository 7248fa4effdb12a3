"""Items and rows as bytes: JSON Lines for people, msgpack between processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from hooks.items import PacketInfo

_json = msgspec.json.Encoder()
_msgpack = msgspec.msgpack.Encoder()
_decode_queried = msgspec.msgpack.Decoder(list[tuple[int, int, bytes]]).decode
_decoder = msgspec.msgpack.Decoder(dict[str, Any])


def json_line(value: Mapping[str, Any]) -> bytes:
    """One line of JSON, newline included."""
    return _json.encode(value) + b"\n"


def json_lines(values: Sequence[Mapping[str, Any]]) -> bytes:
    """The same of several, in one call: half the cost where the values are small."""
    return _json.encode_lines(values)


def pack(item: Mapping[str, Any]) -> bytes:
    """An item as a msgpack map."""
    return _msgpack.encode(item)


def unpack(blob: bytes) -> dict[str, Any]:
    """The item in a msgpack map."""
    return _decoder.decode(blob)


def queried_items(data: bytes) -> list[tuple[int, int, bytes]]:
    """``(position, stream, item)`` beside a ``Queried``."""
    return _decode_queried(data)


def packet_blob(timestamp_ns: int, captured: int, length: int, *, fragmented: bool) -> bytes:
    """A ``PacketInfo`` on its way to a script."""
    return _msgpack.encode(PacketInfo(timestamp_ns, captured, length, captured < length, fragmented))
