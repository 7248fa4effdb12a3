"""HTTP/2 among the protocols: how its first bytes look, and the constants that stand in its items."""

from __future__ import annotations

import re
from typing import Any

from engine.dissect.http2_frames import (
    HEADER,
    HEADER_BYTES,
    HEADERS,
    PREFACE,
    SETTINGS,
    block_of,
    is_likely,
    settings_in,
)
from engine.dissect.http2_headers import UNKNOWN, UNREADABLE, HeaderTable
from engine.dissect.http2_sections import Http2Payload
from engine.dissect.message import Payload
from engine.dissect.table import Verdict, constant

_PSEUDO = frozenset((":method", ":path", ":scheme", ":authority", ":status", ":protocol"))
_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,256}")
_MAX_FRAMES = 64
"""Looked at; more say nothing new."""


def detect(data: bytes) -> Verdict:
    """The preface of a client, or frames that follow each other.

    In the middle of a connection a header block that makes sense is enough, or frames that end where the bytes do;
    others (data that goes on) are plausible.
    """
    if data.startswith(PREFACE):
        return Verdict.SURE
    if PREFACE.startswith(data[: len(PREFACE)]):
        return Verdict.SHORT
    pos = frames = 0
    while pos < len(data) and frames < _MAX_FRAMES:
        if not is_likely(data, pos):
            return Verdict.NO
        if pos + HEADER_BYTES > len(data):
            break
        word, flags, _ = HEADER.unpack_from(data, pos)
        kind, start = word & 0xFF, pos + HEADER_BYTES
        pos = start + (word >> 8)
        frames += 1
        if pos > len(data):
            return Verdict.SHORT if kind == HEADERS else Verdict.PLAUSIBLE
        if kind == HEADERS and flags & 4:
            return Verdict.SURE if _makes_sense(block_of(data[start:pos], flags)) else Verdict.NO
        if kind == SETTINGS and settings_in(data[start:pos]):
            return Verdict.SURE
        if kind == SETTINGS and pos > start:
            return Verdict.NO
    if pos == len(data) > HEADER_BYTES:
        return Verdict.SURE
    return Verdict.PLAUSIBLE if frames else Verdict.SHORT


def _makes_sense(block: bytes | None) -> bool:
    """Whether a header block, of a table that is not known, can be read and has names as HTTP/2 allows them."""
    if not block:
        return False
    fields, note = HeaderTable(whole=False).decode(block, len(block) * 64)
    return bool(fields) and not note.startswith(UNREADABLE) and all(_is_name(name) for name, _ in fields)


def _is_name(name: str) -> bool:
    """Whether a field may be called so (RFC 9113, 8.2.1)."""
    return name in _PSEUDO or name.startswith(UNKNOWN) or _NAME.fullmatch(name) is not None


def _constant(abbr: str, long_name: str, macro: str, colour: str, reference: str, *more_ports: str) -> dict[str, Any]:
    return constant(
        "http",
        "2.0",
        abbr,
        long_name,
        macro=macro,
        colour=colour,
        reference=reference,
        ports=["80", "443", "8080", *more_ports],
        layer4="tcp",
        priority=0,
    )


_LONG = "Hypertext Transfer Protocol Version 2 (HTTP/2)"
HTTP_2 = _constant("HTTP/2", _LONG, "http2", "#244C5A", "https://www.rfc-editor.org/rfc/rfc9113")
GRPC = _constant("gRPC", f"{_LONG} [ gRPC over HTTP/2 ]", "grpc", "#244C5A", "https://grpc.io/docs/", "50051")
GQL_2 = _constant(
    "GQL",
    f"{_LONG} [ GraphQL over HTTP/2 ]",
    "gql",
    "#E10098",
    "https://graphql.org/learn/serving-over-http/",
    "50051",
)


def describe(request: Payload | None, response: Payload | None) -> dict[str, Any]:
    """gRPC, as either half says; GraphQL, as the request says; else HTTP/2."""
    for payload in (request, response):
        if isinstance(payload, Http2Payload) and payload.is_call:
            return GRPC
    asked = isinstance(request, Http2Payload) and request.operations()
    return GQL_2 if asked else HTTP_2
