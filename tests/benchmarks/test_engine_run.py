from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from benchmarks.captures import build
from benchmarks.engine_run import Run
from engine.configure import configure
from engine.items.encoding import unpack
from engine.query import Query


@pytest.mark.slow
def test_the_run_stores_every_packet_and_item_and_writes_what_query_says(tmp_path: Path) -> None:
    capture = build("mixed", tmp_path, scale=0.01)
    output = io.BytesIO()
    run = Run(tmp_path / "data", output)
    run.capture(capture.path)
    written = [json.loads(line) for line in output.getvalue().splitlines()]
    query = Query([str(capture.path)], configure(None, (), {}).settings, pytest.fail)
    assert [item["request"] for item in written] == [item["request"] for item in query.items(None)]
    assert len(written) == capture.http + capture.dns
    assert run.counters.get("segments_stored_total") == capture.packets
    assert run.counters.get("item_segments_stored_total") == len(written)
    stored = b"".join(path.read_bytes() for path in sorted((tmp_path / "data" / "items").glob("*.items")))
    assert unpack(stored[: _first_length(tmp_path / "data")])["id"] == written[0]["id"]


def _first_length(data: Path) -> int:
    index = min((data / "items").glob("*.idx")).read_bytes()
    return int.from_bytes(index[12:16], "little")
