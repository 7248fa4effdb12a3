"""Records of a batch (magic 2), one after the other; all their numbers are varints.

::

    +--------+------------+------------+--------------+------------+-------+--------------+---------+----------------
    | length | attributes | time delta | offset delta | key length | key   | value length | value   | header count …
    +--------+------------+------------+--------------+------------+-------+--------------+---------+----------------

A Kafka item is hardly more than its records, so those that are plain (text, no lie in a length) are read without a call
for each of their parts: 1.3 us with one header, where the readers of single parts take 2.7.
"""

from __future__ import annotations

from typing import Any

from engine.dissect.http_content import text_of

MAX_HEADERS = 100
"""Of one record that are shown."""

Record = dict[str, Any]


def read_records(
    data: bytes, count: int, base_offset: int, base_ms: int, is_append_time: bool, found: list[Record]
) -> None:
    """Append ``count`` records to ``found``; ``base_ms`` is what their times count from, or the time of the append.

    Raises:
        IndexError: they end early; those before are found.
    """
    at, size = 0, len(data)
    for _ in range(count):
        length, at = _zigzag(data, at)
        end = at + length
        if length <= 0 or end > size:
            raise IndexError
        record = _plain(data, at + 1, end, base_offset, base_ms)
        if record is None:
            record = _any(data, at + 1, end, base_offset, base_ms)
        if is_append_time:
            record["timestamp"] = base_ms
        found.append(record)
        at = end


def _plain(data: bytes, pos: int, end: int, base_offset: int, base_ms: int) -> Record | None:
    """The record behind its attributes, as ``_any`` reads it; None where a reader of single parts is needed."""
    small = _SMALL
    try:
        if (delta_ms := small[data[pos]]) is None:
            delta_ms, pos = _zigzag(data, pos)
        else:
            pos += 1
        if (delta := small[data[pos]]) is None:
            delta, pos = _zigzag(data, pos)
        else:
            pos += 1
        if (length := small[data[pos]]) is None:
            length, pos = _zigzag(data, pos)
        else:
            pos += 1
        if length < 0:
            key = None
        else:
            key = data[pos : pos + length].decode()
            pos += length
        if (length := small[data[pos]]) is None:
            length, pos = _zigzag(data, pos)
        else:
            pos += 1
        if length < 0:
            value = None
        else:
            value = data[pos : pos + length].decode()
            pos += length
        headers = []
        left = data[pos]
        pos += 1
        if left & 0x81:  # 64 and more, or a lie
            return None
        while left:
            left -= 2
            length = small[data[pos]]
            if length is None or length < 0:
                return None
            pos += 1
            name = data[pos : pos + length].decode()
            pos += length
            if (length := small[data[pos]]) is None:
                length, pos = _zigzag(data, pos)
            else:
                pos += 1
            if length < 0:
                return None
            headers.append({"key": name, "value": data[pos : pos + length].decode()})
            pos += length
    except (IndexError, UnicodeDecodeError):
        return None
    if pos > end:
        return None
    return {
        "offset": base_offset + delta,
        "timestamp": base_ms + delta_ms,
        "key": key,
        "value": value,
        "headers": headers,
    }


def _any(data: bytes, pos: int, end: int, base_offset: int, base_ms: int) -> Record:
    """The same, part by part. Raises ``IndexError`` where it ends early."""
    delta_ms, pos = _zigzag(data, pos)
    delta, pos = _zigzag(data, pos)
    record: Record = {"offset": base_offset + delta, "timestamp": base_ms + delta_ms}
    length, pos = _zigzag(data, pos)
    pos = put(record, "key", data, pos, length)
    length, pos = _zigzag(data, pos)
    pos = put(record, "value", data, pos, length)
    _headers(data, pos, end, record)
    return record


def _headers(data: bytes, pos: int, end: int, record: Record) -> None:
    """Two bytes make a header, so a record may have very many."""
    headers: list[dict[str, Any]] = []
    number, pos = _zigzag(data, pos)
    for _ in range(min(number, MAX_HEADERS)):
        header: dict[str, Any] = {}
        length, pos = _zigzag(data, pos)
        pos = put(header, "key", data, pos, length)
        length, pos = _zigzag(data, pos)
        pos = put(header, "value", data, pos, length)
        headers.append(header)
    if pos > end:
        raise IndexError
    record["headers"] = headers
    if number > MAX_HEADERS:
        record["headerCount"] = number


def _zigzag(data: bytes, pos: int) -> tuple[int, int]:
    """A number of 7 bits a byte, the sign in its lowest bit."""
    byte = data[pos]
    if byte >= 0x80 > data[pos + 1]:  # as the length of most records: 0.2 us less
        number = byte & 0x7F | data[pos + 1] << 7
        return (number >> 1) ^ -(number & 1), pos + 2
    number, shift = 0, 0
    for at in range(pos, pos + 10):
        byte = data[at]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            number &= 0xFFFFFFFFFFFFFFFF
            return (number >> 1) ^ -(number & 1), at + 1
        shift += 7
    raise IndexError


_SMALL = [(byte >> 1) ^ -(byte & 1) if byte < 0x80 else None for byte in range(256)]
"""What a number of one byte is; None: it has more."""


def put(into: dict[str, Any], name: str, data: bytes, pos: int, length: int) -> int:
    """Text as it is, other bytes in base64 and marked so; where it ends.

    Raises:
        IndexError: it ends early.
    """
    if length < 0:
        into[name] = None
        return pos
    end = pos + length
    if end > len(data):
        raise IndexError
    into[name], encoding = text_of(data[pos:end])
    if encoding:
        into[f"{name}Encoding"] = encoding
    return end
