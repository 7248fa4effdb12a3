"""Live capture from a veth pair between two network namespaces that the test makes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.instance import Instance, Recording, clean, command
from tests.support.netspaces import INSIDE, NEEDED, netspaces

pytestmark = [pytest.mark.slow, *NEEDED]

REQUESTS = 40
KEEP = """
def onItemCaptured(data):
    if kfl.match("http and request.path == r'^/page'", data):
        pcap.record(data.stream, "live")
"""


def test_live_traffic_is_captured_recorded_and_shipped(tmp_path: Path) -> None:
    with netspaces(1, tmp_path) as spaces:
        inside = (*INSIDE, spaces.server)
        # A minute of grace, of which nothing is used but what a busy machine needs.
        instance = Instance(tmp_path, "--interface", "ve0", scripts={"keep.py": KEEP}, wrapper=inside, grace="60s")
        try:
            instance.until(lambda _: "script 'keep.py' loaded" in instance.output())
            spaces.request(0, 0, REQUESTS)
            assert instance.stop() == 0, instance.output()
        finally:
            instance.close()
    recording = Recording(tmp_path / "data/recordings", "live")
    numbers = sorted(int(item["request"]["url"].partition("?")[2]) for item in recording.lines("items"))
    assert numbers == [number for number in range(REQUESTS) if number % 4]
    assert sum(row["packets"] for row in recording.lines("streams")) == len(recording.frames())
    assert all(row["state"] == "closed" for row in recording.lines("streams"))


SLOW = f"""
copied = set()


@on_item("http")
def slowly(data):
    time.sleep(0.25)
    file.copy(pcap.path(data.stream), data.stream)
    copied.add(data.stream)
    if len(copied) == {REQUESTS}:
        print("copied all, dropped", stats.dropped)


def look():
    if len(copied) == {REQUESTS}:
        file.copy(pcap.path(min(copied)), "again.pcap")


jobs.schedule("look", "* * * * * *", look)
"""


def _is_over(counters: dict[str, int]) -> bool:
    """Whether the worker has told of the last item of each script; "expired" is told by another process."""
    names = ("script_delivered_total{script=", "script_dropped_total{reason=script_queue_full,script=")
    done = [sum(counters.get(f"{name}{script}.py}}", 0) for name in names) for script in ("all", "small", "newest")]
    return done == [REQUESTS] * 3 and counters["segments_leases"] == 0


def test_leases_hold_while_a_lossless_script_lags_and_what_memory_does_not_hold_is_counted(tmp_path: Path) -> None:
    """A quarter of a second per item: the last is ten seconds late, where packets live for one and segments for six."""
    own = "{all.py: {lossless: true}, small.py: {lossless: true, queueMemory: 8Ki}}"
    sets = ("tap.misc.pcapTTL=1s", "tap.misc.pcapErrorTTL=1s", "pcapdump.enabled=false", "scripting.queue=5")
    scripts = {"all.py": SLOW, "small.py": SLOW, "newest.py": SLOW}
    with netspaces(1, tmp_path) as spaces:
        inside = (*INSIDE, spaces.server)
        sets_of_all = (*sets, f"scripting.scripts={own}")
        instance = Instance(tmp_path, "--interface", "ve0", scripts=scripts, sets=sets_of_all, wrapper=inside)
        try:
            instance.until(lambda _: instance.output().count(" loaded: ") == len(scripts))
            spaces.request(0, 0, REQUESTS)
            instance.until(lambda _: "expired" in instance.output())
            assert "all.py] copied all, dropped 0" in instance.output()
            counters = instance.until(lambda status: _is_over(status["counters"]))["counters"]
            assert instance.stop() == 0, instance.output()
        finally:
            instance.close()
    delivered, dropped = (
        {name: counters.get(f"script_{total}{name}.py}}", 0) for name in ("all", "small", "newest")}
        for total in ("delivered_total{script=", "dropped_total{reason=script_queue_full,script=")
    )
    assert (delivered["all"], dropped["all"]) == (REQUESTS, 0)
    for name in ("small", "newest"):
        assert dropped[name] > 0, name
        assert delivered[name] + dropped[name] == REQUESTS, name
    assert sum(counters.get(f"script_errors_total{{script={name}.py}}", 0) for name in delivered) == 0
    assert counters["segments_leases"] == 0


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv of the package util-linux")
def test_without_the_right_to_capture_it_says_what_is_needed(tmp_path: Path) -> None:
    stripped = ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"]
    arguments = command("run", "iface:lo", "--data", str(tmp_path / "data"))
    result = subprocess.run([*stripped, *arguments], env=clean(), capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "iface:lo: expected the right to capture, got none; run as root or with CAP_NET_RAW" in result.stderr
    assert "Traceback" not in result.stderr
