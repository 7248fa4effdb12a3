"""HTTP exchanges as an HTTP Archive."""

from __future__ import annotations

from typing import Any

import pytest

from engine.scripting.har import archive

ITEM: dict[str, Any] = {
    "protocol": {"name": "http"},
    "stream": "000000000144.pcap",
    "startTime": "2026-11-20T13:09:10.000000001Z",
    "elapsedTime": 12,
    "dst": {"ip": "10.0.0.2"},
    "request": {
        "method": "POST",
        "url": "http://server/a?b=1&b=2",
        "httpVersion": "HTTP/1.1",
        "headers": {"Host": "server", "X": ["1", "2"]},
        "cookies": {},
        "queryString": {"b": ["1", "2"]},
        "headersSize": 40,
        "bodySize": 3,
        "postData": {"mimeType": "text/plain", "params": {"c": "d"}, "text": "c=d"},
    },
    "response": {"status": 201, "statusText": "Created", "headers": {}, "content": {"size": 2, "text": "ok"}},
}


def test_an_exchange_is_an_entry() -> None:
    log = archive([ITEM])["log"]
    (entry,) = log["entries"]
    assert (log["version"], entry["startedDateTime"], entry["time"]) == ("1.2", ITEM["startTime"], 12)
    assert entry["request"]["headers"] == [
        {"name": "Host", "value": "server"},
        {"name": "X", "value": "1"},
        {"name": "X", "value": "2"},
    ]
    assert [pair["value"] for pair in entry["request"]["queryString"]] == ["1", "2"]
    assert entry["request"]["postData"] == {
        "mimeType": "text/plain",
        "params": [{"name": "c", "value": "d"}],
        "text": "c=d",
    }
    assert (entry["response"]["status"], entry["response"]["content"]["text"]) == (201, "ok")
    assert (entry["response"]["bodySize"], entry["serverIPAddress"]) == (-1, "10.0.0.2")
    assert sum(entry["timings"].values()) == entry["time"]


def test_an_exchange_without_an_answer_is_one_and_what_is_no_http_is_none() -> None:
    unanswered = {**ITEM, "response": None}
    entries = archive([unanswered, {"protocol": {"name": "dns"}, "request": {}}, {**ITEM, "request": None}])["log"][
        "entries"
    ]
    assert [entry["response"]["status"] for entry in entries] == [0]


@pytest.mark.parametrize("odd", [None, 5, "x", [], b"x", {"status": "x", "content": 5, "headers": []}])
def test_whatever_a_script_made_of_an_item_has_an_entry(odd: Any) -> None:
    item = {**ITEM, "response": odd, "elapsedTime": odd, "dst": odd, "startTime": odd}
    assert len(archive([item])["log"]["entries"]) == 1
