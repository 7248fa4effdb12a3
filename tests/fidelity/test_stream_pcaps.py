"""A stream's own PCAP holds that stream's packets, and all of them together are the input minus what was dropped."""

from __future__ import annotations

import itertools
import subprocess
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.capture.sources import open_source
from engine.segments.reader import SegmentReader
from tests.fidelity.corpus import CORPUS, captures
from tests.support.instance import pcap_frames
from tests.support.line import Line
from tests.support.packets import Packet, pcap_bytes
from tests.support.reading import batches, packets_of

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
OWN = [*sorted(ROOT.glob("tests/traces/*.pcap")), *sorted(ROOT.glob("examples/*/captures/*.pcap*"))]
ALL = [*OWN, *(CORPUS / capture for capture in captures())]
FILES_AT_ONCE = 200
"""mergecap opens all of its inputs."""


class Stored:
    """A capture on the shelf, and what should be there."""

    def __init__(self, capture: Path, data: Path) -> None:
        self.line = Line(data)
        self.streams: defaultdict[tuple[int, int], list[Packet]] = defaultdict(list)
        """Packets of a stream and a link type, in the order of the capture."""
        self.packets_read = 0
        source = open_source(str(capture), 0)
        for batch in batches(source):
            step, _ = self.line.take(batch)
            packets = packets_of(batch)
            self.packets_read += len(packets)
            for packet, stream in zip(packets, step.assigned.stream_ids.tolist(), strict=True):
                if stream:
                    self.streams[stream, batch.link_type].append(packet)
        source.close()
        self.line.finish()


@pytest.mark.parametrize("capture", ALL, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_stream_pcaps_hold_their_packets_and_together_the_input(capture: Path, tmp_path: Path) -> None:
    stored = Stored(capture, tmp_path / "data")
    reader = SegmentReader(tmp_path / "data")
    paths: defaultdict[int, list[Path]] = defaultdict(list)
    for (stream, link_type), packets in stored.streams.items():
        path = tmp_path / f"{stream}-{link_type}.pcap"
        assert reader.materialise(stream, path, link_type) == len(packets)
        in_order = sorted(packets, key=lambda packet: packet.timestamp_ns)
        assert path.read_bytes()[24:] == pcap_bytes(in_order)[24:]
        paths[link_type].append(path)
    reader.close()
    stored.line.check_balance()
    together = [frame for some in paths.values() for frame in merged(some, tmp_path)]
    wanted = [(packet.timestamp_ns, packet.frame) for packets in stored.streams.values() for packet in packets]
    assert Counter(together) == Counter(wanted)
    assert len(together) == stored.packets_read - stored.line.counters.dropped("decode")


def merged(paths: Sequence[Path], folder: Path) -> list[tuple[int, bytes]]:
    """What mergecap makes of captures of one link type."""
    numbers = itertools.count()
    while len(paths) > 1:
        parts = [paths[first : first + FILES_AT_ONCE] for first in range(0, len(paths), FILES_AT_ONCE)]
        targets = [folder / f"merged-{next(numbers)}" for _ in parts]
        for part, target in zip(parts, targets, strict=True):
            subprocess.run(["mergecap", "-F", "nsecpcap", "-w", str(target), *map(str, part)], check=True)
        paths = targets
    frames = pcap_frames(paths[0].read_bytes())
    assert [time for time, _ in frames] == sorted(time for time, _ in frames)
    return frames
