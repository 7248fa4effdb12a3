from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.packets import Packet, fragments_of, write_pcap
from tests.support.traces import TRACES, items_of
from tests.support.tunnels import as_frame, carried_in, gtp, vxlan

Carry = Callable[[bytes, int], list[bytes]]

CARRIED: dict[str, Carry] = {
    "in a tunnel": lambda frame, _: [as_frame(gtp(carried_in(frame)))],
    "in two tunnels, turn by turn": lambda frame, ident: [as_frame((gtp, vxlan)[ident % 2](carried_in(frame)))],
    "in fragments": lambda frame, ident: fragments_of(frame, 24, ident=ident),
    "in fragments, the last one first": lambda frame, ident: fragments_of(frame, 24, ident=ident)[::-1],
    "in fragments of a tunnel": lambda frame, ident: fragments_of(as_frame(vxlan(carried_in(frame))), 48, ident=ident),
}


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
