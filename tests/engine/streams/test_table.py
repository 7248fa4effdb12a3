"""The stream table: five-tuples, reuse, direction, states, timeouts."""

from __future__ import annotations

import ipaddress
import itertools
import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from engine.counters import Counters, Drop
from engine.streams.grouping import HASH_WORDS
from engine.streams.marks import LINGER_NS
from engine.streams.options import StreamOptions
from engine.streams.stream import Stream, format_address
from engine.streams.table import StreamTable
from tests.support.columns import ACK, FIN, RST, START_NS, SYN, Row, batch_of
from tests.support.slowtable import SlowStream, SlowTable
from tests.support.tabling import Followed, Table
from tests.support.traffic import cut_anywhere

S = 1_000_000_000
CLIENT = Row(source="10.0.0.1", source_port=40000, target="10.0.0.2", target_port=80)
SERVER = Row(source="10.0.0.2", source_port=80, target="10.0.0.1", target_port=40000)
SHAKE = [
    replace(CLIENT, flags=SYN, sequence=100),
    replace(SERVER, flags=SYN | ACK, sequence=900, acknowledgement=101),
    replace(CLIENT, sequence=101, acknowledgement=901),
]
REQUEST = replace(CLIENT, sequence=101, acknowledgement=901, payload=b"question")
RESPONSE = replace(SERVER, sequence=901, acknowledgement=109, payload=b"answer")
CLIENT_FIN = replace(CLIENT, flags=FIN | ACK, sequence=109, acknowledgement=907)
SERVER_FIN = replace(SERVER, flags=FIN | ACK, sequence=907, acknowledgement=110)
CLIENT_RST = replace(CLIENT, flags=RST, sequence=109)
SERVER_RST = replace(SERVER, flags=RST | ACK, sequence=0, acknowledgement=101)
LAST_ACK = replace(CLIENT, sequence=110, acknowledgement=908)
WHOLE = [*SHAKE, REQUEST, RESPONSE, CLIENT_FIN, SERVER_FIN, LAST_ACK]


def table(**options: float) -> tuple[Table, Counters]:
    counters = Counters()
    return Table(StreamOptions(**options), counters), counters  # type: ignore[arg-type]


def assign(rows: Sequence[Row], **options: float) -> Followed:
    return table(**options)[0].assign(batch_of(rows)[1])


def timed(rows: Sequence[Row], begin_ns: int = START_NS, step_ns: int = 1000) -> list[Row]:
    return [replace(row, timestamp_ns=begin_ns + index * step_ns) for index, row in enumerate(rows)]


def reused(rows: Sequence[Row], by: int) -> list[Row]:
    """The same conversation with other initial sequence numbers."""
    return [
        replace(row, sequence=row.sequence + by, acknowledgement=row.acknowledgement + by * bool(row.flags & ACK))
        for row in rows
    ]


def facts(stream: Stream) -> tuple[int, int, str, str]:
    return stream.packets, stream.payload_bytes, stream.state, stream.error


def test_both_directions_are_one_stream() -> None:
    assigned = assign(timed(WHOLE))
    assert [facts(stream) for stream in assigned.streams] == [(8, 14, "closed", "")]
    assert assigned.stream_ids.tolist() == [1] * 8
    assert assigned.from_client.tolist() == [True, False, True, True, False, True, False, True]
    assert assigned.started == assigned.ended == assigned.streams


def test_a_stream_knows_its_endpoints_and_times() -> None:
    (stream,) = assign(timed(WHOLE)).streams
    assert stream.client_ip == bytes(10) + b"\xff\xff" + bytes([10, 0, 0, 1])
    assert (stream.client_port, stream.server_port, stream.server_ip[-1]) == (40000, 80, 2)
    assert (stream.start_ns, stream.end_ns) == (START_NS, START_NS + 7000)
    assert stream.bytes == 8 * 54 + 14


def test_the_end_is_the_largest_time_when_the_clock_goes_back() -> None:
    rows = [replace(row, timestamp_ns=START_NS - index) for index, row in enumerate(SHAKE)]
    (stream,) = assign(rows).streams
    assert (stream.start_ns, stream.end_ns) == (START_NS, START_NS)


