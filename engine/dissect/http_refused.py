"""A request that asked before it sent its body (``Expect: 100-continue``, RFC 9110, 10.1.1) and was answered at once.

Its client may leave the body out and say the next request where the body would begin; no length in the head tells.
"""

from __future__ import annotations

import re

from engine.dissect.http_bodies import Messages, by_length, chunk_size
from engine.dissect.http_half import Half

_EXPECTS = re.compile(rb"\n(?i:expect)[ \t]*:[ \t]*(?i:100-continue)")
_METHODS = (
    *(b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"TRACE ", b"CONNECT "),
    *(b"PROPFIND ", b"MKCOL ", b"LOCK ", b"UNLOCK ", b"REPORT "),
)
_MAX_METHOD_BYTES = max(map(len, _METHODS))


def may_leave_out(half: Half) -> bool:
    """Whether the request of ``half``, which is being answered, may go without the body that it announced."""
    payload = half.payload
    if payload is None or payload.body_bytes or half.step not in (by_length, chunk_size) or not half.holds_nothing:
        return False
    half.asked_ns, half.behind_ns = half.last_ns(), 0
    return _EXPECTS.search(payload.head) is not None


def left_out(messages: Messages, half: Half, data: bytes, pos: int) -> int:
    """The step behind such a request: a body, or the next request; -1: too short to tell."""
    start = data[pos : pos + _MAX_METHOD_BYTES]
    half.behind_ns = half.behind_ns or half.time_ns(pos)
    if start.startswith(_METHODS):
        messages.finish(half, half.asked_ns)
        half.start_ns = half.behind_ns
        return pos
    if any(method.startswith(start) for method in _METHODS):
        return -1
    half.step = by_length if half.remaining else chunk_size
    return pos
