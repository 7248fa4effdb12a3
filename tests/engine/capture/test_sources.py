from __future__ import annotations

from pathlib import Path

import pytest

from engine.capture.folder import CaptureSequence
from engine.capture.pacing import PacedSource
from engine.capture.pcapfile import PcapFile
from engine.capture.sources import open_source
from engine.errors import CaptureError
from tests.support.packets import EPOCH_NS, Packet, write_pcap
from tests.support.reading import read_all

PACKETS = [Packet(EPOCH_NS, b"one", 3), Packet(EPOCH_NS, b"two", 3)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "segments").mkdir()
    write_pcap(tmp_path / "x.pcap", PACKETS)
    write_pcap(tmp_path / "segments" / "00000001.pcap", PACKETS)
    return tmp_path


@pytest.mark.parametrize(
    ("spec", "kind"),
    [("{}/x.pcap", PcapFile), ("{}", CaptureSequence), ("data:{}", CaptureSequence)],
    ids=["file", "folder", "data folder"],
)
def test_an_argument_names_a_source(root: Path, spec: str, kind: type) -> None:
    source = open_source(spec.format(root), 0)
    assert type(source) is kind
    assert source.name == spec.format(root)
    assert source.can_wait
    assert (source.fileno(), source.lost()) == (-1, 0)
    assert read_all(source) == PACKETS


def test_a_paced_source_wraps_the_other(root: Path) -> None:
    source = open_source(f"{root}/x.pcap", 0, pace="realtime")
    assert type(source) is PacedSource
    assert read_all(source) == PACKETS


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        ("/nonexistent.pcap", {}, "/nonexistent.pcap: expected a capture"),
        ("data:/nonexistent", {}, "data:/nonexistent: expected a data folder"),
        ("iface:nonexistent0", {}, "iface:nonexistent0: expected"),
        ("-", {"start": 100}, "standard input; write it to a file"),
        ("x.pcap", {"pace": "slow"}, "--pace: expected max or realtime, got 'slow'"),
    ],
)
def test_what_is_no_source_is_refused_with_a_reason(spec: str, options: dict[str, int], message: str) -> None:
    with pytest.raises(CaptureError) as refusal:
        open_source(spec, 0, **options)  # type: ignore[arg-type]
    assert message in str(refusal.value)