@pytest.mark.parametrize(
    ("rows", "state", "error"),
    [
        pytest.param(SHAKE[:1], "half_open", "", id="a SYN alone"),
        pytest.param([SHAKE[0], SHAKE[0]], "half_open", "", id="a SYN sent twice"),
        pytest.param(SHAKE[:2], "open", "", id="answered"),
        pytest.param([REQUEST], "open", "", id="without handshake"),
        pytest.param([*SHAKE, CLIENT_FIN], "open", "", id="one FIN"),
        pytest.param(WHOLE, "closed", "", id="FIN both ways"),
        pytest.param([SHAKE[0], SERVER_RST], "reset", "reset", id="refused"),
        pytest.param([*SHAKE, REQUEST, CLIENT_RST], "reset", "reset", id="reset"),
        pytest.param([*SHAKE, CLIENT_FIN, SERVER_RST], "reset", "reset", id="reset after one FIN"),
        pytest.param([*SHAKE, CLIENT_RST, CLIENT_FIN, SERVER_FIN], "reset", "reset", id="FINs after the reset"),
        pytest.param([*WHOLE, CLIENT_RST], "closed", "", id="reset after the end"),
    ],
)
def test_states_do_not_depend_on_where_the_batch_ends(rows: list[Row], state: str, error: str) -> None:
    for cut in range(len(rows)):
        streams, _ = table()
        first = streams.assign(batch_of(timed(rows)[:cut])[1])
        second = streams.assign(batch_of(timed(rows)[cut:])[1])
        (stream,) = second.streams
        assert (stream.state, stream.error, stream.packets) == (state, error, len(rows))
        assert len(first.started + second.started) == 1
        assert len(first.ended + second.ended) == (state in {"closed", "reset"})


@pytest.mark.parametrize(
    ("row", "client_port"),
    [
        pytest.param(SHAKE[0], 40000, id="SYN"),
        pytest.param(SHAKE[1], 40000, id="SYN-ACK"),
        pytest.param(replace(SHAKE[0], source_port=80, target_port=40000), 80, id="SYN from a low port"),
        pytest.param(RESPONSE, 40000, id="well-known port answers"),
        pytest.param(REQUEST, 40000, id="well-known port asked"),
        pytest.param(replace(REQUEST, source_port=5432), 5432, id="low port against well-known port"),
        pytest.param(replace(REQUEST, source_port=9092, target_port=40000), 40000, id="service port answers"),
        pytest.param(replace(REQUEST, source_port=40001, target_port=40000), 40001, id="two ephemeral ports"),
        pytest.param(replace(REQUEST, source_port=8080, target_port=9090), 8080, id="two service ports"),
        pytest.param(replace(REQUEST, source_port=53, target_port=5353, protocol=17, flags=0), 5353, id="UDP"),
        pytest.param(replace(REQUEST, source_port=7, target_port=9000, protocol=1, flags=0), 7, id="ICMP"),
        pytest.param(replace(REQUEST, source_port=7, target_port=8, protocol=1, flags=0), 7, id="ping"),
        pytest.param(replace(REQUEST, source_port=8, target_port=7, protocol=1, flags=0), 7, id="pong"),
        pytest.param(replace(REQUEST, source_port=128, target_port=8, protocol=58, flags=0), 8, id="pong of IPv6"),
        pytest.param(replace(REQUEST, source_port=128, target_port=8, protocol=1, flags=0), 128, id="ping, id 128"),
        pytest.param(replace(REQUEST, source_port=769, target_port=0, protocol=1, flags=0), 769, id="unreachable"),
        pytest.param(replace(REQUEST, source_port=546, target_port=547, protocol=17, flags=0), 546, id="DHCPv6 asked"),
        pytest.param(replace(REQUEST, source_port=547, target_port=546, protocol=17, flags=0), 546, id="DHCPv6 answer"),
        pytest.param(replace(REQUEST, source_port=67, target_port=68, protocol=17, flags=0), 68, id="DHCP answer"),
    ],
)
def test_who_is_the_client(row: Row, client_port: int) -> None:
    assigned = assign([row])
    assert assigned.streams[0].client_port == client_port
    assert assigned.from_client.tolist() == [row.source_port == client_port]


