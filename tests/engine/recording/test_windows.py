from __future__ import annotations

import random

import numpy as np
import pytest

from engine.recording.batch_state import NEVER_NS
from engine.recording.windows import Windows

TABLE = np.dtype([("stream", "<u8"), ("timestamp_ns", "<i8")])


@pytest.mark.parametrize("seed", range(40))
def test_masks_agree_with_asking_row_by_row(seed: int) -> None:
    chance = random.Random(seed)
    windows = Windows()
    wanted: dict[tuple[int, str], list[int]] = {}
    for _ in range(chance.randrange(12)):
        key = (chance.randrange(1, 9), chance.choice("abc"))
        bounds = sorted((chance.randrange(100), chance.randrange(100)))
        before = wanted.get(key, bounds)
        wanted[key] = [min(before[0], bounds[0]), max(before[1], bounds[1])]
        windows.add(*key, *bounds)
    rows = [(chance.randrange(1, 12), chance.randrange(100)) for _ in range(chance.randrange(60))]
    found = {recording: mask.tolist() for recording, mask in windows.masks(np.array(rows, TABLE))}
    for recording in "abc":
        slow = [
            (stream, recording) in wanted and wanted[stream, recording][0] <= time < wanted[stream, recording][1]
            for stream, time in rows
        ]
        assert found.get(recording, [False] * len(rows)) == slow
    assert set(windows.streams().tolist()) == {stream for stream, _ in wanted}


def test_a_stream_that_was_refused_is_in_no_window() -> None:
    windows = Windows()
    windows.add_all(1, {"refused": NEVER_NS, "kept": 5})
    rows = np.array([(1, 5), (1, NEVER_NS - 1)], TABLE)
    assert [recording for recording, _ in windows.masks(rows)] == ["kept"]
