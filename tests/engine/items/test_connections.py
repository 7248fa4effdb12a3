from __future__ import annotations

import itertools
import random
from collections import Counter
from typing import Any

import pytest

from engine import kfl
from engine.counters import Counters
from engine.dissect.options import DissectOptions
from engine.dissect.registry import load_rows
from engine.items.item import LazyItem
from engine.pipeline import Node, Pipeline
from engine.resolve.static import NoNames
from engine.streams.options import StreamOptions
from tests.support.packets import EPOCH_NS, Packet, TcpConversation, batch_of, in_time_order, udp_frame
from tests.support.traces import TRACES
from tests.support.traces_http import answer, get, talk

S = 1_000_000_000
CONNECTIONS = ["tcp-conn", "udp-conn"]


def pipeline(dissectors: list[str], **options: Any) -> Pipeline:
    ids = itertools.count(1)
    return Pipeline(
        StreamOptions(udp_timeout_s=300),
        DissectOptions(dissectors=dissectors, **options),
        load_rows(installed=False),
        NoNames(),
        Node("n1", "10.0.0.9"),
        Counters(),
        lambda: next(ids),
    )


def items_of(line: Pipeline, *batches: list[Packet]) -> list[dict[str, Any]]:
    items: list[LazyItem] = []
    for packets in batches:
        batch = batch_of(packets)
        items += itertools.chain.from_iterable(line.items(batch, line.packets(batch)))
        items += line.expire()[1]
    return [item.as_dict() for item in items + line.finish()[1]]