@pytest.mark.parametrize(
    ("rows", "packets"),
    [
        pytest.param([*WHOLE, *reused(WHOLE, 5000)], [8, 8], id="closed, then the port again"),
        pytest.param([*WHOLE, *reused(WHOLE, 50), *reused(WHOLE, 9)], [8, 8, 8], id="twice"),
        pytest.param([*SHAKE, SHAKE[0], REQUEST], [5], id="SYN retransmitted late"),
        pytest.param([*WHOLE, SHAKE[0]], [9], id="SYN duplicated after the end"),
        pytest.param([SHAKE[0], *reused(SHAKE[:1], 77)], [1, 1], id="SYN with another number, unanswered"),
        pytest.param([*SHAKE, *reused(SHAKE, 77)], [3, 3], id="SYN with another number, open"),
        pytest.param([SHAKE[1], SHAKE[0], SHAKE[2]], [3], id="SYN-ACK captured first"),
        pytest.param([REQUEST, SHAKE[0], RESPONSE], [3], id="data captured before its SYN"),
        pytest.param([RESPONSE, SHAKE[0]], [2], id="answer captured before the SYN"),
        pytest.param([REQUEST, replace(SHAKE[0], sequence=1 << 30)], [1, 1], id="data of another number before"),
        pytest.param([SHAKE[0], replace(SERVER, flags=SYN, sequence=900)], [2], id="simultaneous open"),
        pytest.param([*SHAKE, REQUEST, CLIENT_RST, *reused(WHOLE, 3000)], [5, 8], id="reset, then the port again"),
        pytest.param([*SHAKE, replace(SERVER, flags=SYN, sequence=4)], [3, 1], id="SYN the other way round"),
    ],
)
def test_a_new_syn_splits_wherever_the_batch_ends(rows: list[Row], packets: list[int]) -> None:
    for cut in range(len(rows)):
        streams, counters = table()
        assigned = [streams.assign(batch_of(part)[1]) for part in (timed(rows)[:cut], timed(rows)[cut:])]
        started = [stream for part in assigned for stream in part.started]
        ended = [stream for part in assigned for stream in part.ended]
        assert [stream.packets for stream in started] == packets
        assert [stream.id for stream in started] == list(range(1, len(packets) + 1))
        assert set(started) - set(ended) <= {started[-1]}
        assert len(ended) == len(set(ended)) == counters.get("streams_ended_total")
        assert counters.get("streams_live") == streams.live == len(started) - len(ended)


def test_groups_come_by_their_first_packet() -> None:
    ports = [40003, 40001, 40002, 40001, 40003, 40004]
    assigned = assign(timed([replace(CLIENT, source_port=port) for port in ports]))
    assert [stream.client_port for stream in assigned.streams] == [40003, 40001, 40002, 40004]
    assert assigned.order.tolist() == [0, 4, 1, 3, 2, 5]
    assert assigned.starts.tolist() == [0, 2, 4, 5]


def test_dropped_rows_belong_to_no_stream() -> None:
    rows = [replace(CLIENT, drop=int(Drop.NOT_IP)), CLIENT, replace(SERVER, drop=int(Drop.FRAGMENT)), SERVER]
    streams, counters = table()
    assigned = streams.assign(batch_of(rows)[1])
    assert assigned.stream_ids.tolist() == [0, 1, 0, 1]
    assert assigned.order.tolist() == [1, 3]
    assert counters.get("streams_packets_total") == 2


def test_a_batch_without_packets_is_fine() -> None:
    for rows in ([], [replace(CLIENT, drop=1)]):
        assigned = assign(rows)
        assert assigned.streams == []
        assert assigned.order.size == assigned.starts.size == assigned.from_client.size == 0
        assert assigned.stream_ids.tolist() == [0] * len(rows)


def test_protocols_and_address_families_are_kept_apart() -> None:
    rows = [
        CLIENT,
        replace(CLIENT, protocol=17, flags=0),
        replace(CLIENT, source="::a00:1", target="::a00:2"),
        replace(CLIENT, source="fd00::1", target="fd00::2"),
        replace(CLIENT, source="fd00::2", target="fd00::1"),
    ]
    assert [stream.packets for stream in assign(rows).streams] == [1] * 5


