"""What one direction tells when segments come out of order, twice, overlapping, cut or not at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.columns import ACK, FIN, RST, Row
from tests.support.rig import CLIENT, SERVER, SHAKE, Packed, Rig, joined, packed, says

WRAP = 1 << 32


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([says(CLIENT, 0, b"ab"), says(CLIENT, 2, b"cd")], [(0, b"abcd", 0)], id="one run"),
        pytest.param(
            [says(CLIENT, 0, b"ab"), says(SERVER, 0, b"x"), says(CLIENT, 2, b"cd")],
            [(0, b"ab", 0), (1, b"x", 0), (0, b"cd", 0)],
            id="a run ends when the other side speaks",
        ),
        pytest.param(
            [says(CLIENT, 2, b"cd"), says(SERVER, 0, b"x"), says(CLIENT, 0, b"ab")],
            [(1, b"x", 0), (0, b"abcd", 0)],
            id="held until what is before it comes",
        ),
        pytest.param([says(CLIENT, 0, b"abcd"), says(CLIENT, 2, b"XXef")], [(0, b"abcdef", 0)], id="first one wins"),
        pytest.param([says(CLIENT, 2, b"cd"), says(CLIENT, 0, b"XXXXXX")], [(0, b"XXcdXX", 0)], id="held one wins"),
        pytest.param(
            [says(CLIENT, 1, b"b"), says(CLIENT, 3, b"d"), says(CLIENT, 5, b"f"), says(CLIENT, 0, b"XXXXXXX")],
            [(0, b"XbXdXfX", 0)],
            id="between what is held",
        ),
        pytest.param([says(CLIENT, 0, b"ab"), says(CLIENT, 1, b"0")], [(0, b"ab", 0)], id="keep-alive"),
        pytest.param(
            [says(CLIENT, 0, b"ab", missing=3), says(CLIENT, 5, b"f")], [(0, b"ab", 0), (0, b"f", 3)], id="cut"
        ),
        pytest.param([says(CLIENT, 0, b"ab", missing=3)], [(0, b"ab", 0), (0, b"", 3)], id="cut at the end"),
        pytest.param([says(CLIENT, 0, b"", missing=3), says(CLIENT, 3, b"d")], [(0, b"d", 3)], id="cut off whole"),
        pytest.param([says(CLIENT, 3, b"d")], [(0, b"d", 3)], id="a gap at the start"),
        pytest.param(
            [says(CLIENT, 0, b"a"), says(CLIENT, 4, b"", flags=FIN | ACK)],
            [(0, b"a", 0), (0, b"", 3)],
            id="a gap at the end",
        ),
        pytest.param([says(CLIENT, 0, b"a"), says(CLIENT, 1, b"why", flags=RST)], [(0, b"a", 0)], id="text in a reset"),
        pytest.param([says(CLIENT, 0, b"a", flags=FIN | ACK)], [(0, b"a", 0)], id="data with the FIN"),
        pytest.param(
            [says(CLIENT, 1, b"b", flags=FIN | ACK), says(CLIENT, 0, b"a"), says(CLIENT, 1, b"b", flags=FIN | ACK)],
            [(0, b"ab", 0)],
            id="FIN before the data",
        ),
    ],
)
@pytest.mark.parametrize("one_batch", [True, False])
def test_what_is_told_after_a_handshake(rows: list[Row], expected: Packed, one_batch: bool) -> None:
    rig = Rig()
    parts = [[*SHAKE, *rows]] if one_batch else [SHAKE, *([row] for row in rows)]
    chunks = [chunk for part in parts for chunk in rig.feed(part)] + rig.close()
    assert joined(chunks) == expected
    assert len(set(rig.balance())) == 1


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([says(CLIENT, 7, b"hi"), says(CLIENT, 9, b"!")], b"hi!", id="in the middle of a stream"),
        pytest.param([says(CLIENT, 0, b""), says(CLIENT, 7, b"hi")], b"hi", id="an acknowledgement begins nothing"),
        pytest.param([SHAKE[1], says(CLIENT, 2, b"c"), says(CLIENT, 0, b"ab")], b"abc", id="SYN not seen"),
        pytest.param([says(CLIENT, 0, b"ab"), SHAKE[0]], b"ab", id="SYN seen after the data"),
        pytest.param([replace(SHAKE[0], payload=b"early"), says(CLIENT, 5, b" bird")], b"early bird", id="data on SYN"),
        pytest.param(
            [replace(SHAKE[0], payload=b"early"), SHAKE[1], says(CLIENT, 0, b"early")],
            b"early",
            id="data on SYN, not taken",
        ),
        pytest.param(
            [
                replace(SHAKE[0], sequence=WRAP - 3),
                says(CLIENT, 0, b"over", sequence=WRAP - 2),
                says(CLIENT, 0, b"flow", sequence=2),
            ],
            b"overflow",
            id="sequence numbers wrap in order",
        ),
        pytest.param(
            [
                replace(SHAKE[0], sequence=WRAP - 3),
                says(CLIENT, 0, b"flow", sequence=2),
                says(CLIENT, 0, b"over", sequence=WRAP - 2),
            ],
            b"overflow",
            id="sequence numbers wrap out of order",
        ),
    ],
)
@pytest.mark.parametrize("one_batch", [True, False])
def test_how_streams_begin(rows: list[Row], expected: bytes, one_batch: bool) -> None:
    rig = Rig()
    chunks = [chunk for part in ([rows] if one_batch else [[row] for row in rows]) for chunk in rig.feed(part)]
    assert joined(chunks + rig.close()) == [(0, expected, 0)]


def test_a_stream_that_was_repaired_takes_the_quick_path_again() -> None:
    rig = Rig()
    rig.feed([*SHAKE, says(CLIENT, 2, b"cd"), says(CLIENT, 0, b"ab")])
    client, server = rig.streams[0].reassembly
    assert client.ordinary
    assert server.ordinary
    assert packed(rig.feed([says(CLIENT, 4, b"ef"), says(SERVER, 0, b"x")])) == [(0, b"ef", 0), (1, b"x", 0)]
