"""At least twenty kills; ``make crash KILLS=300`` is the long run, and writes its table to docs/reliability.md."""

from __future__ import annotations

import gzip
from collections import Counter as Bag
from pathlib import Path

import pytest

from tests.crash.replay import VICTIMS, Frames, run
from tests.support.instance import SHOP, pcap_frames

pytestmark = pytest.mark.slow

KILLS = 4


def captured() -> Frames:
    return Bag(packet for path in SHOP.glob("*.gz") for packet in pcap_frames(gzip.decompress(path.read_bytes())))


@pytest.mark.parametrize("victim", VICTIMS)
def test_what_was_kept_arrives_once_whoever_is_killed(tmp_path: Path, victim: str) -> None:
    ran = run(tmp_path, victim, KILLS, seed=len(victim))
    assert ran.exit_code == 0, ran.output
    assert ran.kills == KILLS, ran.output
    assert (ran.lost, ran.doubled, ran.doubled_objects, ran.left) == (0, 0, 0, 0), ran.output
    assert ran.stored == captured(), "each packet of the capture is stored once"
    if victim != "worker":  # its successor dissects what comes, not what was stored
        assert ran.recorded == captured(), "as if nobody had been killed"
    assert ran.batches > 1
