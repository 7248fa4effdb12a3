"""Everything that is not TCP comes datagram by datagram."""

from __future__ import annotations

from dataclasses import replace

from tests.support.columns import START_NS
from tests.support.rig import CLIENT, SERVER, Rig, packed


def test_each_datagram_with_a_payload_is_a_chunk() -> None:
    query = replace(CLIENT, protocol=17, flags=0, payload=b"query", target_port=53)
    answer = replace(SERVER, protocol=17, flags=0, payload=b"ans", missing=3, source_port=53, timestamp_ns=START_NS + 1)
    rig = Rig()
    chunks = rig.feed([query, answer, replace(query, payload=b""), replace(query, payload=b"more")])
    assert packed(chunks) == [(0, b"query", 0), (1, b"ans", 3), (0, b"more", 0)]
    assert (chunks[1].starts, chunks[1].times_ns) == ([0], [START_NS + 1])
    assert rig.close() == []
    assert rig.balance() == (12, 12)


def test_a_repeated_datagram_is_told_again() -> None:
    datagram = replace(CLIENT, protocol=132, flags=0, payload=b"twice")
    assert packed(Rig().feed([datagram, datagram])) == [(0, b"twice", 0)] * 2
