"""All golden traces beside tshark, which knows nothing of us: what was said there must be what we say was said."""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import pytest
from pamqp.commands import INDEX_MAPPING

from tests.support.traces import FOLDER, ON_REQUEST, expected

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tshark") is None, reason="needs the package tshark"),
]

Item = dict[str, Any]
Values = tuple[list[str], ...]
"""Of one packet: each field's values, in the order of its messages."""


class Comparison(NamedTuple):
    """What is compared of one protocol."""

    fields: tuple[str, ...]
    ours: Callable[[Item], Iterable[object]]
    theirs: Callable[[Values], Iterable[object]]


def halves(item: Item, *names: str) -> list[Item]:
    """Request and response, as far as they are there, where the item is of one of these protocols."""
    found = [item["request"], item["response"]] if item["protocol"]["name"] in names else []
    return [half for half in found if half]


# -- HTTP ----------------------------------------------------------------------------------------------------------


def http1(item: Item) -> Iterator[object]:
    if not item["protocol"]["version"].startswith("1"):
        return
    for half in halves(item, "http"):
        yield (half["method"], half["url"]) if "method" in half else str(half["status"])


def http1_of_tshark(values: Values) -> Iterator[object]:
    methods, targets, codes = values
    yield from zip(methods, targets, strict=True)
    yield from (code for code in codes if not code.startswith("1") or code == "101")


def http2(item: Item) -> Iterator[object]:
    if item["protocol"]["version"] != "2.0":
        return
    for half in halves(item, "http"):
        yield from (half["headers"].get(name) for name in (":method", ":path", ":status") if name in half["headers"])


def http2_of_tshark(values: Values) -> Iterator[object]:
    methods, paths, codes = values
    yield from (*methods, *paths, *(code for code in codes if not code.startswith("1")))


def grpc(item: Item) -> Iterator[object]:
    for half in halves(item, "http"):
        yield from (str(message["size"]) for message in (half.get("grpc") or {}).get("messages", ()))


# -- the others ----------------------------------------------------------------------------------------------------


def dns(item: Item) -> Iterator[object]:
    for half in halves(item, "dns"):
        yield from (question["name"] for question in half["questions"])
        yield len(half.get("answers", ()))


def dns_of_tshark(values: Values) -> Iterator[object]:
    names, answers, *quoted_by = values
    if any(quoted_by):
        return
    yield from ("" if name == "<Root>" else name for name in names)
    yield from map(int, answers)


def amqp(item: Item) -> Iterator[object]:
    """What closes a channel also answers what was asked on it, and was said once."""
    told = halves(item, "amqp")
    yield from (half["method"] for half in told if half is item["request"] or not half["method"].endswith(" close"))


def amqp_of_tshark(values: Values) -> Iterator[object]:
    for kind, number in zip(*values, strict=True):
        method: Any = INDEX_MAPPING[int(kind) << 16 | int(number)]
        group, _, name = method.name.partition(".")
        written = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)[1:]
        yield f"{group.lower()} {written}"


def kafka(item: Item) -> Iterator[object]:
    yield from (str(half["correlationID"]) for half in halves(item, "kafka"))


def redis(item: Item) -> Iterator[object]:
    """All words, texts and numbers."""
    if item["protocol"]["name"] == "redis":
        request, response = item["request"] or {"command": "", "args": []}, item["response"] or {"value": ""}
        value = response.get("elements", response["value"])
        if response.get("encoding"):
            value = base64.b64decode(value).decode(errors="backslashreplace")
        said = [request["command"], *request["args"], *leaves(value)]
        yield from (word.upper() for word in said if word)


def leaves(value: Any) -> Iterator[str]:
    """Of nested lists; an error stands in a mapping."""
    if isinstance(value, list):
        for each in value:
            yield from leaves(each)
    elif isinstance(value, dict):
        yield from leaves(list(value.values()))
    elif value not in (None, ""):
        yield str(value)


def redis_of_tshark(values: Values) -> Iterator[object]:
    texts, errors, bulks, numbers = values
    said = [bytes.fromhex(bulk).decode(errors="backslashreplace") for bulk in bulks]
    yield from (word.upper() for word in (*texts, *errors, *said, *numbers) if word)


def tls(item: Item) -> Iterator[object]:
    for half in halves(item, "tls"):
        yield from (half[name] for name in ("ja3", "ja3s") if half.get(name))


def icmp(item: Item) -> Iterator[object]:
    yield from ((half["typeNumber"], half["codeNumber"]) for half in halves(item, "icmp", "icmpv6"))


def icmp_of_tshark(values: Values) -> Iterator[object]:
    kinds, codes, kinds6, codes6 = values
    yield from ((int(kind), int(code)) for kind, code in zip((kinds or kinds6)[:1], (codes or codes6)[:1], strict=True))


def websocket(item: Item) -> Iterator[object]:
    """A frame each, and the code of a close."""
    for half in halves(item, "ws"):
        yield str(half["opcode"])
        yield from ["0"] * (half["fragments"] - 1)
        if half.get("closeCode"):
            yield "code", str(half["closeCode"])


