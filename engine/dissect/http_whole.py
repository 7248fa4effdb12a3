"""The usual case: a chunk that is one whole HTTP/1 message, no more and no less.

What is not plainly that is None here and goes to the machine of ``http1``, which says the same of what is: tests hold
both together. Every search through a head costs 0.1 to 0.2 us, so there are few.
"""

from __future__ import annotations

import re

from engine.dissect.http_framing import request_framing
from engine.dissect.http_head import plain_head
from engine.dissect.http_protocol import STATUS_LINE
from engine.dissect.http_sections import HttpPayload
from engine.dissect.http_switch import may_switch

METHODS = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"PATCH"))
_VERSIONS = (b" HTTP/1.1\r\n", b" HTTP/1.0\r\n")
_SPECIAL = re.compile(rb"\n(?:\n|(?i:content-length|transfer-encoding|upgrade[ \t]*:))")
"""In a head: an early end of it, a body behind it, or another protocol."""
_PLAIN_SIZE = re.compile(rb"([0-9a-fA-F]{1,8})\r\n")


def whole_request(data: bytes, method: bytes, max_head_bytes: int, limit_bytes: int) -> HttpPayload | None:
    """The request that ``data`` is; its head is kept as bytes, which take a fifth of the room while it waits."""
    line_end = data.find(b"\r") + 2
    if (
        method not in METHODS
        or data[line_end - 11 : line_end] not in _VERSIONS
        or data.find(b"\n", 0, line_end - 1) >= 0
    ):
        return None
    end = data.find(b"\n\r\n", line_end - 1) + 3
    if end < 3 or end > max_head_bytes:
        return None
    special = _SPECIAL.search(data, line_end - 1, end)
    if special is None:
        return HttpPayload(data, True, limit_bytes) if end == len(data) else None
    if special.end() - special.start() == 2 or may_switch(data[line_end - 2 : end]):
        return None
    payload = HttpPayload(data[:end], True, limit_bytes)
    how, length = request_framing(payload.head)
    if how == "length":
        return payload if _keep_rest(payload, data, end, length) else None
    return payload if how == "chunked" and _keep_chunks(payload, data, end) else None


def whole_response(data: bytes, method: bytes, max_head_bytes: int, limit_bytes: int) -> HttpPayload | None:
    """The response to a request with ``method`` that ``data`` is; its head is taken apart at once, and only once.

    None for those that announce another (1xx), and for those that end with the connection.
    """
    end = data.find(b"\r\n\r\n") + 4
    if end < 4 or end > max_head_bytes or not STATUS_LINE.match(data) or data[9] == 49:
        return None
    head = data[:end]
    fields = plain_head(head.decode("latin-1"))
    if fields is None or method == b"CONNECT":
        return None
    payload = HttpPayload(head, False, limit_bytes, fields)
    _, headers, names, _ = fields
    if method == b"HEAD" or data[9:12] in (b"204", b"304"):
        return payload if end == len(data) else None
    if names.transfer_encoding in headers:
        chunked = headers[names.transfer_encoding].lower() == "chunked"
        return payload if chunked and _keep_chunks(payload, data, end) else None
    length = headers.get(names.content_length, "")
    plain = length.isdecimal() and len(length) < 19
    return payload if plain and _keep_rest(payload, data, end, int(length)) else None


def _keep_rest(payload: HttpPayload, data: bytes, end: int, length: int) -> bool:
    """Whether a body of ``length`` ends where ``data`` does."""
    if end + length != len(data):
        return False
    if 0 < length <= payload.limit_bytes:  # as keep does it
        payload.parts, payload.kept_bytes, payload.body_bytes = [data[end:]], length, length
    elif length:
        payload.keep(data[end:])
    return True


def _keep_chunks(payload: HttpPayload, data: bytes, pos: int) -> bool:
    """Whether chunks without extensions and trailers end where ``data`` does."""
    while size := _PLAIN_SIZE.match(data, pos):
        length, pos = int(size[1], 16), size.end()
        end = pos + length
        if data[end : end + 2] != b"\r\n":
            return False
        if not length:
            return end + 2 == len(data)
        payload.keep(data[pos:end])
        pos = end + 2
    return False
