from __future__ import annotations

import random
from pathlib import Path

import pytest

from engine.capture.files import open_file
from engine.capture.pacing import STEP_S, PacedSource
from tests.support.packets import EPOCH_NS, Packet, write_pcap
from tests.support.reading import packets_of, read_all

MS = 1_000_000


class Clock:
    """A clock that is set by hand."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def capture(tmp_path: Path, times_ms: list[int]) -> str:
    packets = [Packet(EPOCH_NS + ms * MS, bytes([number % 256]), 1) for number, ms in enumerate(times_ms)]
    return str(write_pcap(tmp_path / "x.pcap", packets))


def test_packets_come_out_when_they_are_due(tmp_path: Path) -> None:
    clock = Clock()
    source = PacedSource(open_file(capture(tmp_path, [0, 0, 100, 250]), 0), clock)
    out = []
    for now_s in (1000.0, 1000.099, 1000.101, 1000.249, 1000.251):
        clock.now_s = now_s
        batch = source.read()
        out.append([] if batch is None else [packet.frame[0] for packet in packets_of(batch)])
    assert out == [[0, 1], [], [2], [], [3]]


def test_it_says_when_the_next_packet_is_due(tmp_path: Path) -> None:
    clock = Clock()
    source = PacedSource(open_file(capture(tmp_path, [0, 1, 100]), 0), clock)
    source.read()
    assert source.due_s == pytest.approx(clock.now_s + STEP_S)
    clock.now_s = source.due_s
    source.read()
    assert source.due_s == pytest.approx(1000.1)
    clock.now_s = source.due_s + 0.001
    source.read()
    assert source.due_s == 0.0
    source.read()
    assert source.ended


def test_waiting_until_due_reads_everything(tmp_path: Path) -> None:
    clock = Clock()
    source = PacedSource(open_file(capture(tmp_path, list(range(0, 60_000, 7))), 0), clock)
    found = []
    while not source.ended:
        batch = source.read()
        found += packets_of(batch) if batch is not None else []
        clock.now_s = max(clock.now_s, source.due_s)
    assert len(found) == len(range(0, 60_000, 7))
    assert clock.now_s == pytest.approx(1060, abs=0.1)


@pytest.mark.parametrize("seed", range(20))
def test_no_packet_is_early_none_is_lost_and_each_batch_can_be_resumed(tmp_path: Path, seed: int) -> None:
    chance, clock = random.Random(seed), Clock()
    times_ms = [0] + [max(0, number * 10 + chance.randrange(-30, 30)) for number in range(200)]
    path = capture(tmp_path, times_ms)
    whole = read_all(open_file(path, 0))
    source = PacedSource(open_file(path, 0), clock)
    found: list[Packet] = []
    while not source.ended:
        batch = source.read()
        if batch is not None:
            found += packets_of(batch)
            assert max(packet.timestamp_ns for packet in found) <= EPOCH_NS + (clock.now_s - 1000) * 1e9 + 1
            assert found + read_all(open_file(path, 0, start=batch.resume)) == whole
        clock.now_s += chance.random() / 10
    assert found == whole
