"""`remora query --scripts`: what a query finds passes scripts that nobody else runs."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.instance import PATIENCE_S, SHOP, clean, command, remora
from tests.support.recordings import make

pytestmark = pytest.mark.slow

JUDGES = """
seen = []


def onItemQueried(data):
    if not seen:
        console.log("first")
    seen.append(data.id)
    return test.fail(data) if data.protocol.name == "http" else test.pass_(data)


def onShutdown():
    console.log("judged", len(seen))


def job():
    console.log("a job has run")


jobs.schedule("job", "0 0 3 29 2 *", job)
"""
HIDES = """
def onItemQueried(data):
    shown = data.as_dict()
    shown["request"] = "hidden"
    return shown


def onShutdown():
    console.error("hidden by", env.WHO)
"""
LISTENS = """
def onLogCall(level, msg):
    console.log("heard", level, msg)
"""
SPINS = """
seen = []


def onItemQueried(data):
    seen.append(data.id)
    if data.id == env.KILLER:
        while True:
            pass
    return test.pass_(data)
"""
SLEEPS = "def onItemQueried(data):\n    time.sleep(30)\n"
SHOP_PCAP = gzip.decompress((SHOP / "shop.pcap.gz").read_bytes())


def write(folder: Path, **scripts: str) -> str:
    folder.mkdir(exist_ok=True)
    for name, text in scripts.items():
        (folder / f"{name}.py").write_text(text)
    return str(folder)


def items(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def said(text: str) -> list[str]:
    """What scripts wrote, without the node."""
    return sorted(line.partition("-")[2] for line in text.splitlines() if line.startswith("["))


def what(item: dict[str, Any]) -> str:
    """What of an item does not depend on how much of a pipe was read at once."""
    return json.dumps([item["src"], item["request"], item["response"], item["startTime"]])


def is_http(item: dict[str, Any]) -> bool:
    return bool(item["protocol"]["name"] == "http")


def test_items_of_a_capture_are_shown_as_scripts_want_them_in_their_order(tmp_path: Path) -> None:
    scripts = write(tmp_path / "scripts", judges=JUDGES, hides=HIDES, listens=LISTENS)
    (tmp_path / "left").mkdir()
    options = ("--scripts", scripts, "--set", "scripting.env.WHO=me", "--set", "node.name=n")
    found = remora("query", str(SHOP), *options, environment={"TMPDIR": str(tmp_path / "left")})
    assert found.returncode == 0, found.stderr
    before = items(remora("query", str(SHOP), "--set", "node.name=n").stdout)
    assert len(before) > 1000
    assert items(found.stdout) == [
        {**item, "request": "hidden", "failed": is_http(item), "passed": not is_http(item)} for item in before
    ]
    expected = ["hides.py:ERROR] hidden by me", f"judges.py] judged {len(before)}", "listens.py] heard log first"]
    assert said(found.stderr) == sorted([*expected, "judges.py] first"]), "and no job has run"
    assert not list((tmp_path / "left").iterdir()), "its data folder went with it"


def test_one_script_sees_the_items_of_a_recording_that_match(tmp_path: Path) -> None:
    tree = make(tmp_path)
    script = Path(write(tmp_path / "scripts", judges=JUDGES, bad="import nothing\n"), "judges.py")
    asked = ("query", str(tree / "recording=web"), "--kfl", "response.status >= 500")
    found = remora(*asked, "--scripts", str(script))
    assert found.returncode == 0, found.stderr
    before = items(remora(*asked).stdout)
    assert len(before) > 10
    assert items(found.stdout) == [{**item, "failed": True} for item in before]
    assert f"judged {len(before)}" in found.stderr
    held = ("query", "--data", str(tmp_path / "items/data"), "--kfl", "dns and limit(50)")
    stored = items(remora(*held, "--as-stored").stdout)
    assert len(stored) == 50
    assert items(remora(*held, "--scripts", str(script)).stdout) == [{**item, "passed": True} for item in stored]


def test_with_a_refused_script_no_query_begins_and_every_mistake_is_told(tmp_path: Path) -> None:
    two = "def onItemQueryed(data):\n    pass\n\n\ndef f():\n    return ().__class__\n"
    scripts = write(tmp_path / "scripts", judges=JUDGES, two=two, fails="x = 1 // 0\n")
    found = remora("query", str(SHOP), "--scripts", scripts)
    assert (found.returncode, found.stdout) == (2, "")
    assert "'onItemQueryed' is not a hook; did you mean 'onItemQueried'?" in found.stderr
    assert "__class__" in found.stderr
    assert "ZeroDivisionError" in found.stderr
    assert found.stderr.endswith("expected scripts that can be loaded, got fails.py, two.py; nothing was read\n")
    missing = remora("query", str(SHOP), "--scripts", str(tmp_path / "missing"))
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "--scripts: expected a script or a folder of scripts" in missing.stderr


def test_a_script_that_dies_costs_verdicts_and_no_items(tmp_path: Path) -> None:
    before = items(remora("query", str(SHOP)).stdout)
    scripts = write(tmp_path / "scripts", spins=SPINS)
    sets = [f"scripting.env.KILLER={before[100]['id']}", "scripting.softCpu=9s", "scripting.hookCpu=300ms"]
    found = remora("query", str(SHOP), "--scripts", scripts, *(part for one in sets for part in ("--set", one)))
    assert found.returncode == 0, found.stderr
    shown = items(found.stdout)
    assert [{**item, "passed": False} for item in shown] == before
    assert (
        "script 'spins.py' did not answer in time; what it would have changed is shown as it is stored" in found.stderr
    )
    assert "it starts again in 1 s" in found.stderr
    unjudged = [position for position, item in enumerate(shown) if not item["passed"]]
    assert 100 in unjudged
    assert set(unjudged) <= set(range(96, 128)), "those asked about together; for the others it was waited for"


def test_a_script_that_hangs_is_waited_for_a_few_times(tmp_path: Path) -> None:
    scripts = write(tmp_path / "scripts", sleeps=SLEEPS, judges=JUDGES)
    found = remora("query", str(SHOP), "--scripts", scripts)
    assert found.returncode == 0, found.stderr
    before = items(remora("query", str(SHOP)).stdout)
    assert items(found.stdout) == [{**item, "failed": is_http(item), "passed": not is_http(item)} for item in before]
    assert "script 'sleeps.py' did not answer 3 times in a row and is not asked any more" in found.stderr


def test_scripts_without_the_hook_are_told_of_once(tmp_path: Path) -> None:
    scripts = write(tmp_path / "scripts", listens=LISTENS, ends="def onShutdown():\n    console.log('bye')\n")
    found = remora("query", str(SHOP), "--scripts", scripts)
    assert found.returncode == 0, found.stderr
    assert found.stdout == remora("query", str(SHOP)).stdout
    assert found.stderr.count("no script with onItemQueried; items are shown as they are stored") == 1
    assert said(found.stderr) == ["ends.py] bye"]


class Open:
    """A query of standard input, which waits for the rest of a capture."""

    def __init__(self, tmp_path: Path) -> None:
        self.left, self.shown, self.told = tmp_path / "left", tmp_path / "shown", tmp_path / "told"
        self.left.mkdir()
        arguments = command("query", "-", "--scripts", write(tmp_path / "scripts", judges=JUDGES))
        environment = clean({"TMPDIR": str(self.left)})
        with self.shown.open("wb") as shown, self.told.open("wb") as told:
            self.process = subprocess.Popen(
                arguments, env=environment, stdin=subprocess.PIPE, stdout=shown, stderr=told
            )
        self._input = self.process.stdin
        assert self._input, "a pipe"
        self._input.write(SHOP_PCAP[: len(SHOP_PCAP) // 2])
        self._input.flush()
        self.until(lambda: self.shown.stat().st_size > 0)
        (child,) = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.beside = int(child)

    @staticmethod
    def until(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, "it never came to that"
            time.sleep(0.02)

    def end(self) -> int:
        """Give it the rest; its exit code."""
        self.process.communicate(SHOP_PCAP[len(SHOP_PCAP) // 2 :], PATIENCE_S)
        return self.process.returncode


def test_an_instance_that_is_gone_is_told_of_and_the_items_are_shown(tmp_path: Path) -> None:
    query = Open(tmp_path)
    os.kill(query.beside, signal.SIGKILL)
    assert query.end() == 1
    assert (
        "the scripts' instance ended before the query; the last items are as they are stored" in query.told.read_text()
    )
    (tmp_path / "one.pcap").write_bytes(SHOP_PCAP)
    shown = items(query.shown.read_text())
    stored = items(remora("query", str(tmp_path / "one.pcap")).stdout)
    assert sorted(map(what, shown)) == sorted(map(what, stored))
    judged = [item["passed"] or item["failed"] for item in shown]
    assert judged[0]
    assert not judged[-1]


def test_scripts_of_a_query_that_was_killed_end_in_order(tmp_path: Path) -> None:
    query = Open(tmp_path)
    query.process.kill()
    query.process.communicate(timeout=PATIENCE_S)
    Open.until(lambda: not Path(f"/proc/{query.beside}").exists())
    assert "judged" in query.told.read_text(), "its onShutdown was called"
    assert not list(query.left.iterdir())