def websocket_of_tshark(values: Values) -> Iterator[object]:
    opcodes, codes = values
    yield from opcodes
    yield from (("code", code) for code in codes)


def all_of(values: Values) -> Iterator[object]:
    for some in values:
        yield from some


COMPARED: dict[str, Comparison] = {
    "http1": Comparison(("http.request.method", "http.request.uri", "http.response.code"), http1, http1_of_tshark),
    "http2": Comparison(("http2.headers.method", "http2.headers.path", "http2.headers.status"), http2, http2_of_tshark),
    "grpc": Comparison(("grpc.message_length",), grpc, all_of),
    "dns": Comparison(("dns.qry.name", "dns.count.answers", "icmp.type", "icmpv6.type"), dns, dns_of_tshark),
    "amqp": Comparison(("amqp.method.class", "amqp.method.method"), amqp, amqp_of_tshark),
    "kafka": Comparison(("kafka.correlation_id",), kafka, all_of),
    "redis": Comparison(
        ("resp.string", "resp.error", "resp.bulk_string.value", "resp.integer"), redis, redis_of_tshark
    ),
    "tls": Comparison(("tls.handshake.ja3", "tls.handshake.ja3s"), tls, all_of),
    "icmp": Comparison(("icmp.type", "icmp.code", "icmpv6.type", "icmpv6.code"), icmp, icmp_of_tshark),
    "websocket": Comparison(
        ("websocket.opcode", "websocket.payload.close.status_code"), websocket, websocket_of_tshark
    ),
}
_WAITS = "tshark waits for the whole of a message"
_TUNNEL = "it does not look into tunnels of HTTP"
EXPLAINED: dict[tuple[str, str], str] = {
    ("amqp_begun_before", "amqp"): "it needs the beginning of a frame",
    ("http_begun_before", "http1"): _WAITS,
    ("http_gap_in_body", "http1"): _WAITS,
    ("http_half_exchanges", "http1"): _WAITS,
    ("http_through_a_proxy", "http1"): _TUNNEL,
    ("kafka_begun_before", "kafka"): "it takes the rest of a frame for one",
    ("recorded_redis_raw", "redis"): "it does not know inline commands",
    ("redis_pipeline", "redis"): "the same",
    ("recorded_redis_resp3", "redis"): "it does not know doubles",
    ("redis_channels", "redis"): "nor that, nor attributes, which stand beside the value here",
    ("redis_gap_in_value", "redis"): _WAITS,
    ("recorded_proxy_expectations", "http1"): "it takes the next request for the body that curl left out",
    ("recorded_tls_early_refused", "http1"): "it shows early data that the server did not take",
    ("recorded_tls_sessions", "http1"): "bodies that end with the connection: it waits for TLS to say so",
    ("recorded_tls_sessions", "tls"): "it decrypts the second hello of a session that is renegotiated",
    ("recorded_tls_suites_12", "http1"): "the same, and it decrypts the suite without AEAD",
    ("recorded_tls_suites_13", "http1"): "the same",
    ("tls_gap_in_certificate", "tls"): _WAITS,
}
"""Where it says something else, and why that is no mistake of ours."""
_PLAIN_HTTP2 = ("http2", "grpc", "graphql_http2")
FIELDS = sorted({field for compared in COMPARED.values() for field in compared.fields})
NAMES = sorted(path.stem for path in FOLDER.glob("*.pcap") if path.stem not in ON_REQUEST)


def read_by_tshark(trace: str) -> list[dict[str, list[str]]]:
    """Of each packet its fields."""
    path = FOLDER / f"{trace}.pcap"
    command = ["tshark", "-n", "-2", "-r", str(path), "-T", "fields", "-E", "separator=/t", "-E", "aggregator=\x1f"]
    command += [word for field in FIELDS for word in ("-e", field)]
    if (keys := path.with_suffix(".keys")).exists():
        command += ["-o", f"tls.keylog_file:{keys}"]
    if any(kind in trace for kind in _PLAIN_HTTP2) and "upgrade" not in trace:
        command += [word for port in (80, 81, 82, 50051) for word in ("-d", f"tcp.port=={port},http2")]
    lines = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.splitlines()
    values = ([value.split("\x1f") if value else [] for value in line.split("\t")] for line in lines)
    return [dict(zip(FIELDS, some, strict=True)) for some in values]


@pytest.mark.parametrize("trace", NAMES)
def test_tshark_says_the_same(trace: str) -> None:
    items, packets = expected(trace), read_by_tshark(trace)
    differ = {}
    explained = {protocol for name, protocol in EXPLAINED if name == trace}
    for protocol, compared in COMPARED.items():
        ours = Counter(fact for item in items for fact in compared.ours(item))
        theirs = Counter(
            fact for values in packets for fact in compared.theirs(tuple(values[field] for field in compared.fields))
        )
        if ours != theirs:
            differ[protocol] = dict(ours - theirs), dict(theirs - ours)
    assert differ.keys() == explained, differ
