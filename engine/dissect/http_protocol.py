"""HTTP/1 among the protocols: how its first bytes look, and the constants that stand in its items."""

from __future__ import annotations

import re
from typing import Any

from engine.dissect.http_sections import HttpPayload
from engine.dissect.message import Payload
from engine.dissect.table import Verdict, constant

REQUEST_LINE = re.compile(rb"[!-~]{1,32} [^\r\n]*HTTP/1\.[0-9] *\r?\n")
STATUS_LINE = re.compile(rb"HTTP/1\.[0-9] [1-9][0-9][0-9][ \r\n]")
_RESUMED = re.compile(
    rb"(?:GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PROPFIND|PROPPATCH|MKCOL|COPY|MOVE|LOCK|UNLOCK|REPORT|"
    rb"SEARCH|QUERY) (?:[/*]|[A-Za-z][A-Za-z0-9+.-]*:|[^/ ]+:[0-9]+ )[^\r\n]*HTTP/1\.[0-9] *\r?\n"
)
"""A known method (RFC 9110, 9.3; RFC 4918, 9) and a target of a known form (RFC 9112, 3.2)."""
BLANK = re.compile(rb"[\r\n]*")
"""Empty lines."""
MAX_START_BYTES = 8192
"""Of a request line that is looked for: in 64 kB of text without a line end it would take a millisecond."""
_REQUEST_START = re.compile(rb"(?:[A-Z][A-Z-]{0,31}+ [^\r\n]{0,8192}+|[A-Z][A-Z-]{0,31}+)\r?\Z")


def detect(data: bytes) -> Verdict:
    """A request line or a status line, whatever the method is called."""
    if STATUS_LINE.match(data) or REQUEST_LINE.match(data, 0, MAX_START_BYTES):
        return Verdict.SURE
    if len(data) < 13 and b"HTTP/1.".startswith(data[:7]):
        return Verdict.SHORT
    return Verdict.SHORT if _REQUEST_START.match(data) else Verdict.NO


def resumes(data: bytes) -> bool:
    """Whether a message begins here, behind a gap: the rest of a request line looks like one of another method."""
    return bool(STATUS_LINE.match(data) or _RESUMED.match(data))


def _constant(version: str) -> dict[str, Any]:
    reference = {"1.0": "https://www.rfc-editor.org/rfc/rfc1945", "1.1": "https://www.rfc-editor.org/rfc/rfc9112"}
    return constant(
        "http",
        version,
        "HTTP",
        f"Hypertext Transfer Protocol -- HTTP/{version}",
        macro="http",
        colour="#416CDE",
        reference=reference[version],
        ports=["80", "443", "8080"],
        layer4="tcp",
        priority=0,
    )


HTTP_1_0, HTTP_1_1 = _constant("1.0"), _constant("1.1")
GQL_1_1 = {
    **HTTP_1_1,
    "abbr": "GQL",
    "longName": "Hypertext Transfer Protocol -- HTTP/1.1 [ GraphQL over HTTP/1.1 ]",
    "macro": "gql",
    "backgroundColor": "#e10098",
    "referenceLink": "https://graphql.org/learn/serving-over-http/",
}


def describe(request: Payload | None, response: Payload | None) -> dict[str, Any]:
    """HTTP/1.0 or HTTP/1.1, as the request says; without one, as the response does. Or GraphQL."""
    payload = request or response
    assert isinstance(payload, HttpPayload)
    if payload.is_request:
        if (payload.body_bytes or b"query=" in payload.head) and payload.asks_graphql():
            return GQL_1_1
        end = payload.head.find(b"\n")
        if payload.head[end - 4 : end] == b"1.1\r":
            return HTTP_1_1
        return HTTP_1_0 if payload.head[:end].rstrip().endswith(b"1.0") else HTTP_1_1
    return HTTP_1_0 if payload.head[5:8] == b"1.0" else HTTP_1_1
