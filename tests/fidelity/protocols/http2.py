"""Exchanges of HTTP/2 and calls of gRPC beside tshark's, and deepflow's where tshark stops at a gap."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tests.fidelity.corpus import CORPUS

QUANTITY = "HTTP/2 exchanges"
RULE = """\
- **HTTP/2 exchanges**, gRPC among them: method, path, authority, status, bytes of the request body, status of the call,
  client, server. A request that was upgraded from HTTP/1 is told there by tshark, and joined. tshark does not go on
  behind a gap: a call whose status it lacks has deepflow's.
"""


def ours(items: list[dict[str, Any]]) -> Iterable[tuple[object, ...]]:
    """Of what was not encrypted."""
    for item in items:
        if item["protocol"]["name"] == "http" and item["protocol"]["version"] == "2.0" and not item["tls"]:
            request, response = item["request"] or {}, item["response"] or {}
            headers = request.get("headers", {})
            authority = headers.get(":authority", headers.get("Host"))
            ended = response.get("grpc", {}).get("status")
            said = request.get("method"), request.get("url"), authority, response.get("status")
            yield *said, request.get("bodySize", 0), ended, _end(item["src"]), _end(item["dst"])


def theirs(expected: Mapping[str, Any], capture: str) -> Iterable[tuple[object, ...]]:
    """Of all streams."""
    for one in expected.get("http2", ()):
        asked = one if one["method"] else _upgraded(expected, one)
        said = asked["method"], asked["path"], asked.get("authority", asked.get("host")), one["status"]
        ended = one["grpc_status"] if one["grpc_status"] is not None or not one["grpc"] else _deepflow(capture, one)
        yield *said, one["req_data"], ended, one["src"], one["dst"]


def _upgraded(expected: Mapping[str, Any], answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """The request of HTTP/1 on the same connection that was answered with 101 (quirk 5)."""
    for one in expected.get("http", ()):
        if one["tcp_stream"] == answer["tcp_stream"] and one["status"] == 101:
            return dict(one)
    return answer


def _deepflow(capture: str, call: Mapping[str, Any]) -> int | None:
    """What deepflow says that ended this call."""
    path = CORPUS / "expected" / f"{capture}.deepflow.json"
    messages = json.loads(path.read_text(encoding="utf-8"))["messages"] if path.exists() else []
    for one in messages:
        if one["stream_id"] == str(call["stream_id"]) and one["grpc_status_code"] != "None":
            return int(one["grpc_status_code"])
    return None


def _end(end: Mapping[str, str]) -> str:
    return f"[{end['ip']}]:{end['port']}" if ":" in end["ip"] else f"{end['ip']}:{end['port']}"
