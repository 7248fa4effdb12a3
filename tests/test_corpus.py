"""Real captures with independent ground truth: HTTP/1 and DNS items agree with what other tools say."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from engine.capture.sources import open_source
from engine.configure import configure
from engine.errors import CaptureError
from engine.query import Query

CORPUS = os.environ.get("REMORA_CORPUS", "")
pytestmark = pytest.mark.skipif(not CORPUS, reason="set REMORA_CORPUS to a capture corpus")

CAPTURES = sorted(Path(CORPUS).glob("*/*.pcap*")) if CORPUS else []


def items_of(capture: Path) -> list[dict[str, Any]]:
    try:
        query = Query([str(capture)], configure(None, [], {}).settings, lambda _: None)
    except CaptureError as error:
        pytest.skip(f"not read yet: {error}")
    return [item.as_dict() for item in query.items(None)]


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_capture_gives_items_or_a_reason(capture: Path) -> None:
    for item in items_of(capture):
        json.dumps(item)
        assert item["request"] is not None or item["response"] is not None
        assert item["error"] is None or item["error"]["type"] in (
            "dissection",
            "connection",
            "timeout",
            "pair-not-found",
        )


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_as_many_packets_are_read_as_tshark_reads(capture: Path) -> None:
    source, found = open_source(str(capture), 0), 0
    while not source.ended:
        batch = source.read()
        found += 0 if batch is None else len(batch.offsets)
    source.close()
    assert (found, bool(source.warning)) == (truth(capture)["packets"], bool(truth(capture)["read_error"]))


GAP = "what lies behind a gap is reported, with an error"
CUT = "a response that the end of the capture cuts is reported, with an error"
EXPLAINED = {
    "dns/dnscap-dnso1tcp-midmiss": GAP,
    "dns/zeek-dns-edns-ecs": "the question of a response without its query stands in no key of an item",
    "encap/arkime-gre-erspan-vxlan": "the space in a request's target is part of it; tshark ends the target there",
    "encap/pcpp-raw_ip": CUT,
    "formats/pcap_file_ex-linux_new_test": CUT,
    "http/akita-cli-simple_http_two_with_noise": "repeated mDNS queries are items each; tshark counts repetitions",
    "http/packetbeat-gap_in_stream": GAP,
    "malformed/zeek-variant-03-cl_negative": "behind an impossible length nothing is believed",
    "mixed/ipfixprobe-mixed": "queries quoted in ICMP errors are no queries",
    "sctp/arkime-sctp-www": "what SCTP carries is not looked into",
    "tcp/arkime-http-tcp-seq-issue": GAP,
}
"""Captures that tshark reads otherwise, and why."""


def truth(capture: Path) -> dict[str, Any]:
    path = Path(CORPUS, "expected", capture.parent.name, f"{capture.name}.tshark.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def endpoint(end: dict[str, Any]) -> str:
    return f"[{end['ip']}]:{end['port']}" if ":" in end["ip"] else f"{end['ip']}:{end['port']}"


def ours(items: list[dict[str, Any]]) -> Counter[tuple[Any, ...]]:
    found: Counter[tuple[Any, ...]] = Counter()
    for item in items:
        request, response = item["request"] or {}, item["response"] or {}
        ends = endpoint(item["src"]), endpoint(item["dst"])
        if item["protocol"]["name"] == "http":
            found["http", request.get("method"), request.get("url"), response.get("status"), *ends] += 1
        elif item["protocol"]["name"] == "dns":
            question = (request or response).get("questions") or [{}]
            found["dns", question[0].get("name"), question[0].get("type"), bool(response), *ends] += 1
    return found


def theirs(expected: dict[str, Any]) -> Counter[tuple[Any, ...]]:
    found: Counter[tuple[Any, ...]] = Counter()
    for one in expected.get("http", ()):
        found["http", one["method"], one["path"], one["status"], one["src"], one["dst"]] += 1
    for one in expected.get("dns", ()):
        found["dns", one["qname"], one["qtype"], one["rcode"] is not None, one["src"], one["dst"]] += 1
    return found


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_http_and_dns_agree_with_tshark(capture: Path) -> None:
    name = f"{capture.parent.name}/{capture.stem}"
    mine, expected = ours(items_of(capture)), theirs(truth(capture))
    if name in EXPLAINED:
        assert mine != expected, f"{name} agrees now: take it out of the table"
    else:
        assert (mine - expected, expected - mine) == (Counter(), Counter())