def test_a_collision_of_hashes_separates_streams_all_the_same() -> None:
    rows = timed([replace(CLIENT, source_port=40000 + index * 7 % 50) for index in range(500)])
    columns = batch_of(rows)[1]
    options, counters = StreamOptions(), Counters()
    honest = Table(options, counters).assign(columns)
    useless = np.zeros(HASH_WORDS, np.uint64)
    collided = Table(options, counters, useless).assign(columns)
    assert collided.order.tolist() == honest.order.tolist()
    assert collided.stream_ids.tolist() == honest.stream_ids.tolist()


@pytest.mark.parametrize(("protocol", "timeout_s"), [(6, 30), (17, 20), (1, 20)])
def test_idle_streams_end_after_their_protocols_timeout(protocol: int, timeout_s: int) -> None:
    streams, counters = table(tcp_timeout_s=30.0, udp_timeout_s=20.0)
    streams.assign(batch_of([replace(REQUEST, protocol=protocol)])[1])
    assert streams.expire(START_NS + timeout_s * S) == []
    (stream,) = streams.expire(START_NS + (timeout_s + 1) * S)
    assert facts(stream) == (1, 8, "idle", "")
    assert streams.live == counters.get("streams_live") == 0
    assert streams.expire(START_NS + 1000 * S) == streams.finish() == []


def test_a_packet_puts_the_timeout_off() -> None:
    streams, _ = table(tcp_timeout_s=30.0)
    streams.assign(batch_of([REQUEST])[1])
    streams.assign(batch_of([replace(RESPONSE, timestamp_ns=START_NS + 29 * S)])[1])
    assert streams.expire(START_NS + 58 * S) == []
    assert len(streams.expire(START_NS + 60 * S)) == 1


@pytest.mark.parametrize("one_batch", [True, False])
@pytest.mark.parametrize("expiring", [True, False])
@pytest.mark.parametrize(("pause_s", "packets"), [(29, [2]), (31, [1, 1])])
def test_a_packet_after_the_timeout_begins_a_stream(
    pause_s: int, packets: list[int], one_batch: bool, expiring: bool
) -> None:
    rows = [REQUEST, replace(RESPONSE, timestamp_ns=START_NS + pause_s * S)]
    streams, _ = table(tcp_timeout_s=30.0)
    started, ended = [], []
    for part in [rows] if one_batch else [rows[:1], rows[1:]]:
        assigned = streams.assign(batch_of(part)[1])
        started += assigned.started
        ended += assigned.ended + (streams.expire(part[-1].timestamp_ns) if expiring else [])
    assert [stream.packets for stream in started] == packets
    assert [stream.state for stream in ended] == ["idle"] * (len(packets) - 1)


@pytest.mark.parametrize("one_batch", [True, False])
@pytest.mark.parametrize(("pause_ns", "packets"), [(LINGER_NS - 1, [9]), (LINGER_NS + S, [8, 1])])
def test_late_packets_belong_to_the_closed_stream_for_a_while(
    pause_ns: int, packets: list[int], one_batch: bool
) -> None:
    rows = [*timed(WHOLE, step_ns=0), replace(SERVER_FIN, timestamp_ns=START_NS + pause_ns)]
    streams, _ = table()
    parts = [rows] if one_batch else [rows[:-1], rows[-1:]]
    started = [stream for part in parts for stream in streams.assign(batch_of(part)[1]).started]
    assert [stream.packets for stream in started] == packets


def test_a_closed_stream_is_forgotten_and_ends_once() -> None:
    streams, counters = table()
    assigned = streams.assign(batch_of(timed(WHOLE))[1])
    assert len(assigned.ended) == 1
    assert streams.expire(START_NS + LINGER_NS + 2 * S) == streams.finish() == []
    assert counters.get("streams_started_total") == counters.get("streams_ended_total") == 1


@pytest.mark.parametrize(
    ("rows", "finished", "expired"),
    [
        pytest.param(SHAKE[:1], ("half_open", "half_open"), ("idle", "half_open"), id="unanswered"),
        pytest.param(SHAKE, ("open", ""), ("idle", ""), id="answered"),
    ],
)
def test_a_syn_without_answer_is_an_error(rows: list[Row], finished: tuple[str, str], expired: tuple[str, str]) -> None:
    for end, expected in (("finish", finished), ("expire", expired)):
        streams, _ = table()
        streams.assign(batch_of(rows)[1])
        (stream,) = streams.finish() if end == "finish" else streams.expire(START_NS + 2000 * S)
        assert (stream.state, stream.error) == expected


