from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from engine.counters import Counters
from engine.dissect.options import DissectOptions
from engine.dissect.registry import load_rows
from engine.items.item import LazyItem
from engine.pipeline import Node, Pipeline
from engine.resolve.static import NoNames
from engine.streams.options import StreamOptions
from tests.support.packets import EPOCH_NS, Packet, batch_of, fragments_of, in_time_order, udp_frame, write_pcap
from tests.support.traces import TRACES, items_of
from tests.support.traces_http import answer, get, talk
from tests.support.tunnels import as_frame, carried_in, gtp, vxlan

Carry = Callable[[bytes, int], list[bytes]]

QUERY = b"\0\7\1\0\0\1\0\0\0\0\0\0\3www\0\0\1\0\1"
ANSWER = b"\0\7\x81\x80" + QUERY[4:]

CARRIED: dict[str, Carry] = {
    "in a tunnel": lambda frame, _: [as_frame(gtp(carried_in(frame)))],
    "in two tunnels, turn by turn": lambda frame, ident: [as_frame((gtp, vxlan)[ident % 2](carried_in(frame)))],
    "in fragments": lambda frame, ident: fragments_of(frame, 24, ident=ident),
    "in fragments, the last one first": lambda frame, ident: fragments_of(frame, 24, ident=ident)[::-1],
    "in fragments of a tunnel": lambda frame, ident: fragments_of(as_frame(vxlan(carried_in(frame))), 48, ident=ident),
}


def test_streams_that_wait_for_nothing_have_no_objects_and_their_items_count_on() -> None:
    """Three lookups from one port, one per batch."""
    counters, ids = Counters(), itertools.count(1)
    pipeline = Pipeline(
        StreamOptions(), DissectOptions(), load_rows(installed=False), NoNames(), Node("n1", ""), counters,
        lambda: next(ids),
    )  # fmt: skip
    names = []
    for number in range(3):
        at_ns = EPOCH_NS + number * 1000
        query = Packet(at_ns, udp_frame(("10.0.0.1", 5000), ("10.0.0.2", 53), QUERY))
        answer = Packet(at_ns + 1, udp_frame(("10.0.0.2", 53), ("10.0.0.1", 5000), ANSWER))
        batch = batch_of([query, answer])
        names += [item["id"] for items in pipeline.items(batch, pipeline.packets(batch)) for item in items]
        assert [stream for stream in pipeline._table.register.objects if stream] == []
    assert [name.rpartition("/")[2] for name in names] == [f"000000000001_udp.pcap-{number}" for number in range(3)]
    assert pipeline.finish()[0]["packets"].tolist() == [6]


@pytest.mark.parametrize("carry", CARRIED.values(), ids=CARRIED.keys())
@pytest.mark.parametrize(
    "trace", ["http_keep_alive", "http_pipelined_and_chunked", "http_gap_in_body", "dns_exchanges"]
)
def test_items_do_not_depend_on_how_packets_are_carried(trace: str, carry: Carry, tmp_path: Path) -> None:
    packets = TRACES[trace]()
    carried = [
        Packet(packet.timestamp_ns, frame)
        for ident, packet in enumerate(packets)
        for frame in carry(packet.frame, ident)
    ]
    plain = items_of(write_pcap(tmp_path / "plain.pcap", packets))
    items = items_of(write_pcap(tmp_path / "carried.pcap", carried))
    assert [item.as_dict() for item in items] == [item.as_dict() for item in plain]
    assert plain


# ---- on demand ----------------------------------------------------------------------------------------------------


class Line:
    """A pipeline that is fed packets, dissecting or not."""

    def __init__(self) -> None:
        self.counters, ids = Counters(), itertools.count(1)
        options = StreamOptions(), DissectOptions(), load_rows(installed=False), NoNames(), Node("n1", "10.0.0.9")
        self.pipeline = Pipeline(*options, self.counters, lambda: next(ids))

    def feed(self, packets: Sequence[Packet], *, wanted: bool) -> list[tuple[str, int, str]]:
        batch = batch_of(packets)
        step = self.pipeline.packets(batch)
        items = [item for some in self.pipeline.items(batch, step) for item in some] if wanted else []
        if not wanted:
            self.pipeline.skip(batch, step)
        return told([*items, *self.pipeline.expire()[1]])


def told(items: Sequence[LazyItem]) -> list[tuple[str, int, str]]:
    """``(path, index, type of error)``."""
    return [
        ((item["request"] or {}).get("path", ""), item.index, (item["error"] or {}).get("type", "")) for item in items
    ]


def keep_alive(count: int) -> list[list[Packet]]:
    """One connection: a handshake, then a request and its response each."""
    conversation = talk()
    parts: list[list[Packet]] = []
    for number in range(count):
        conversation.client_says(get(f"/{number}")).server_says(answer("200 OK", b"body"))
        parts.append(conversation.packets[sum(len(part) for part in parts) :])
    return parts


def test_without_interest_no_payload_is_touched_and_every_packet_is_counted() -> None:
    line = Line()
    packets = in_time_order(*(trace() for trace in TRACES.values()))
    assert line.feed(packets, wanted=False) == []
    counters = line.counters
    assert counters.get("dissect_skipped_packets_total") == counters.get("streams_packets_total") == len(packets)
    assert counters.get("streams_payload_bytes_total") == counters.get("items_total") == 0
    assert line.pipeline.finish()[1] == []


def test_dissection_begins_in_the_middle_of_a_stream_and_goes_on_after_a_pause_with_the_next_index() -> None:
    line, parts = Line(), keep_alive(6)
    assert line.feed(parts[0], wanted=False) == []
    assert line.feed(parts[1], wanted=True) == [("/1", 0, "")]
    assert told(line.pipeline.pause()) == []
    assert line.feed(parts[2] + parts[3], wanted=False) == []
    assert line.feed(parts[4] + parts[5], wanted=True) == [("/4", 1, ""), ("/5", 2, "")]


def test_a_pause_tells_what_was_half_way() -> None:
    line, parts = Line(), keep_alive(2)
    assert line.feed(parts[0][:-1], wanted=True) == []
    assert told(line.pipeline.pause()) == [("/0", 0, "dissection")]
    assert line.feed(parts[0][-1:], wanted=False) == []
    assert line.feed(parts[1], wanted=True) == [("/1", 1, "")]
    assert told(line.pipeline.finish()[1]) == []


def test_what_waited_for_a_missing_packet_is_told_before_a_pause() -> None:
    line, conversation = Line(), talk()
    packets = conversation.client_says(get("/0")).server_says(answer("200 OK", b"x" * 4000)).packets
    assert line.feed([*packets[:5], *packets[6:]], wanted=True) == []
    assert line.counters.get("streams_held_bytes") > 0
    ((path, index, error),) = told(line.pipeline.pause())
    assert (path, index, error != "") == ("/0", 0, True)
    assert line.counters.get("streams_held_bytes") == 0


def test_late_packets_of_a_stream_that_ended_unwatched_begin_nothing() -> None:
    line, conversation = Line(), talk().client_says(get("/0")).server_says(answer("200 OK", b"")).finish()
    assert line.feed(conversation.packets, wanted=False) == []
    assert line.feed(conversation.packets[3:], wanted=True) == []
    assert told(line.pipeline.finish()[1]) == []
