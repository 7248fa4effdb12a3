"""``wrapper`` and ``test``, in a real host."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.scripthost import ITEM, HostEnds, Zygote, running_zygote

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with running_zygote() as process:
        yield process


def loaded(zygote: Zygote, body: str) -> HostEnds:
    host = zygote.spawn(f"def onItemCaptured(data):\n    {body}\n")
    host.ready()
    return host


def said(zygote: Zygote, expression: str) -> str:
    host = loaded(zygote, f"print({expression})")
    host.deliver(ITEM)
    (line,) = host.lines
    return line


def test_maps_are_joined_and_the_second_counts(zygote: Zygote) -> None:
    line = said(zygote, "json.dumps(wrapper.joinMaps({'a': 1, 'b': 1}, {'b': 2}))")
    assert json.loads(line.removeprefix("log: ")) == {"a": 1, "b": 2}


def test_an_archive_is_text(zygote: Zygote) -> None:
    found = json.loads(said(zygote, "wrapper.buildHAR([data, data])").removeprefix("log: "))
    assert [entry["request"]["method"] for entry in found["log"]["entries"]] == ["GET", "GET"]


@pytest.mark.parametrize(("verdict", "values"), [("pass_", "True False"), ("fail", "False True")])
def test_a_verdict_is_a_copy_that_says_so(zygote: Zygote, verdict: str, values: str) -> None:
    expression = f"(lambda one: (one['passed'], one['failed'], one['index'], data.passed))(test.{verdict}(data))"
    assert said(zygote, expression) == f"log: ({values.replace(' ', ', ')}, 0, None)"


RECORD = "wrapper.kflPcapS3(data, {'kflArr': ['dns', 'response.status == 200', 'http'], 'maxL4Streams': 2%s})"


def test_streams_of_each_filter_are_recorded_once_and_sealed_by_their_number(zygote: Zygote) -> None:
    host = loaded(zygote, RECORD % ", 'slackWebhook': 'https://hooks.example/x', 'verbose': True")
    host.deliver(ITEM, ITEM, {**ITEM, "stream": "000000000145.pcap", "response": {"status": 500}})
    calls = [call for call in host.asked if call[0] in ("pcap.record", "pcap.seal")]
    assert calls == [
        ("pcap.record", "000000000144.pcap", "kfl_1"),
        ("pcap.record", "000000000144.pcap", "kfl_2"),
        ("pcap.record", "000000000145.pcap", "kfl_2"),
        ("pcap.seal", "kfl_2"),
    ]
    assert host.lines == ["log: 2 streams of 'http' are on their way as kfl_2"]
    assert [call[1:3] for call in host.asked if call[0] == "vendor.slack"] == [("https://hooks.example/x", "Remora")]
    assert [call for call in host.asked if call[0].startswith("timers.")] == [
        ("timers.set", 1, 3_600_000.0),
        ("timers.set", 2, 3_600_000.0),
        ("timers.clear", 2),
    ]


def test_a_recording_is_sealed_when_its_time_is_over_and_begins_again(zygote: Zygote) -> None:
    host = loaded(zygote, RECORD % ", 'maxMinutes': 0.5")
    host.deliver(ITEM)
    assert host.run_timer(1).error == ""
    host.deliver(ITEM)
    about_one = [call for call in host.asked if call[-1] == "kfl_1"]
    assert [call[0] for call in about_one] == ["pcap.record", "pcap.seal", "pcap.record"]
    assert ("timers.set", 1, 30_000.0) in host.asked


def test_one_that_is_not_active_does_nothing(zygote: Zygote) -> None:
    host = loaded(zygote, RECORD % ", 'active': False")
    host.deliver(ITEM)
    assert host.asked == []


REFUSED = {
    "a bucket that is not ours": (
        "wrapper.kflPcapS3(data, {'kflArr': ['http'], 's3Bucket': 'b'})",
        "s3Bucket: uploads go where",
    ),
    "an option nobody knows": ("wrapper.kflPcapS3(data, {'kflArr': ['http'], 'minutes': 5})", "got 'minutes'"),
    "no filters": ("wrapper.kflPcapS3(data, {})", "kflArr: expected a list of 1 to 64 filters"),
    "a filter that is none": ("wrapper.kflPcapS3(data, {'kflArr': ['http and']})", "kfl: "),
    "no time": ("wrapper.kflPcapS3(data, {'kflArr': ['http'], 'maxMinutes': 0})", "expected numbers above 0"),
    "not a number": (
        "wrapper.kflPcapS3(data, {'kflArr': ['http'], 'maxMinutes': float('nan')})",
        "expected numbers above 0",
    ),
    "no item": (
        "wrapper.kflPcapS3({**data.as_dict(), 'stream': 5}, {'kflArr': ['http']})",
        "expected an item, which names",
    ),
    "an object with methods of its own": ("wrapper.joinMaps({'a': lambda: 1}, {})", "expected numbers, text"),
    "a list that is none": ("wrapper.buildHAR(data)", "expected a list of items, got Item"),
    "a verdict on nothing": ("test.fail(5)", "test.fail: expected an item or a dict, got int"),
}


@pytest.mark.parametrize(("call", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_done_is_an_error_in_words(zygote: Zygote, call: str, words: str) -> None:
    host = loaded(zygote, call)
    assert host.deliver(ITEM)[0] == 1
    assert words in host.lines[0]
    assert [name for name, *_ in host.asked if name == "pcap.record"] == []
