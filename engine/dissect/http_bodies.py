"""The steps that take the body of an HTTP/1 message, however it is framed (RFC 9112, 6 and 7)."""

from __future__ import annotations

import re
from typing import Protocol

from engine.dissect.http_half import Half, Step

MAX_LINE_BYTES = 4096
"""Chunk size lines with their extensions, and fields of trailers."""
MAX_TRAILER_BYTES = 16 << 10
"""What is behind them is not kept."""

_HEX = re.compile(rb"[ \t]*([0-9a-fA-F]{1,15})[ \t]*(?:;.*)?\r?\Z", re.DOTALL)


class Messages(Protocol):
    """Who is told of the ends of messages."""

    lost: str

    def finish(self, half: Half, end_ns: int) -> None:
        """The message of ``half`` is whole."""

    def break_off(self, half: Half, reason: str) -> None:
        """The framing is lost: the message of ``half`` ends here, and the next one is looked for."""


def by_length(messages: Messages, half: Half, data: bytes, pos: int) -> int:
    """As many bytes as were announced."""
    end = _take(half, data, pos)
    if not half.remaining:
        messages.finish(half, half.time_ns(end - 1))
    return end


def until_close(messages: Messages, half: Half, data: bytes, pos: int) -> int:  # noqa: ARG001 - a step
    """All that comes."""
    half.remaining = len(data) - pos
    return _take(half, data, pos)


def chunk_size(messages: Messages, half: Half, data: bytes, pos: int) -> int:
    """The line before a chunk."""
    end = _line_end(messages, half, data, pos)
    if end < 0:
        return -1
    size = _HEX.match(data[pos : end - 1])
    if size is None:
        messages.break_off(half, "chunk size expected")
        return end
    half.remaining = int(size[1], 16)
    half.step = chunk_data if half.remaining else _trailers
    return end


def chunk_data(messages: Messages, half: Half, data: bytes, pos: int) -> int:  # noqa: ARG001 - a step
    """The bytes of a chunk."""
    end = _take(half, data, pos)
    if not half.remaining:
        half.step = chunk_end
    return end


def chunk_end(messages: Messages, half: Half, data: bytes, pos: int) -> int:
    """The line end behind a chunk."""
    end = _line_end(messages, half, data, pos)
    if end < 0:
        return -1
    if data[pos:end].strip():
        messages.break_off(half, "end of chunk expected")
        return end
    half.step = chunk_size
    return end


def _trailers(messages: Messages, half: Half, data: bytes, pos: int) -> int:
    end = _line_end(messages, half, data, pos)
    if end < 0:
        return -1
    line, payload = data[pos:end], half.payload
    if not line.strip():
        messages.finish(half, half.time_ns(end - 1))
    elif payload is not None and len(payload.trailer) < MAX_TRAILER_BYTES:
        payload.trailer += line
    return end


def _take(half: Half, data: bytes, pos: int) -> int:
    end = min(pos + half.remaining, len(data))
    half.payload.keep(data[pos:end])  # type: ignore[union-attr] # steps of a body have one
    half.remaining -= end - pos
    half.size_bytes += end - pos
    half.stop = end
    return end


def _line_end(messages: Messages, half: Half, data: bytes, pos: int) -> int:
    """Behind the next line feed; -1: not there yet."""
    end = data.find(b"\n", pos, pos + MAX_LINE_BYTES) + 1
    if end:
        half.size_bytes += end - pos
        half.stop = end
        return end
    if len(data) - pos >= MAX_LINE_BYTES:
        messages.lost = "line_too_long"
    return -1


STEPS: dict[str, Step] = {"length": by_length, "chunked": chunk_size, "close": until_close}
"""By the word of a ``Framing``."""
