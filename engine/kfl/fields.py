"""The item as a filter sees it: one line per field.

``src``, ``dst``, ``protocol`` and ``node`` hold exactly these keys. Below ``request`` and ``response`` any key may be
asked for, since protocols differ and third parties add to them; the ones listed serve "did you mean".
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import NamedTuple


class Field(NamedTuple):
    """One field of the item."""

    path: str
    kind: str
    """``text``, ``number``, ``flag``, ``list``, ``object`` (any keys) or ``record`` (only the keys listed here)."""
    meaning: str


_ENDPOINT = (
    ("ip", "text", "the address"),
    ("port", "text", "the port, as text"),
    ("name", "text", "the resolved name, '' if there is none"),
    ("namespace", "text", "the namespace of the pod or service"),
    ("pod", "object", "the pod as Kubernetes describes it"),
    ("endpointSlice", "object", "the endpoint slice as Kubernetes describes it"),
    ("service", "object", "the service as Kubernetes describes it"),
    ("cgroupId", "number", "the control group of the process"),
    ("containerId", "text", "the container of the process"),
    ("socketId", "number", "the socket of the process"),
    ("processId", "number", "the process, as its container counts"),
    ("parentProcessId", "number", "its parent, as its container counts"),
    ("hostProcessId", "number", "the process, as the node counts"),
    ("hostParentProcessId", "number", "its parent, as the node counts"),
    ("processName", "text", "the name of the process"),
    ("processPath", "text", "the executable of the process"),
    ("cpuUsage", "number", "of the process"),
    ("memoryUsage", "number", "of the process"),
    ("resolutionMechanism", "text", "how the name was found"),
)

FIELDS = (
    Field("id", "text", "the item, unique across workers"),
    Field("index", "number", "the item's place in its stream"),
    Field("stream", "text", "the stream, such as 000000000144.pcap"),
    Field("worker", "text", "the worker's address, ip:port"),
    Field("node", "record", "the node that saw the traffic"),
    Field("node.ip", "text", "its address"),
    Field("node.name", "text", "its name"),
    Field("protocol", "record", "what was spoken"),
    Field("protocol.name", "text", "http, dns, redis, kafka, amqp, ws, tls, icmp, tcp, udp, sctp"),
    Field("protocol.version", "text", "1.1, 2.0"),
    Field("protocol.abbr", "text", "HTTP, HTTP/2, gRPC, GQL, DNS"),
    Field("protocol.longName", "text", "the name in full"),
    Field("protocol.macro", "text", "the macro that stands for it"),
    Field("protocol.backgroundColor", "text", "of its label"),
    Field("protocol.foregroundColor", "text", "of its label"),
    Field("protocol.fontSize", "number", "of its label"),
    Field("protocol.referenceLink", "text", "its specification"),
    Field("protocol.ports", "list", "the ports it is usually found on"),
    Field("protocol.layer4", "text", "tcp, udp, sctp, icmp"),
    Field("protocol.layer3", "text", "ip"),
    Field("protocol.priority", "number", "the order of detection"),
    Field("tls", "flag", "whether it was encrypted on the wire"),
    Field("src", "record", "the client"),
    *(Field(f"src.{key}", kind, meaning) for key, kind, meaning in _ENDPOINT),
    Field("dst", "record", "the server"),
    *(Field(f"dst.{key}", kind, meaning) for key, kind, meaning in _ENDPOINT),
    Field("timestamp", "number", "milliseconds since the epoch"),
    Field("startTime", "text", "the same as RFC 3339 with nanoseconds"),
    Field("request", "object", "null if it was not seen"),
    Field("request.method", "text", "GET; basic publish"),
    Field("request.url", "text", "the target as sent"),
    Field("request.path", "text", "the target without its query"),
    Field("request.headers", "object", "names in any case"),
    Field("request.queryString", "object", "name to value, or to values"),
    Field("request.cookies", "object", "name to value"),
    Field("request.postData", "object", "mimeType, params, text"),
    Field("request.questions", "list", "of DNS"),
    Field("request.command", "text", "of Redis, in upper case"),
    Field("request.key", "text", "of Redis"),
    Field("request.apiKeyName", "text", "of Kafka"),
    Field("request.clientID", "text", "of Kafka"),
    Field("request.exchange", "text", "of AMQP"),
    Field("request.routingKey", "text", "of AMQP"),
    Field("request.serverName", "text", "of TLS"),
    Field("response", "object", "null if it was not seen"),
    Field("response.status", "number", "of HTTP"),
    Field("response.statusText", "text", "of HTTP"),
    Field("response.headers", "object", "names in any case"),
    Field("response.content", "object", "size, mimeType, encoding, text"),
    Field("response.questions", "list", "of DNS: what it answers"),
    Field("response.answers", "list", "of DNS"),
    Field("response.code", "text", "of DNS"),
    Field("requestRef", "text", "where the request is kept"),
    Field("responseRef", "text", "where the response is kept"),
    Field("requestSize", "number", "bytes"),
    Field("responseSize", "number", "bytes"),
    Field("elapsedTime", "number", "milliseconds from request to response"),
    Field("passed", "flag", "a rule said so"),
    Field("failed", "flag", "a rule said so"),
    Field("error", "object", "null, or type and msg"),
    Field("entryFile", "text", "the item's JSON file"),
    Field("record", "text", "the recording it was read from, '' if live"),
    Field("outgoing", "flag", "whether it left the node"),
    Field("event", "object", "source, type, data"),
    Field("eventRef", "text", "where the event is kept"),
    Field("base", "object", "the item in short"),
    Field("capture", "object", "backend, source, proxy, vlan"),
    Field("captureSource", "text", "how it was captured"),
    Field("checksums", "list", "of the packets"),
    Field("duplicate", "flag", "whether it was seen before"),
    Field("data", "object", "the payload of raw streams"),
    Field("dataRef", "text", "where the payload is kept"),
    Field("size", "number", "bytes"),
    Field("matcherKey", "text", "what paired request and response"),
    Field("networkProps", "object", "of the network"),
    Field("subProtocol", "text", "what was spoken inside"),
)

KINDS = {field.path: field.kind for field in FIELDS}

PROTOCOL_OF_ABBR = {
    "HTTP": "http",
    "HTTP/2": "http",
    "gRPC": "http",
    "GQL": "http",
    "DNS": "dns",
    "AMQP": "amqp",
    "KAFKA": "kafka",
    "REDIS": "redis",
}
"""``protocol.name`` of the abbreviations that no other protocol may use."""


def keys_of(parent: str) -> list[str]:
    """The known names directly below ``parent``; those of the item itself for ``''``."""
    start = f"{parent}." if parent else ""
    return [path[len(start) :] for path in KINDS if path.startswith(start) and "." not in path[len(start) :]]


def nearest(wrong: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the known name most like ``wrong``, or nothing."""
    folded = {name.lower(): name for name in known}
    found = difflib.get_close_matches(wrong.lower(), folded, n=1)
    return f"; did you mean {folded[found[0]]!r}?" if found else ""


def nearest_field(wrong: str) -> str:
    """The same for a name at the head of a path: a field of the item, or else one below it."""
    below = {path.rpartition(".")[2]: path for path in reversed(KINDS)}
    return nearest(wrong, keys_of("")) or next(
        (f"; did you mean {below[name]!r}?" for name in difflib.get_close_matches(wrong, below, n=1)), ""
    )
