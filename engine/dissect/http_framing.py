"""Where an HTTP/1 message ends (RFC 9112, 6.3): the end of its head, and how long its body is, from the bytes alone."""

from __future__ import annotations

import re

Framing = tuple[str, int]
"""How long the body is: ``length`` and its bytes, or ``chunked``, ``close``, ``tunnel`` or ``bad`` and 0."""

NO_BODY: Framing = ("length", 0)
_CHUNKED: Framing = ("chunked", 0)
_UNTIL_CLOSE: Framing = ("close", 0)
_TUNNEL: Framing = ("tunnel", 0)
_BAD: Framing = ("bad", 0)

_DIGITS = re.compile(rb"[0-9]{1,18}")


def head_end(data: bytes, pos: int) -> int:
    """Behind the empty line that ends a head, CR LF or bare LF; -1: not there yet."""
    end = data.find(b"\n\r\n", pos)
    bare = data.find(b"\n\n", pos, end if end >= 0 else len(data))
    return bare + 2 if bare >= 0 else end + 3 if end >= 0 else -1


def request_framing(head: bytes) -> Framing:
    """How long the body of a request is."""
    lowered = head.lower()
    if b"\ntransfer-encoding" in lowered:
        coding = _last_coding(lowered)
        if coding:
            return _CHUNKED if coding == b"chunked" else _BAD
    length = _field(lowered, b"\ncontent-length") if b"\ncontent-length" in lowered else None
    return NO_BODY if length is None else _length(length)


def response_framing(head: bytes, method: bytes, status: bytes) -> Framing:
    """How long the body of a response with ``status`` to ``method`` is; the method of an unseen request is empty."""
    if status == b"101" or (method == b"CONNECT" and status[:1] == b"2"):
        return _TUNNEL
    if method == b"HEAD" or status in (b"204", b"304"):
        return NO_BODY
    lowered = head.lower()
    if b"\ntransfer-encoding" in lowered:
        coding = _last_coding(lowered)
        if coding:
            return _CHUNKED if coding == b"chunked" else _UNTIL_CLOSE
    length = _field(lowered, b"\ncontent-length")
    return _UNTIL_CLOSE if length is None else _length(length)


def _last_coding(lowered: bytes) -> bytes:
    """Of the transfer; empty where there is none, which RFC 2616 wrote as ``identity``."""
    coding = (_field(lowered, b"\ntransfer-encoding") or b"").rpartition(b",")[2].strip()
    return b"" if coding == b"identity" else coding


def _field(lowered: bytes, name: bytes) -> bytes | None:
    """The value of ``name`` (a line feed and the name) in a head in lower case; repeats joined by a comma."""
    at = lowered.find(name)
    if at < 0:
        return None
    if lowered.find(name, at + 1) < 0 and lowered[at + len(name)] == 58:  # the usual case, at half the cost
        end = lowered.find(b"\n", at + 1)
        if lowered[end + 1] not in b" \t":
            return lowered[at + len(name) + 1 : end].strip()
    found: list[bytes] = []
    while at >= 0:
        line = lowered[at + len(name) : _line_end(lowered, at + 1)]
        before, colon, value = line.partition(b":")
        if colon and not before.strip():
            found.append(value.strip())
        at = lowered.find(name, at + 1)
    return b",".join(found) if found else None


def _line_end(head: bytes, pos: int) -> int:
    """Of the field at ``pos``, with the lines that continue it (obs-fold, RFC 9112, 5.2)."""
    end = head.find(b"\n", pos)
    while head[end + 1 : end + 2] in (b" ", b"\t"):
        end = head.find(b"\n", end + 1)
    return end


def _length(value: bytes) -> Framing:
    """RFC 9112, 6.3: several lengths must agree."""
    if value.isdigit() and len(value) < 19:
        return "length", int(value)
    parts = [part.strip() for part in value.split(b",")]
    if not all(map(_DIGITS.fullmatch, parts)):
        return _BAD
    lengths = set(map(int, parts))
    return ("length", lengths.pop()) if len(lengths) == 1 else _BAD
