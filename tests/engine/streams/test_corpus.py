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
from engine.decode.decode import decode
from engine.streams.options import StreamOptions
from engine.streams.reassembly import Reassembler
from engine.streams.rows import format_endpoint
from engine.streams.stream import TCP, UDP, Stream
from engine.streams.table import StreamTable

CORPUS = Path(os.environ.get("REMORA_CORPUS", "."))
pytestmark = pytest.mark.skipif("REMORA_CORPUS" not in os.environ, reason="set REMORA_CORPUS to a capture corpus")

EXPLAINED = {
    "dns/zeek-dns-edns-ecs.pcap": (4, 2, Drop.FRAGMENT),
    "encap/arkime-6-4-gre-ppp-udp-4-dns.pcap": (1, 0, Drop.UNSUPPORTED_TRANSPORT),
    "encap/arkime-gre-erspan-vxlan.pcap": (2, 0, Drop.UNSUPPORTED_TRANSPORT),
    "encap/deepflow-ip6-vxlan.pcap": (1, 0, Drop.NONE),
    "ip/deepflow-ip-fragment.pcap": (1, 0, Drop.FRAGMENT),
    "ip/pcpp-frag_http_req.pcap": (1, 0, Drop.FRAGMENT),
    "ip/zeek-fragmented-1.pcap": (1, 0, Drop.FRAGMENT),
    "malformed/tcpdump-heapoverflow-tcp_print.pcap": (1, 0, Drop.CUT_BY_SNAPLEN),
}
"""Capture: streams that only tshark has, streams that only we have, and what decode dropped instead (``NONE``: a
tunnel, whose outer packets are a stream of their own)."""

CAPTURES = sorted(
    str(path.relative_to(CORPUS)) for path in CORPUS.glob("*/*cap") if path.parent.name not in {"expected", "tools"}
)


def streams_of(path: Path) -> tuple[list[Stream], Counter[int]]:
    """Every stream of a capture, and how many packets decode dropped for which reason."""
    source = open_source(str(path), 0)
    table = StreamTable(StreamOptions(), Counters(), itertools.count(1).__next__)
    streams: list[Stream] = []
    drops: Counter[int] = Counter()
    while not source.ended:
        if (batch := source.read()) is not None:
            columns = decode(batch)
            streams += table.assign(columns).started
            drops.update(columns.drop.tolist())
    source.close()
    return streams, drops


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
        for stream in streams:
            if stream.protocol == protocol:
                client = format_endpoint(stream.client_ip, stream.client_port)
                server = format_endpoint(stream.server_ip, stream.server_port)
                handshake = (client, server) in shaken or (server, client) in shaken
                ours.update([facts(client, server, stream.packets, stream.payload_bytes, handshake)])
    only_theirs, only_ours, reason = EXPLAINED.get(capture, (0, 0, Drop.NONE))
    assert ((theirs - ours).total(), (ours - theirs).total()) == (only_theirs, only_ours), (
        theirs - ours,
        ours - theirs,
    )
    assert not reason or drops[reason]


def test_every_explained_capture_is_there() -> None:
    assert set(EXPLAINED) <= set(CAPTURES)


def test_reassembled_bytes_are_those_of_another_library() -> None:
    source = open_source(str(CORPUS / "tcp/pcpp-one_http_stream_fin.pcap"), 0)
    counters = Counters()
    table = StreamTable(StreamOptions(), counters, itertools.count(1).__next__)
    reassembler = Reassembler(StreamOptions(), counters)
    data = b""
    while not source.ended:
        if (batch := source.read()) is not None:
            columns = decode(batch)
            chunks = reassembler.feed(batch, columns, table.assign(columns), lambda _: True)
            data += b"".join(chunk.data for chunk in chunks)
    source.close()
    known = CORPUS / "expected/tcp/pcpp-one_http_stream_fin.pcap.one_http_stream_fin_output.txt"
    assert data == known.read_bytes()
