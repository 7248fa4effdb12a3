"""What is in exchanges: sizes of HTTP bodies, records of DNS answers. Only of exchanges that both sides have whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from engine.dissect.dns_codes import CODES
from tests.fidelity.facts import Fact

_RCODES = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")
_VALUES = {"A": "ip", "AAAA": "ip", "CNAME": "cname", "NS": "ns", "PTR": "ptr"}
"""Records whose value both write alike, and our key for it."""


def bodies_seen(expected: Mapping[str, Any]) -> Counter[Fact]:
    """tshark's sizes, without the coding of the transfer and of the content."""
    return Counter(
        ("http", one["method"], one["path"], one["status"], one["src"], one["req_body"], one["resp_body"])
        for one in expected.get("http", ())
        if one["transport"] == "tcp" and one["method"] and one["status"]
    )


def bodies_of(items: Iterable[Mapping[str, Any]], seen: Iterable[Fact]) -> Counter[Fact]:
    """Ours, of exchanges that are among those ``seen``."""
    found: Counter[Fact] = Counter()
    known = {fact[:5] for fact in seen}
    for item in items:
        request, response = item["request"], item["response"]
        if item["protocol"]["name"] == "http" and request and response and not item["error"]:
            exchange = "http", request["method"], request["url"], response["status"], _client(item)
            if exchange in known:
                found[*exchange, request["bodySize"], response["content"]["size"]] += 1
    return found


def also_ours(bodies: Counter[Fact], exchanges: Iterable[Fact]) -> Counter[Fact]:
    """Without those of exchanges that only they have, which are a difference already."""
    known = {fact[:5] for fact in exchanges}
    return Counter({fact: count for fact, count in bodies.items() if fact[:5] in known})


def answers_seen(expected: Mapping[str, Any]) -> Counter[Fact]:
    """Code, answers, and how many records the other sections have."""
    found: Counter[Fact] = Counter()
    for one in expected.get("dns", ()):
        if one["resp_frame"] is not None and one["transport"] in ("tcp", "udp"):
            code = CODES[_RCODES.index(one["rcode"])]
            answers = sorted(_told(record, "data") for record in one["answers"])
            counts = len(one["authority"]), len(one["additional"])
            found["dns", one["qname"], one["qtype"], one["src"], code, *answers, *counts] += 1
    return found


def answers_of(items: Iterable[Mapping[str, Any]], seen: Iterable[Fact]) -> Counter[Fact]:
    """Ours, of questions that are among those ``seen``, and not more often: tshark leaves out what follows a gap."""
    found: Counter[Fact] = Counter()
    left = Counter(fact[:4] for fact in seen)
    for item in items:
        response = item["response"] if item["protocol"]["name"] == "dns" else None
        question = (response["questions"] or [{}])[0] if response else {}
        asked = "dns", question.get("name"), question.get("type"), _client(item)
        if response and left[asked]:
            left[asked] -= 1
            answers = sorted(_told(record, _VALUES.get(record["type"], "")) for record in response["answers"])
            counts = len(response["authorities"]), len(response["additionals"])
            found[*asked, response["code"], *answers, *counts] += 1
    return found


def _told(record: Mapping[str, Any], key: str) -> str:
    value = record[key] if record["type"] in _VALUES else ""
    return f"{record['name']} {record['type']} {record['ttl']} {value}"


def _client(item: Mapping[str, Any]) -> str:
    ip, port = item["src"]["ip"], item["src"]["port"]
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
