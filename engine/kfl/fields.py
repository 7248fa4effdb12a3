"""The item as a filter sees it: one line per field.

``src``, ``dst``, ``protocol`` and ``node`` hold exactly these keys. Below ``request`` and ``response`` any key may be
asked for, since third parties add protocols; one that no built-in protocol has is worth a warning.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import NamedTuple

from engine.kfl.syntax import Key, Path


class Field(NamedTuple):
    """One field of the item."""

    path: str
    kind: str
    """``text``, ``number``, ``flag``, ``list``, ``object`` (any keys) or ``record`` (only the keys listed here)."""
    meaning: str
    protocols: tuple[str, ...] = ()
    """The ``protocol.name`` of the items that have it; empty: of any."""


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

_HEADERS = (
    ("httpVersion", "text", "HTTP/1.1"),
    ("headers", "object", "names in any case; repeated ones joined by a comma"),
    ("cookies", "object", "name to value"),
    ("headersSize", "number", "bytes, -1 if not counted"),
    ("bodySize", "number", "bytes"),
    ("trailers", "object", "fields behind a chunked body, name to value"),
    ("grpc", "object", "of gRPC: messageCount, messageBytes, compressedCount, encoding, messages, and more"),
)
_RECORDS = tuple(
    (name, "list", "of name, type, class, ttl, ip, cname, ...") for name in ("answers", "authorities", "additionals")
)
_DNS = (
    ("questions", "list", "of name, type, class"),
    *_RECORDS,
    ("flags", "list", "aa, tc, rd, ra, ad, cd"),
    ("edns", "object", "version, udpSize, dnssecOk, options; null without EDNS"),
)
_REDIS = (
    ("type", "text", "Array, Bulk String, Inline, ..."),
    ("command", "text", "in upper case"),
    ("key", "text", "the first key, or the channel"),
    ("value", "text", "what follows the key; the reply, aggregates as JSON"),
    ("keyword", "text", "second word of a command, status or code of an error, kind of a push"),
    ("encoding", "text", "base64 where the value is no text, or empty"),
    ("comment", "text", "what is not kept or not shown"),
)
_DATA = (
    ("payload", "text", "of a raw stream; base64 where encoding says so"),
    ("encoding", "text", "base64, or ''"),
    ("size", "number", "bytes of the payload"),
    ("truncated", "flag", "not all of it is kept"),
    ("missingBytes", "number", "that the capture lacks"),
    ("direction", "text", "client or server: who sent it"),
    ("chunks", "list", "of SCTP: type, name, flags, length"),
    ("state", "text", "of a connection: open, in_progress, closed"),
    ("reason", "text", "why it is over: closed, reset, idle, half_open; open if the capture ended"),
    ("clientPackets", "number", "so far"),
    ("clientBytes", "number", "of frames"),
    ("serverPackets", "number", "so far"),
    ("serverBytes", "number", "of frames"),
    ("payloadBytes", "number", "of both"),
    ("durationNs", "number", "from the first packet to the last"),
    ("endTime", "text", "of the last packet so far, RFC 3339"),
    ("l7", "list", "what it spoke: HTTP, DNS, ..."),
)
_ICMP = (
    ("ipVersion", "number", "4 or 6"),
    ("type", "text", "Echo Request, Destination Unreachable, ..."),
    ("typeNumber", "number", "8, 3, ..."),
    ("code", "text", "Port Unreachable, ..., '' if the type has none"),
    ("codeNumber", "number", "3, ..."),
    ("identifier", "number", "of an echo"),
    ("sequence", "number", "of an echo, what pairs it"),
    ("payloadSize", "number", "bytes of an echo"),
)

_AMQP_TEXTS = """
method exchange routingKey body consumerTag queue type mechanisms mechanism locales locale virtualHost replyText
destination source response challenge newSecret reason comment
"""
_AMQP_NUMBERS = """
channel deliveryTag versionMajor versionMinor channelMax frameMax heartbeat replyCode classId methodId messageCount
consumerCount prefetchSize prefetchCount
"""
_AMQP_FLAGS = """
mandatory immediate redelivered passive durable exclusive autoDelete noWait internal multiple requeue noAck noLocal
ifUnused ifEmpty global active read write
"""
_AMQP = tuple(
    (name, kind, "of AMQP")
    for kind, names in (
        ("text", _AMQP_TEXTS),
        ("number", _AMQP_NUMBERS),
        ("flag", _AMQP_FLAGS),
        ("object", "properties arguments serverProperties clientProperties"),
    )
    for name in names.split()
)

MESSAGES: dict[str, dict[str, tuple[tuple[str, str, str], ...]]] = {
    "http": {
        "request": (
            ("method", "text", "GET, POST, ..."),
            ("url", "text", "the target as sent"),
            ("targetUri", "text", "the same"),
            ("path", "text", "the target without its query"),
            ("pathSegments", "list", "the path taken apart"),
            *_HEADERS,
            ("queryString", "object", "name to value, or to values"),
            ("postData", "object", "mimeType, params, text, encoding, comment"),
            ("graphql", "list", "of GraphQL: type, name, fields of each operation"),
            ("pushed", "flag", "the server promised it, and nobody asked"),
        ),
        "response": (
            ("status", "number", "200, 404, ..."),
            ("statusText", "text", "OK, Not Found, ..."),
            *_HEADERS,
            ("content", "object", "size, mimeType, encoding, text, comment"),
            ("redirectURL", "text", "where to"),
        ),
    },
    "ws": {
        "request": (
            ("opcode", "number", "1 text, 2 binary, 8 close, 9 ping, 10 pong"),
            ("type", "text", "the same in words"),
            ("sender", "text", "client or server; src is who sent it"),
            ("fragments", "number", "frames that it came in"),
            ("masked", "flag", "whether it was masked"),
            ("compressed", "flag", "whether it was compressed (permessage-deflate)"),
            ("size", "number", "bytes of the message, inflated"),
            ("text", "text", "the message, or its base64"),
            ("encoding", "text", "base64, or empty"),
            ("comment", "text", "what is not kept or not inflated"),
            ("closeCode", "number", "of a close: 1000, 1001, ..."),
            ("closeReason", "text", "of a close"),
        ),
        "response": (),
    },
    "dns": {
        "request": (("opCode", "text", "Query, ..."), *_DNS),
        "response": (
            ("code", "text", "No Error, Name Error, ..."),
            ("truncated", "flag", "the rest is to be asked for over TCP"),
            *_DNS,
        ),
    },
    "redis": {
        "request": (*_REDIS, ("args", "list", "all that follows the command")),
        "response": (
            *_REDIS,
            ("elements", "list", "of an aggregate, pairs of a map"),
            ("attributes", "object", "of RESP3"),
        ),
    },
    "kafka": {
        "request": (
            ("size", "number", "bytes"),
            ("apiKeyName", "text", "Produce, Fetch, ..."),
            ("apiKey", "number", "0, 1, ..."),
            ("apiVersion", "number", "of the call"),
            ("correlationID", "number", "what pairs it"),
            ("clientID", "text", "the client's name for itself"),
            ("payload", "object", "what is asked"),
            ("captureTime", "text", "when it was seen"),
        ),
        "response": (
            ("size", "number", "bytes"),
            ("correlationID", "number", "what pairs it"),
            ("payload", "object", "what is answered"),
            ("captureTime", "text", "when it was seen"),
        ),
    },
    "amqp": {"request": _AMQP, "response": _AMQP},
    "icmp": {
        "request": (
            *_ICMP,
            ("mtu", "number", "the largest packet that fits the path"),
            ("gateway", "text", "whom to send to instead"),
            ("pointer", "number", "where the error is in the quoted packet"),
            ("quoted", "object", "protocol, src, dst, length of the packet that an error is about"),
            ("stream", "text", "the stream of that packet, '' if it is not known"),
            ("target", "text", "the address that neighbour discovery is about"),
            ("linkAddress", "text", "the MAC address that neighbour discovery tells"),
            ("hopLimit", "number", "that a router advertises"),
            ("lifetime", "number", "seconds, of a router"),
            ("prefixes", "list", "that a router advertises"),
        ),
        "response": (*_ICMP, ("rttNs", "number", "nanoseconds from the request to its reply")),
    },
    "tls": {
        "request": (
            ("serverName", "text", "the server that was asked for"),
            ("alpn", "list", "protocols offered inside"),
            ("versions", "list", "offered"),
            ("cipherSuites", "list", "offered"),
            ("ja3", "text", "fingerprint of the client"),
            ("ja3Text", "text", "what the fingerprint is made of"),
            ("random", "text", "32 bytes in hexadecimal; key logs name sessions by the client's"),
            ("sessionId", "text", "hexadecimal"),
            ("extensions", "list", "names"),
            ("supportedGroups", "list", "offered for the key exchange"),
            ("signatureAlgorithms", "list", "offered"),
            ("keyShares", "list", "groups for which a key was sent along"),
            ("earlyData", "flag", "data was sent before the answer"),
            ("alert", "text", "of an alert: handshake_failure, unknown_ca, ..."),
            ("level", "text", "of an alert: warning, fatal"),
        ),
        "response": (
            ("version", "text", "chosen"),
            ("cipherSuite", "text", "chosen"),
            ("alpn", "text", "chosen"),
            ("random", "text", "32 bytes in hexadecimal"),
            ("sessionId", "text", "hexadecimal"),
            ("extensions", "list", "names"),
            ("keyShare", "text", "the group of the key exchange"),
            ("ja3s", "text", "fingerprint of the server"),
            ("ja3sText", "text", "what the fingerprint is made of"),
            ("resumed", "flag", "a session of before goes on"),
            ("helloRetryRequest", "flag", "another hello is asked for"),
            ("certificateRequested", "flag", "the client is to show a certificate"),
            ("certificates", "list", "of subject, issuer, serialNumber, notBefore, notAfter, subjectAltNames, ..."),
            ("alert", "text", "why the server refused: handshake_failure, protocol_version, ..."),
            ("level", "text", "of the alert: warning, fatal"),
        ),
    },
}
"""Protocol -> half -> what it holds."""


def _message_fields() -> tuple[Field, ...]:
    """One field per path; what several protocols have is described as the first of them does."""
    rows: dict[str, tuple[str, str, list[str]]] = {}
    for protocol, halves in MESSAGES.items():
        for half, fields in halves.items():
            for name, kind, meaning in fields:
                rows.setdefault(f"{half}.{name}", (kind, meaning, []))[2].append(protocol)
    return tuple(Field(path, kind, meaning, tuple(owners)) for path, (kind, meaning, owners) in rows.items())


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
    Field("response", "object", "null if it was not seen"),
    Field("requestRef", "text", "where the request is kept"),
    Field("responseRef", "text", "where the response is kept"),
    Field("requestSize", "number", "bytes"),
    Field("responseSize", "number", "bytes"),
    Field("elapsedTime", "number", "milliseconds from request to response"),
    Field("passed", "flag", "a rule said so"),
    Field("failed", "flag", "a rule said so"),
    Field("error", "object", "null, or type and msg"),
    Field("error.type", "text", "dissection, connection, timeout, pair-not-found"),
    Field("error.msg", "text", "the same in words"),
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
    Field("data", "object", "payload as it is, or a connection"),
    *(Field(f"data.{key}", kind, meaning, ("tcp", "udp", "sctp")) for key, kind, meaning in _DATA),
    Field("dataRef", "text", "where the payload is kept"),
    Field("size", "number", "bytes"),
    Field("matcherKey", "text", "what paired request and response"),
    Field("networkProps", "object", "of the network"),
    Field("subProtocol", "text", "what was spoken inside"),
    *_message_fields(),
)

KINDS = {field.path: field.kind for field in FIELDS}

OWNERS = {field.path: frozenset(field.protocols) for field in FIELDS}
"""Path -> the protocols that have it; empty: all."""
KNOWN_VALUES = {
    "protocol.name": (
        "http",
        "dns",
        "redis",
        "kafka",
        "amqp",
        "ws",
        "tls",
        "icmp",
        "tcp",
        "udp",
        "sctp",
        "ldap",
        "radius",
        "diameter",
    ),
    "protocol.abbr": (
        "HTTP",
        "HTTP/2",
        "gRPC",
        "GQL",
        "DNS",
        "REDIS",
        "KAFKA",
        "AMQP",
        "WS",
        "TLS",
        "ICMP",
        "TCP",
        "UDP",
        "SCTP",
        "TCP-CONN",
        "UDP-CONN",
    ),
    "protocol.layer4": ("tcp", "udp", "sctp", "icmp"),
}
"""What these fields hold for built-in protocols."""

PROTOCOL_OF_ABBR = {
    "HTTP": "http",
    "HTTP/2": "http",
    "gRPC": "http",
    "GQL": "http",
    "DNS": "dns",
    "AMQP": "amqp",
    "KAFKA": "kafka",
    "REDIS": "redis",
    "TCP-CONN": "tcp",
    "UDP-CONN": "udp",
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


def name_of(path: Path) -> str:
    """``src.name`` for a path of names only, else ``''``."""
    names = [step.name for step in path.steps if isinstance(step, Key)]
    return ".".join(names) if len(names) == len(path.steps) else ""


def kind_of(path: Path) -> str:
    """The kind of a field that is known, else ``''``."""
    return KINDS.get(name_of(path), "")
