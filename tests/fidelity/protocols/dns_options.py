"""What DNS messages carry beside addresses and names, as Zeek tells it: client subnets, NAPTR records."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from tests.fidelity.corpus import CORPUS

QUANTITY = "DNS options to Zeek"
RULE = "- **DNS options to Zeek**: the client subnets of all messages that have a sound one, and all NAPTR records."
_SUBNET = re.compile(r"\[family=v\d, source_prefix_len=(\d+), scope_prefix_len=(\d+), address=([^\]]+)\]")
_NAPTR = re.compile(r"order=(\d+), preference=(\d+), flags=(.*?), service=(.*?), regexp=(.*?), replacement=(.*?)\]$")


def ours(items: list[dict[str, Any]]) -> Iterable[tuple[object, ...]]:
    """Of requests and responses."""
    for item in items:
        if item["protocol"]["name"] == "dns":
            for half in filter(None, (item["request"], item["response"])):
                for option in (half["edns"] or {}).get("options", ()):
                    if option["name"] == "client-subnet" and "/" in option["value"]:
                        yield "subnet", *option["value"].split("/")
                for record in half.get("answers", ()):
                    if record["type"] == "NAPTR":
                        yield "naptr", record["name"], record["data"]


def theirs(expected: Mapping[str, Any], capture: str) -> Iterable[tuple[object, ...]]:
    """Zeek's events, as its tests keep them."""
    path = CORPUS / "expected" / f"{capture}.zeek.json"
    tests = json.loads(path.read_text())["tests"] if path.exists() else []
    lines = [line for test in tests for line in test["logs"].get("output", test["logs"].get("out", ()))]
    for line in lines:
        if isinstance(line, str) and (subnet := _SUBNET.fullmatch(line)):
            prefix, scope, address = subnet.groups()
            yield "subnet", address, prefix, scope
        elif isinstance(line, str) and line.startswith("NAPTR") and (found := _NAPTR.search(line)):
            order, preference, flags, service, pattern, replacement = found.groups()
            name = re.search(r"query=([^,]+)", line)
            words = f'{order} {preference} "{flags}" "{service}" "{pattern}" {replacement}'
            yield "naptr", name[1] if name else "", words