def told(items: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [
        (
            item["index"],
            item["protocol"]["abbr"],
            *(item["data"][key] for key in ("state", "reason", "clientPackets", "serverPackets", "l7")),
        )
        if "data" in item
        else (item["index"], item["protocol"]["abbr"])
        for item in items
    ]


def test_a_connection_is_told_when_it_opens_and_when_it_is_over() -> None:
    found = items_of(
        pipeline(["http", *CONNECTIONS]),
        talk().client_says(get("/1")).server_says(answer("200 OK", b"1")).finish().packets,
    )
    assert told(found) == [
        (0, "TCP-CONN", "open", "", 5, 3, []),
        (1, "HTTP"),
        (2, "TCP-CONN", "closed", "closed", 5, 3, ["HTTP"]),
    ]
    last = found[-1]
    assert (last["request"], last["response"], last["error"]) == (None, None, None)
    assert last["protocol"]["name"] == "tcp"
    assert last["data"]["clientBytes"] + last["data"]["serverBytes"] == last["requestSize"] + last["responseSize"]
    assert (last["data"]["durationNs"], last["elapsedTime"]) == (7_000_000, 7)
    assert last["data"]["endTime"] == "2023-11-14T22:13:20.007000000Z"
    assert last["startTime"] == found[0]["startTime"] == "2023-11-14T22:13:20.000000000Z"


def test_batch_by_batch_the_counts_grow() -> None:
    packets = talk().client_says(get("/1")).server_says(answer("200 OK", b"1")).finish().packets
    found = items_of(pipeline(["http", *CONNECTIONS]), *([packet] for packet in packets))
    assert told(found) == [
        (0, "TCP-CONN", "open", "", 1, 0, []),
        (1, "HTTP"),
        (2, "TCP-CONN", "closed", "closed", 4, 3, ["HTTP"]),  # the last acknowledgement came later
    ]


def test_resets_and_unanswered_handshakes_are_errors() -> None:
    reset = talk().client_says(b"x").reset().packets
    lonely = TcpConversation(("10.0.0.3", 1), ("10.0.0.2", 80)).handshake().packets[:1]
    found = [item for item in items_of(pipeline(CONNECTIONS), reset + lonely) if item["data"]["state"] == "closed"]
    assert [(item["data"]["reason"], item["error"]["msg"]) for item in found] == [
        ("reset", "the connection was reset"),
        ("half_open", "the handshake was not answered"),
    ]


def test_udp_ends_when_it_is_silent_or_the_capture_ends() -> None:
    lookups = TRACES["dns_exchanges"]()
    later = Packet(EPOCH_NS + 400 * S, udp_frame(("10.0.0.7", 50001), ("10.0.0.8", 9999), b"x"))
    found = items_of(pipeline(["dns", *CONNECTIONS]), lookups, [later])
    assert [row for row in told(found) if row[1] == "UDP-CONN"] == [
        (0, "UDP-CONN", "open", "", 3, 2, []),
        (0, "UDP-CONN", "open", "", 1, 0, []),
        (4, "UDP-CONN", "closed", "idle", 3, 2, ["DNS"]),
        (1, "UDP-CONN", "closed", "open", 1, 0, []),
    ]


@pytest.mark.parametrize(("interval_s", "times"), [(60.0, 4), (0.0, 0)])
def test_a_long_connection_is_told_once_in_each_interval(interval_s: float, times: int) -> None:
    stream = talk()
    for _ in range(300):
        stream.wait(S).client_says(b"\1")
    line = pipeline(CONNECTIONS, connection_interval_s=interval_s)
    found = items_of(line, *([packet] for packet in stream.packets))
    progress = [item for item in found if item["data"]["state"] == "in_progress"]
    assert len(progress) == times
    assert [item["index"] for item in found] == list(range(len(found)))
    sizes = [item["data"]["clientPackets"] for item in progress]
    assert sizes == sorted(sizes)
    gaps = {later - sooner for sooner, later in itertools.pairwise(sizes)}
    assert gaps <= {59, 60, 61}


def test_rows_take_turns() -> None:
    """Two hundred connections that all begin in the same second are not told in the same second."""
    talks = [TcpConversation(("10.0.0.1", 2000 + number), ("10.0.0.2", 9)).handshake() for number in range(200)]
    for _ in range(130):
        for each in talks:
            each.wait(S).client_says(b"\1")
    packets = in_time_order(*(each.packets for each in talks))
    line, per_step = pipeline(CONNECTIONS), Counter[int]()
    for number, at in enumerate(range(0, len(packets), 200)):
        batch = batch_of(packets[at : at + 200])
        list(line.items(batch, line.packets(batch)))
        per_step[number] = sum(item["data"]["state"] == "in_progress" for item in line.expire()[1])
    assert sum(per_step.values()) >= 200
    assert max(per_step.values()) <= 8


@pytest.mark.parametrize("seed", range(10))
def test_sides_are_counted_as_one_would_by_hand(seed: int) -> None:
    chance = random.Random(seed)
    sent: Counter[tuple[str, int, str]] = Counter()
    packets = []
    for number in range(400):
        port, from_client = 5000 + chance.randrange(12), chance.random() < 0.6
        client, server = (chance.choice(("10.0.0.1", "10.0.0.3")), port), ("10.0.0.2", 53)
        frame = udp_frame(*((client, server) if from_client else (server, client)), bytes(chance.randrange(50)))
        packets.append(Packet(EPOCH_NS + number, frame))
        side = "client" if from_client else "server"
        sent[client[0], port, f"{side}Packets"] += 1
        sent[client[0], port, f"{side}Bytes"] += len(frame)
    cuts = sorted(chance.sample(range(1, 400), 5))
    batches = [packets[begin:end] for begin, end in zip([0, *cuts], [*cuts, 400], strict=True)]
    over = [item for item in items_of(pipeline(CONNECTIONS), *batches) if item["data"]["state"] == "closed"]
    assert len(over) == len({key[:2] for key in sent})
    for item in over:
        for key in ("clientPackets", "clientBytes", "serverPackets", "serverBytes"):
            assert item["data"][key] == sent[item["src"]["ip"], int(item["src"]["port"]), key]


def test_where_connections_are_not_enabled_nothing_is_counted() -> None:
    line = pipeline(["http"])
    items_of(line, TRACES["http_keep_alive"]())
    assert line._table.sides is None
    assert line._connections is None


def test_nobody_is_told_while_nobody_wants_items() -> None:
    line = pipeline(CONNECTIONS)
    batch = batch_of(TRACES["http_keep_alive"]())
    line.skip(batch, line.packets(batch))
    assert line.finish()[1] == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("conn", 2),
        ("tcp_conn", 2),
        ("udp_conn", 0),
        ("tcp", 3),
        ("http", 1),
        ('data.state == "closed" and data.clientPackets > 3', 1),
        ('conn && conn_state == "open"', 1),
        ('conn && "HTTP" in conn_l7_detected && conn_remote_pkts == 3', 1),
        ("conn_local_bytes > 0 && conn_remote_bytes > 0", 2),
    ],
)
def test_filters_ask_for_connections(text: str, count: int) -> None:
    packets = talk().client_says(get("/1")).server_says(answer("200 OK", b"1")).finish().packets
    found = items_of(pipeline(["http", *CONNECTIONS]), packets)
    assert len(list(filter(kfl.compile(text).matches, found))) == count


def test_a_query_for_connections_still_finds_out_what_they_speak() -> None:
    line = pipeline(["http", *CONNECTIONS])
    line.want(kfl.compile('conn && "HTTP" in conn_l7_detected').protocols)
    packets = talk().client_says(get("/1")).server_says(answer("200 OK", b"1")).finish().packets
    assert items_of(line, packets)[-1]["data"]["l7"] == ["HTTP"]


def test_a_query_for_something_else_makes_no_items_of_connections() -> None:
    line = pipeline(["http", *CONNECTIONS])
    line.want(frozenset({"http"}))
    assert {item["protocol"]["name"] for item in items_of(line, TRACES["http_keep_alive"]())} == {"http"}
