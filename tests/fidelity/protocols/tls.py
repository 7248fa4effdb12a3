"""TLS hellos beside tshark's; ``test_tls`` has what Arkime and Zeek say, and what is inside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from engine.dissect.tls_codes import suite_name, version_name

QUANTITY = "TLS hellos"
RULE = (
    "- **TLS hellos**: of a client its server name, ALPN, versions, number of suites, session id and JA3; of a server\n"
    "  the version and suite it chose, its ALPN, session id and JA3S."
)

Fact = tuple[object, ...]


def ours(items: list[dict[str, Any]]) -> Iterable[Fact]:
    """Both halves of each handshake."""
    for item in items:
        request, response = item["request"], item["response"]
        if item["protocol"]["name"] != "tls":
            continue
        client, server = (_end(item[end]) for end in ("src", "dst"))
        if request and "ja3" in request:
            said = request["serverName"], *request["alpn"], *request["versions"], len(request["cipherSuites"])
            yield "client hello", client, server, *said, request["sessionId"], request["ja3"]
        if response and "ja3s" in response:
            said = response["version"], response["cipherSuite"], response["alpn"]
            yield "server hello", server, client, *said, response["sessionId"], response["ja3s"]


def theirs(expected: Mapping[str, Any], capture: str) -> Iterable[Fact]:
    """tshark's, over TCP; its numbers by their names."""
    for one in expected.get("tls", ()):
        versions = [version_name(int(number, 16)) for number in one["versions"] or [one["version"]]]
        head, session_id = (one["kind"].replace("_", " "), one["src"], one["dst"]), one["session_id"] or ""
        if one["proto"] == "tls" and one["kind"] == "client_hello":
            yield *head, one["sni"] or "", *one["alpn"], *versions, one["ciphers"], session_id, one["ja3"]
        elif one["proto"] == "tls":
            suite = suite_name(int(one["cipher"], 16))
            yield *head, versions[0], suite, next(iter(one["alpn"]), ""), session_id, one["ja3s"]


def _end(end: Mapping[str, str]) -> str:
    return f"[{end['ip']}]:{end['port']}" if ":" in end["ip"] else f"{end['ip']}:{end['port']}"