def opened(ports: range, at_ns: int = START_NS) -> list[Row]:
    return timed([replace(REQUEST, source_port=50_000 + port) for port in ports], at_ns)


def test_too_many_streams_shed_those_that_were_silent_for_longest() -> None:
    streams, counters = table(max_streams=100)
    streams.assign(batch_of(opened(range(100)))[1])
    spoke = streams.assign(batch_of(opened(range(20), START_NS + S))[1])
    assert spoke.ended == []
    assigned = streams.assign(batch_of(opened(range(100, 130), START_NS + 2 * S))[1])
    shed = assigned.ended
    assert sorted(stream.client_port for stream in shed) == list(range(50_020, 50_051))  # 30, and one in advance
    assert {stream.state for stream in shed} == {"idle"}
    assert counters.get("streams_shed_total") == 31
    assert streams.live == counters.get("streams_live") == 99
    assert len(streams.finish()) == 99
    assert counters.get("streams_started_total") == counters.get("streams_ended_total") == 130


def test_a_shed_stream_that_goes_on_is_a_new_one_and_lingering_ones_go_first() -> None:
    streams, counters = table(max_streams=100)
    streams.assign(batch_of(timed(WHOLE))[1])
    streams.assign(batch_of(opened(range(100), START_NS + S))[1])
    assert counters.get("streams_shed_total") == 1  # besides the closed one, one in advance
    assigned = streams.assign(batch_of(opened(range(1), START_NS + 2 * S))[1])
    assert assigned.started == assigned.streams
    assert [stream.client_port for stream in assigned.ended] == []


def test_a_batch_of_more_streams_than_there_may_be_is_taken_whole() -> None:
    streams, counters = table(max_streams=10)
    assigned = streams.assign(batch_of(opened(range(500)))[1])
    assert len(assigned.started) == 500
    assert len(assigned.ended) == counters.get("streams_shed_total") == 490
    assert all(assigned.stream_ids)


def test_looking_for_idle_streams_is_put_off_until_one_can_be_due() -> None:
    streams, _ = table(tcp_timeout_s=30.0)
    streams.assign(batch_of([REQUEST])[1])
    looked = streams.table._look_ns
    assert looked == START_NS + 30 * S
    streams.assign(batch_of([replace(RESPONSE, timestamp_ns=START_NS + 20 * S)])[1])
    assert streams.expire(looked + 1) == []
    assert streams.table._look_ns == START_NS + 50 * S
    streams.assign(batch_of(timed(WHOLE[-3:], START_NS + 21 * S))[1])
    assert streams.table._look_ns == START_NS + 21 * S + LINGER_NS + 2000


def random_rows(chance: random.Random) -> list[Row]:
    """Packets of a few five-tuples that are used again and again, with every mixture of flags."""
    clients = [("10.0.0.1", 40000), ("10.0.0.1", 40001), ("10.0.0.9", 80), ("fd00::1", 5000)]
    servers = [("10.0.0.2", 80), ("10.0.0.9", 8080), ("fd00::2", 5000)]
    rows, now_ns = [], START_NS
    for _ in range(chance.randrange(150)):
        ends = [chance.choice(clients), chance.choice(servers)]
        chance.shuffle(ends)
        now_ns += chance.choice([0, 1000, 1000, S, 11 * S, 40 * S])
        flags = chance.choice([ACK, ACK, ACK, SYN, SYN, SYN | ACK, FIN | ACK, FIN | ACK, RST, RST | ACK, SYN | FIN, 0])
        row = Row(
            *ends[0],
            *ends[1],
            flags=flags,
            sequence=chance.choice([5, 6, 7, 100, 1 << 30]),
            acknowledgement=chance.choice([6, 7, 1 << 30]),
            payload=bytes(chance.randrange(3)),
            timestamp_ns=now_ns - chance.choice([0, 0, 0, 2 * S]),
        )
        rows.append(row if chance.random() < 0.8 else replace(row, protocol=17, flags=0))
    return rows


