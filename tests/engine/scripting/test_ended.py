from __future__ import annotations

import msgspec
import numpy as np

from engine.scripting.ended import EndedStreams
from engine.streams.register import ROW, Records


def rows(*streams: tuple[int, int]) -> Records:
    records = np.zeros(len(streams), ROW)
    records["id"], records["protocol"] = [number for number, _ in streams], [protocol for _, protocol in streams]
    return records


def names(entries: list[tuple[int, bytes]]) -> list[str]:
    return [msgspec.msgpack.decode(blob) for _, blob in entries]


def test_a_stream_is_told_once_when_nothing_of_it_can_come_any_more() -> None:
    ended = EndedStreams()
    assert names(ended.take(rows((1, 6), (2, 17), (3, 6)), {3})) == ["000000000001.pcap", "000000000002_udp.pcap"]
    assert names(ended.take(rows((4, 1)), {3})) == ["000000000004_icmp.pcap"]
    assert [number for number, _ in ended.take(rows((5, 6)), set())] == [3, 5]
    assert ended.take(rows(), set()) == []


def test_what_nobody_listens_to_is_forgotten() -> None:
    ended = EndedStreams()
    ended.take(rows((1, 6)), {1})
    ended.forget()
    assert ended.take(rows(), set()) == []
