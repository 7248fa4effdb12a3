"""Streams of real captures: those that tshark finds, with the same packets and payload bytes."""

from __future__ import annotations

import itertools
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from engine.capture.sources import open_source
from engine.counters import Counters, Drop
from engine.decode.columns import HELD
from engine.decode.decode import Decoder
from engine.streams.options import StreamOptions
from engine.streams.reassembly import Reassembler
from engine.streams.rows import format_endpoint
from engine.streams.stream import ICMP, ICMPV6, SCTP, TCP, UDP, Stream, format_address
from engine.streams.table import StreamTable

CORPUS = Path(os.environ.get("REMORA_CORPUS", "."))
pytestmark = pytest.mark.skipif("REMORA_CORPUS" not in os.environ, reason="set REMORA_CORPUS to a capture corpus")

EXPLAINED = {
    "encap/arkime-gre-erspan-vxlan.pcap": (1, 0, Drop.NONE),
    "encap/arkime-gtp-u.pcap": (1, 0, Drop.NONE),
    "encap/deepflow-decapsulate_test.pcap": (1, 0, Drop.NOT_IP),
    "encap/deepflow-ip6-vxlan.pcap": (2, 1, Drop.NONE),
}
"""Capture: streams that only tshark has, streams that only we have, and what decode dropped instead (``NONE``: tshark
counts the UDP packets that carry a tunnel as a stream of their own; in ``ip6-vxlan`` it believes the UDP length, which
the lengths of both IP headers contradict)."""

CAPTURES = sorted(
    str(path.relative_to(CORPUS)) for path in CORPUS.glob("*/*cap") if path.parent.name not in {"expected", "tools"}
)


def streams_of(path: Path) -> tuple[list[tuple[Stream, int]], Counter[int]]:
    """Every stream of a capture with its packets as tshark counts them, and how many decode dropped for which reason.

    To tshark all fragments of a datagram are one packet of the stream, which holds each of them.
    """
    source = open_source(str(path), 0)
    table, decoder = StreamTable(StreamOptions(), Counters(), itertools.count(1).__next__), Decoder(Counters())
    streams: list[Stream] = []
    drops: Counter[int] = Counter()
    held: Counter[int] = Counter()
    while not source.ended:
        if (batch := source.read()) is not None:
            columns = decoder.decode(batch).columns
            assigned = table.assign(columns)
            streams += assigned.started
            drops.update(columns.drop.tolist())
            held.update(assigned.stream_ids[columns.flags & HELD != 0].tolist())
    source.close()
    counted = [(stream, stream.packets - held[stream.id]) for stream in streams]
    return [(stream, packets) for stream, packets in counted if packets], drops


def facts(client: str, server: str, packets: int, payload_bytes: int, handshake: bool) -> tuple[object, ...]:
    """Without a handshake tshark takes the first sender for the client, so that endpoints are compared as a pair."""
    ends = (client, server) if handshake else tuple(sorted((client, server)))
    return (*ends, packets, payload_bytes)


def expected_of(capture: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CORPUS / "expected" / f"{capture}.tshark.json").read_text())
    return found


@pytest.mark.parametrize("capture", CAPTURES)
def test_streams_are_those_of_tshark(capture: str) -> None:
    expected = expected_of(capture)
    streams, drops = streams_of(CORPUS / capture)
    ours: Counter[tuple[object, ...]] = Counter()
    theirs: Counter[tuple[object, ...]] = Counter()
    for key, protocol in (("tcp_streams", TCP), ("udp_streams", UDP)):
        listed = expected.get(key, [])
        shaken = {(one["client"], one["server"]) for one in listed if one.get("syn")}
        theirs.update(
            facts(one["client"], one["server"], one["packets"], one["payload_bytes"], bool(one.get("syn")))
            for one in listed
        )
        for stream, packets in streams:
            if stream.protocol == protocol:
                client = format_endpoint(stream.client_ip, stream.client_port)
                server = format_endpoint(stream.server_ip, stream.server_port)
                handshake = (client, server) in shaken or (server, client) in shaken
                ours.update([facts(client, server, packets, stream.payload_bytes, handshake)])
    only_theirs, only_ours, reason = EXPLAINED.get(capture, (0, 0, Drop.NONE))
    assert ((theirs - ours).total(), (ours - theirs).total()) == (only_theirs, only_ours), (
        theirs - ours,
        ours - theirs,
    )
    assert not reason or drops[reason]


@pytest.mark.parametrize("capture", [name for name in CAPTURES if name.startswith(("sctp/", "icmp/", "encap/"))])
def test_associations_and_pings_are_streams(capture: str) -> None:
    """An association without its handshake is one of its own to tshark; here the five-tuple decides."""
    expected = expected_of(capture)
    packets: Counter[tuple[str, ...]] = Counter()
    for one in expected.get("sctp_assocs", []):
        packets[tuple(sorted((one["a"], one["b"])))] += one["packets"]
    pings: Counter[tuple[str, ...]] = Counter(
        (*sorted((one["src"], one["dst"])), str(one["id"])) for one in expected.get("icmp", [])
    )
    for stream, count in streams_of(CORPUS / capture)[0]:
        client, server = format_address(stream.client_ip), format_address(stream.server_ip)
        if stream.protocol == SCTP:
            packets[tuple(sorted((f"{client}:{stream.client_port}", f"{server}:{stream.server_port}")))] -= count
        elif stream.protocol in (ICMP, ICMPV6):
            assert stream.server_port in (8, 128)
            pings[*sorted((client, server)), str(stream.client_port)] -= count
    assert not any(packets.values())
    assert not any(pings.values())


def test_every_explained_capture_is_there() -> None:
    assert set(EXPLAINED) <= set(CAPTURES)


def test_reassembled_bytes_are_those_of_another_library() -> None:
    source = open_source(str(CORPUS / "tcp/pcpp-one_http_stream_fin.pcap"), 0)
    counters = Counters()
    table = StreamTable(StreamOptions(), counters, itertools.count(1).__next__)
    reassembler, decoder = Reassembler(StreamOptions(), counters), Decoder(counters)
    data = b""
    while not source.ended:
        if (batch := source.read()) is not None:
            columns = decoder.decode(batch).columns
            chunks = reassembler.feed(batch, columns, table.assign(columns), lambda _: True)
            data += b"".join(chunk.data for chunk in chunks)
    source.close()
    known = CORPUS / "expected/tcp/pcpp-one_http_stream_fin.pcap.one_http_stream_fin_output.txt"
    assert data == known.read_bytes()
