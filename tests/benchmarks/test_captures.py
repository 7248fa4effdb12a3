from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import dpkt
import pytest

from benchmarks.captures import PLANS, Capture, build
from engine.configure import configure
from engine.query import Query
from tests.support.packets import checksum

SCALE = 0.005


class Seen(NamedTuple):
    """A frame as dpkt reads it."""

    at: float
    frame: bytes
    ip: Any
    l4: Any
    vlan: bool

    @property
    def ends(self) -> tuple[bytes, int, bytes, int]:
        return self.ip.src, self.l4.sport, self.ip.dst, self.l4.dport


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("captures")


@pytest.fixture(params=PLANS, scope="module")
def capture(request: pytest.FixtureRequest, folder: Path) -> Capture:
    return build(request.param, folder, scale=SCALE)


def packets(capture: Capture) -> Iterator[Seen]:
    with capture.path.open("rb") as file:
        for at, frame in dpkt.pcap.Reader(file):
            ethernet = dpkt.ethernet.Ethernet(frame)
            yield Seen(at, frame, ethernet.data, ethernet.data.data, bool(getattr(ethernet, "vlan_tags", ())))


def transport_checksum(seen: Seen) -> int:
    """Zero where the one in the segment or datagram is right."""
    raw = seen.frame[-seen.ip.plen if isinstance(seen.ip, dpkt.ip6.IP6) else 20 - seen.ip.len :]
    return checksum(seen.ip.src + seen.ip.dst + bytes([0, seen.ip.p]) + len(raw).to_bytes(2, "big") + raw)


def test_the_file_holds_what_it_says_in_time_order(capture: Capture) -> None:
    times = [seen.at for seen in packets(capture)]
    assert len(times) == capture.packets
    assert times == sorted(times)


def test_every_checksum_is_right(capture: Capture) -> None:
    wrong = 0
    for seen in packets(capture):
        is_ipv4 = isinstance(seen.ip, dpkt.ip.IP)
        wrong += is_ipv4 and checksum(seen.frame[len(seen.frame) - seen.ip.len :][:20]) != 0
        wrong += transport_checksum(seen) != 0
    assert wrong == 0


def test_every_exchange_is_there_and_whole(capture: Capture) -> None:
    items = list(Query([str(capture.path)], configure(None, (), {}).settings, pytest.fail).items(None))
    assert len(items) == capture.http + capture.dns
    assert [item["error"] for item in items if item["error"]] == []


def test_tcp_timestamps_are_echoed(capture: Capture) -> None:
    latest: dict[tuple[bytes, int, bytes, int], int] = {}
    for seen in packets(capture):
        if isinstance(seen.l4, dpkt.tcp.TCP):
            options = dict(dpkt.tcp.parse_opts(seen.l4.opts))
            stamps = options[dpkt.tcp.TCP_OPT_TIMESTAMP]
            value, echo = int.from_bytes(stamps[:4], "big"), int.from_bytes(stamps[4:], "big")
            source, port, target, target_port = seen.ends
            assert value >= latest.get(seen.ends, 0)
            assert echo == latest.get((target, target_port, source, port), 0)
            latest[seen.ends] = value


def test_a_seed_makes_the_same_bytes_and_another_other_ones(tmp_path: Path) -> None:
    one = build("mixed", tmp_path / "one", scale=SCALE).path.read_bytes()
    assert build("mixed", tmp_path / "two", scale=SCALE).path.read_bytes() == one
    assert build("mixed", tmp_path / "one", scale=SCALE, seed=8).path.read_bytes() != one


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    first = build("dns", tmp_path, scale=SCALE)
    made_ns = first.path.stat().st_mtime_ns
    assert build("dns", tmp_path, scale=SCALE) == first
    assert first.path.stat().st_mtime_ns == made_ns


@pytest.mark.slow
def test_the_mixture_has_its_shares(folder: Path) -> None:
    seen = list(packets(build("mixed", folder, scale=0.05)))
    ordinary = [each for each in seen if each.l4.dport != 5201 and each.l4.sport != 5201]
    flows = {frozenset((each.ends[:2], each.ends[2:])): each for each in ordinary}
    assert 0.08 < sum(each.vlan for each in flows.values()) / len(flows) < 0.12
    assert 0.04 < sum(isinstance(each.ip, dpkt.ip6.IP6) for each in flows.values()) / len(flows) < 0.06
    late, with_payload, next_of = 0, 0, dict.fromkeys((each.ends for each in seen), 0)
    for each in seen:
        if isinstance(each.l4, dpkt.tcp.TCP) and each.l4.data:
            late += each.l4.seq < next_of[each.ends]
            with_payload += 1
            next_of[each.ends] = max(next_of[each.ends], each.l4.seq + len(each.l4.data))
    assert 0.002 < late / with_payload < 0.004


def test_a_scale_adds_time_as_well_as_conversations(folder: Path) -> None:
    spans = []
    for scale in (SCALE, SCALE * 4):
        times = [seen.at for seen in itertools.islice(packets(build("short", folder, scale=scale)), 10_000)]
        spans.append(times[-1] - times[0])
    assert 3 < spans[1] / spans[0] < 5
