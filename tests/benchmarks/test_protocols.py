from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import items
from benchmarks.protocols import PEERS, packets_of
from tests.support.packets import write_pcap
from tests.support.traces import items_of

EXCHANGES = 128
CONNECTIONS = EXCHANGES // items.PER_CONNECTION


@pytest.mark.parametrize("kind", PEERS)
def test_a_capture_that_is_measured_holds_its_exchanges_and_all_of_them_are_whole(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(items, "EXCHANGES", EXCHANGES)
    path = write_pcap(tmp_path / "p.pcap", packets_of(items.kinds()[kind](), 2))
    found = items_of(path)
    assert len(found) == 2 * EXCHANGES
    assert not any(item["error"] for item in found)
    halves = len(found) - sum(bool(item["request"] and item["response"]) for item in found)
    assert halves == (len(found) - 2 * CONNECTIONS if kind.startswith("WebSocket") else 0), "messages have no answer"


def test_every_kind_has_a_peer() -> None:
    assert set(items.kinds()) == set(PEERS)
