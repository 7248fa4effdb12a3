"""ICMP: every message, and which of them are one exchange."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from engine.decode.columns import ICMP_QUERIES, ICMP_REPLIES

QUANTITY = "ICMP messages and echoes"
RULE = (
    "- **ICMP**: IP version, type, code, sequence and addresses of each message; which echoes were answered (a reply\n"
    "  has the same identifier and sequence, between the same hosts)."
)
_PROTOCOL = {4: 1, 6: 58}


def ours(items: list[dict[str, Any]]) -> Iterable[tuple[object, ...]]:
    """Both halves of each item, and each item that has both."""
    for item in items:
        if item["protocol"]["name"] != "icmp":
            continue
        ends = item["src"]["ip"], item["dst"]["ip"]
        for half, who in ((item["request"], ends), (item["response"], ends[::-1])):
            if half is not None:
                numbers = half.get("identifier"), half.get("sequence")
                yield "message", half["ipVersion"], half["typeNumber"], half["codeNumber"], *numbers, *who
        if item["request"] and item["response"]:
            yield (
                "pair",
                item["request"]["ipVersion"],
                item["request"]["identifier"],
                item["request"]["sequence"],
                *ends,
            )


def theirs(expected: Mapping[str, Any], capture: str) -> Iterable[tuple[object, ...]]:
    """tshark's list of messages; it pairs echoes by the same numbers."""
    asked: dict[tuple[object, ...], int] = {}
    for one in expected.get("icmp", ()):
        protocol = _PROTOCOL[one["v"]]
        is_query, answers = one["type"] in ICMP_QUERIES[protocol], ICMP_REPLIES[protocol].get(one["type"])
        numbers = (one["id"], one["seq"]) if is_query or answers is not None else (None, None)
        yield "message", one["v"], one["type"], one["code"], *numbers, one["src"], one["dst"]
        exchange = one["v"], *numbers
        if is_query:
            key = (*exchange, one["src"], one["dst"], one["type"])
            asked[key] = asked.get(key, 0) + 1
        elif answers is not None and asked.get(key := (*exchange, one["dst"], one["src"], answers)):
            asked[key] = 0
            yield "pair", *key[:-1]
