"""Every hook, filter and kept value of scripts in a whole instance."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tests.support.instance import SHOP, Instance, remora

pytestmark = pytest.mark.slow

EVERYTHING = """
# Everything
seen = {"items": 0, "packets": 0, "closed": 0, "after": 0, "failures": 0}
closed = set()

def onItemCaptured(data):
    seen["items"] += 1
    if data.stream in closed:
        seen["after"] += 1

@on_item(filter="http and response.status >= 500")
def failures(data):
    assert data.response.status >= 500
    seen["failures"] += 1

def onPacketCaptured(info):
    seen["packets"] += 1

def onStreamClosed(stream):
    seen["closed"] += 1
    closed.add(stream)
    if seen["closed"] <= 20:
        file.copy(pcap.path(stream), stream)

def onJobPassed(tag, cron, limit):
    console.log("passed", tag, cron, limit)

def onJobFailed(tag, cron, limit, err):
    console.log("failed", tag, err)

def fail():
    raise ValueError("on purpose")

def onShutdown():
    state["runs"] = state.get("runs", 0) + 1
    print(json.dumps(seen | {"runs": state["runs"]}))

jobs.schedule("good", "0 0 0 1 1 *", len, 0, "")
jobs.schedule("bad", "0 0 0 1 1 *", fail)
"""
FILTERED = """
count = 0

@on_item(filter="http and response.status >= 500")
def failures(data):
    global count
    count += 1

def onShutdown():
    print("only", count)
"""
EARS = """
heard = []

def onLogCall(level, msg):
    heard.append(msg)

def onShutdown():
    print("heard", [msg for msg in heard if msg.startswith(("passed", "failed"))])
"""


def said(output: str, script: str) -> list[str]:
    return [line.split("] ", 1)[1] for line in output.splitlines() if f"-{script}] " in line]


def test_hooks_filters_and_state_over_two_runs(tmp_path: Path) -> None:
    scripts = {"everything.py": EVERYTHING, "filtered.py": FILTERED}
    matching = remora("query", str(SHOP), "--kfl", "http and response.status >= 500").stdout.splitlines()
    items = remora("query", str(SHOP)).stdout.splitlines()
    streams = remora("streams", str(SHOP)).stdout.splitlines()
    for run in (1, 2):
        instance = Instance(tmp_path, str(SHOP), scripts=scripts)
        assert instance.wait() == 0, instance.output()
        *told, total = said(instance.output(), "everything.py")[-3:]
        assert sorted(told) == ["failed bad line 32: ValueError: on purpose", "passed good 0 0 0 1 1 * 0"]
        seen = json.loads(total)
        assert (seen["items"], seen["failures"], seen["closed"]) == (len(items), len(matching), len(streams))
        assert (seen["after"], seen["runs"]) == (0, run)
        assert seen["packets"] > 1000
        assert said(instance.output(), "filtered.py")[-1] == f"only {len(matching)}"
        instance.close()
    assert len(list((tmp_path / "data/scripts/everything.py/work").iterdir())) == 40, "of each run"


WATCH = "def onItemCaptured(data):\n    pass\ndef onItemQueried(data):\n    console.log('queried', data.id)\n"
TALK = "def tick():\n    console.log('tick')\njobs.schedule('tick', '* * * * * *', tick)\n"
LISTEN = "def onLogCall(level, msg):\n    console.log('heard', level, msg)\n"


def test_a_fetched_item_and_a_written_line_reach_the_scripts_that_listen(tmp_path: Path) -> None:
    growing = tmp_path / "in"
    growing.mkdir()
    (growing / "one.pcap").write_bytes(gzip.decompress((SHOP / "shop.pcap.gz").read_bytes()))
    scripts = {"watch.py": WATCH, "talk.py": TALK, "listen.py": LISTEN}
    instance = Instance(tmp_path, str(growing), "--follow", scripts=scripts)
    instance.until(lambda status: status["counters"].get("scripts_delivered_total", 0) > 10)
    item = json.loads(remora("query", str(SHOP)).stdout.splitlines()[0])
    shown = remora("show", item["id"], "--data", str(tmp_path / "data"))
    assert shown.returncode == 0, shown.stderr
    found = json.loads(shown.stdout)["id"]
    instance.until(lambda _: f"queried {found}" in instance.output() and "heard log tick" in instance.output())
    assert "heard log heard" not in instance.output(), "what a listener writes is told to nobody"
    assert instance.stop() == 0, instance.output()
    instance.close()


HIDES = """
def onItemQueried(data):
    shown = data.as_dict()
    shown["request"]["path"] = "/hidden"
    return shown
"""
JUDGES = "def onItemQueried(data):\n    return test.fail(data) if data.protocol.name == 'http' else test.pass_(data)\n"
SLEEPS = "def onItemQueried(data):\n    time.sleep(30)\n"
BREAKS = "def onItemQueried(data):\n    raise ValueError('on purpose')\n"


def test_what_scripts_return_for_a_fetched_item_is_what_is_shown(tmp_path: Path) -> None:
    growing = tmp_path / "in"
    growing.mkdir()
    (growing / "one.pcap").write_bytes(gzip.decompress((SHOP / "shop.pcap.gz").read_bytes()))
    scripts = {"hides.py": HIDES, "judges.py": JUDGES, "breaks.py": BREAKS}
    scripts["all.py"] = "def onItemCaptured(data):\n    pass\n"
    instance = Instance(tmp_path, str(growing), "--follow", scripts=scripts)
    data = ("--data", str(tmp_path / "data"))
    total = len(remora("query", str(SHOP)).stdout.splitlines())
    instance.until(
        lambda status: status["counters"].get("items_total", 0) > total * 0.9 and len(status["scripts"]) == 4
    )
    stored = [json.loads(line) for line in remora("query", *data, "--as-stored").stdout.splitlines()]
    queried = remora("query", *data)
    shown = [json.loads(line) for line in queried.stdout.splitlines()]
    assert queried.stderr == ""
    assert len(shown) == len(stored) > 100
    for item, before in zip(shown, stored, strict=True):
        is_http = before["protocol"]["name"] == "http"
        assert (item["failed"], item["passed"]) == (is_http, not is_http)
        expected = {**before, "failed": is_http, "passed": not is_http}
        assert item == {**expected, "request": {**before["request"], "path": "/hidden"}}
    one = next(item for item in stored if item["protocol"]["name"] == "http")
    assert json.loads(remora("show", one["id"], *data).stdout)["request"]["path"] == "/hidden"
    assert json.loads(remora("show", one["id"], *data, "--as-stored").stdout)["request"] == one["request"]
    (tmp_path / "scripts/sleeps.py").write_text(SLEEPS)
    instance.until(lambda status: status["scripts"].get("sleeps.py", {}).get("state") == "running")
    late = remora("show", one["id"], *data)
    assert "script 'sleeps.py' did not answer in time" in late.stderr
    assert json.loads(late.stdout)["request"]["path"] == "/hidden"
    assert instance.stop() == 0, instance.output()
    assert "breaks.py:ERROR] onItemQueried: line 2: ValueError: on purpose" in instance.output()
    assert remora("query", *data).stdout == remora("query", *data, "--as-stored").stdout, "nobody runs any more"
    instance.close()
