from __future__ import annotations

import json
from typing import Any

from tests.support.scripthost import Zygote
from tests.support.scripts import FOLDER, http, start

FAILURES = "http and response.status >= 500"


def evidence(asked: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    return [json.loads(call[2]) for call in asked if call[:2] == ("file.append", "evidence.jsonl")]


def test_each_matching_stream_is_kept_once_and_its_evidence_written_when_it_has_ended(zygote: Zygote) -> None:
    host = start(zygote, "forensic_recorder", RECORDING_KFL=FAILURES, RECORDING_NAME="case")
    assert host.filters == [FAILURES]
    assert host.deliver(http(500, stream="000000000001.pcap"), http(503, stream="000000000001.pcap")) == (0, 2)
    assert host.deliver(http(500, stream="000000000002.pcap")) == (0, 1)
    assert [call for call in host.asked if call[0] == "pcap.record"] == [
        ("pcap.record", "000000000001.pcap", "case"),
        ("pcap.record", "000000000002.pcap", "case"),
    ]
    assert host.deliver("000000000001.pcap", "000000000099.pcap", kind=3) == (0, 0)
    (first,) = evidence(host.asked)
    assert (first["stream"], first["items"], first["pattern"]) == ("000000000001.pcap", 2, FAILURES)
    assert (first["client"], first["server"]) == ("10.0.0.1:51234", "10.0.0.2:80")
    assert host.shut_down() == ""
    assert [row["stream"] for row in evidence(host.asked)] == ["000000000001.pcap", "000000000002.pcap"]
    assert host.lines[-1] == "log: 2 streams kept in 'case' so far"


def test_it_seals_by_the_clock(zygote: Zygote) -> None:
    host = start(zygote, "forensic_recorder", RECORDING_KFL="http", RECORDING_CRON="0 0 * * * *")
    assert ("jobs.schedule", "ship", "0 0 * * * *", 0) in host.asked
    assert host.run_job("ship").error == ""
    assert ("pcap.seal", "forensics") in host.asked


def test_without_a_filter_it_is_idle_and_with_a_bad_one_refused(zygote: Zygote) -> None:
    host = start(zygote, "forensic_recorder")
    assert host.lines == ["log: RECORDING_KFL is not set, nothing is kept"]
    assert host.hooks == ["onStreamClosed", "onShutdown"]
    (reason,) = zygote.spawn(
        (FOLDER / "forensic_recorder.py").read_text(),
        environment={"RECORDING_KFL": "http and"},
        answers={"state.load": b""},
    ).refused()
    assert "RECORDING_KFL is no filter: 'http and'" in reason
