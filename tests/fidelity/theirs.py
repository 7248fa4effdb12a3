"""What others say: tshark's facts of a capture, in the corpus and in ``second_view.json``.

Some things that tshark counts are no facts about streams and exchanges; the README of the corpus and the docstring of
its ``groundtruth.py`` name them. They are left out or put right here, by what the expectations themselves say, never by
a capture's name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from engine.decode.columns import ICMP_QUERIES, ICMP_REPLIES
from tests.fidelity import contents
from tests.fidelity.corpus import carriers_of
from tests.fidelity.facts import (
    ANSWERS,
    BODIES,
    BYTES,
    DNS,
    HTTP,
    PACKETS,
    PACKETS_READ,
    PAYLOAD,
    STREAMS,
    Fact,
    Facts,
    ends_of,
    no_facts,
)
from tests.fidelity.protocols.listing import PROTOCOLS


def facts_of(expected: Mapping[str, Any], second: Mapping[str, Any], capture: str) -> Facts:
    """The facts of one capture."""
    facts = no_facts()
    facts[PACKETS_READ][expected["packets"], bool(expected["read_error"]), second["packets"]] += 1
    for protocol, one in _streams(expected):
        ends = (protocol, *ends_of(one["client"], one["server"], known=bool(one.get("syn"))))
        facts[STREAMS][ends] += 1
        facts[PACKETS][*ends, one["packets"]] += 1
        facts[BYTES][*ends, one["payload_bytes"]] += 1
    for ends, packets in (*_associations(expected).items(), *_queries(expected).items()):
        facts[STREAMS][ends] += 1
        facts[PACKETS][*ends, packets] += 1
    facts[PAYLOAD].update(map(tuple, second["payload"]))
    facts[HTTP].update(_http(expected))
    facts[DNS].update(_dns(expected))
    facts[BODIES] = contents.bodies_seen(expected)
    facts[ANSWERS] = contents.answers_seen(expected)
    for compared in PROTOCOLS:
        facts[compared.QUANTITY].update(compared.theirs(expected, capture))
    return facts


def _streams(expected: Mapping[str, Any]) -> Iterable[tuple[str, dict[str, Any]]]:
    carriers = carriers_of(expected)
    yield from (("tcp", one) for one in expected.get("tcp_streams", ()))
    yield from (("udp", one) for one in expected.get("udp_streams", ()) if one not in carriers)


def _associations(expected: Mapping[str, Any]) -> Counter[Fact]:
    """An SCTP association without its handshake is one of its own to tshark; here the five-tuple decides."""
    found: Counter[Fact] = Counter()
    for one in expected.get("sctp_assocs", ()):
        found["sctp", *ends_of(one["a"], one["b"], known=False)] += one["packets"]
    return found


def _queries(expected: Mapping[str, Any]) -> Counter[Fact]:
    """ICMP messages by what makes them one stream here: the query and its identifier, or else type and code."""
    found: Counter[Fact] = Counter()
    for one in expected.get("icmp", ()):
        protocol, ends = (1 if one["v"] == 4 else 58), (one["src"], one["dst"])
        query = ICMP_REPLIES[protocol].get(one["type"])
        if query is not None:
            found["icmp", *ends[::-1], one["id"], query] += 1
        elif one["type"] in ICMP_QUERIES[protocol]:
            found["icmp", *ends, one["id"], one["type"]] += 1
        else:
            found["icmp", *ends, one["type"] << 8 | one["code"], 0] += 1
    return found


def _http(expected: Mapping[str, Any]) -> Iterable[Fact]:
    """Of TCP: what SCTP carries is recorded here and not dissected, which the README calls legitimate."""
    for one in expected.get("http", ()):
        if one["transport"] == "tcp":
            yield "http", one["method"], one["path"], one["status"], one["src"], one["dst"]


def _dns(expected: Mapping[str, Any]) -> Iterable[Fact]:
    """A query that was sent again is an exchange each time; one without ports is quoted in an ICMP error."""
    for one in expected.get("dns", ()):
        if one["transport"] in ("tcp", "udp") and ":" in one["src"].rpartition("]")[2]:
            ends = one["src"], one["dst"]
            halves = one["req_frame"] is not None, one["resp_frame"] is not None
            yield "dns", one["qname"], one["qtype"], *halves, *ends
            yield from [("dns", one["qname"], one["qtype"], True, False, *ends)] * (one["queries_seen"] - 1)