@pytest.mark.parametrize("seed", range(150))
def test_the_table_agrees_with_the_slow_one_wherever_batches_are_cut(seed: int) -> None:
    chance = random.Random(seed)
    rows = random_rows(chance)
    slow = SlowTable(30 * S)
    expected = slow.take(rows)
    for pieces in (1, 2, 10):
        streams, counters = table(tcp_timeout_s=30.0, udp_timeout_s=30.0)
        started: list[Stream] = []
        ended: list[Stream] = []
        same: dict[int, int] = {}
        taken: list[int] = []
        for part in cut_anywhere(chance, rows, pieces):
            assigned = streams.assign(batch_of(part)[1])
            taken += assigned.stream_ids.tolist()
            started += assigned.started
            ended += assigned.ended
            check_bundles(assigned, part)
        for mine, theirs in zip(taken, expected, strict=True):
            assert same.setdefault(theirs, mine) == mine
        assert len(set(same.values())) == len(same) == len(started)
        by_id = {stream.id: stream for stream in started}
        for other in slow.streams:
            check_stream(by_id[same[other.id]], other)
        assert set(ended).isdisjoint(left := streams.finish())
        assert len(started) == len(ended) + len(left) == counters.get("streams_ended_total")
        assert counters.get("streams_packets_total") == len(rows)


def check_bundles(assigned: Followed, rows: Sequence[Row]) -> None:
    """Bundles are whole, in order, and each packet has its direction."""
    bounds = [*assigned.starts.tolist(), len(rows)]
    assert sorted(assigned.order.tolist()) == list(range(len(rows)))
    firsts = []
    for stream, begin, end in zip(assigned.streams, bounds[:-1], bounds[1:], strict=True):
        members = assigned.order[begin:end].tolist()
        assert members == sorted(members)
        assert set(assigned.stream_ids[members].tolist()) == {stream.id}
        firsts.append(members[0])
        for row, from_client in zip(members, assigned.from_client[begin:end].tolist(), strict=True):
            sender = rows[row].source, rows[row].source_port
            assert from_client == (sender == (format_address(stream.client_ip), stream.client_port))
    assert firsts == sorted(firsts)


def check_stream(mine: Stream, other: SlowStream) -> None:
    assert (format_address(mine.client_ip), mine.client_port) == other.client
    assert mine.packets == len(other.rows)
    assert mine.payload_bytes == sum(len(row.payload) for row in other.rows)
    assert (mine.start_ns, mine.end_ns) == (other.rows[0].timestamp_ns, other.end_ns)
    if other.ended:
        assert (mine.state, mine.error) == (other.state, other.error)
    else:
        assert mine.state in {other.state, "idle"}


@pytest.mark.parametrize("hash_words", [None, np.zeros(HASH_WORDS, np.uint64) | np.uint64(1)], ids=["keyed", "weak"])
def test_a_stream_is_found_by_its_ends_whoever_is_asked_for_first(hash_words: np.ndarray | None) -> None:
    """Also where hashes collide; reused five-tuples lead to their newest stream, forgotten ones to none."""
    chance = random.Random(5)
    numbers = itertools.count(1)
    known = StreamTable(StreamOptions(), Counters(), lambda: next(numbers), hash_words)
    rows = [
        replace(
            CLIENT,
            source=chance.choice(("10.0.0.1", "fd00::1", "255.0.0.1")),
            target=chance.choice(("10.0.0.2", "fd00::2", "0.0.0.1")),
            source_port=chance.randrange(65536),
            protocol=chance.choice((6, 17, 132)),
        )
        for _ in range(500)
    ]
    rows = [row for row in rows if (":" in row.source) == (":" in row.target)]
    batch = batch_of(timed(rows))[1]
    ids = known.assign(batch).stream_ids.tolist()
    for row, number in zip(rows, ids, strict=True):
        ends = ends_of(row)
        for one, other in (ends, ends[::-1]):
            found, name = known.find(row.protocol, one, other)
            assert found == number
            assert name.startswith(f"{number:012d}")
        assert known.find(row.protocol, ends[0], (ends[1][0], 7)) == (0, "")
    known.finish()
    assert known.find(rows[0].protocol, *ends_of(rows[0])) == (0, "")


def address_of(text: str) -> bytes:
    parsed = ipaddress.ip_address(text)
    return parsed.packed if parsed.version == 6 else bytes(10) + b"\xff\xff" + parsed.packed


def ends_of(row: Row) -> tuple[tuple[bytes, int], tuple[bytes, int]]:
    return (address_of(row.source), row.source_port), (address_of(row.target), row.target_port)
