"""`remora scripts run`, `list` and `console`, as somebody uses them who writes a script."""

from __future__ import annotations

import json
import subprocess
import threading
from pathlib import Path

import pytest

from engine.segments.folder import open_folder
from tests.support.gcs_server import serve
from tests.support.instance import SHOP, Instance, clean, command, remora

pytestmark = pytest.mark.slow

COUNT = """
count = 0

def onItemCaptured(data):
    global count
    count += 1

def onShutdown():
    console.log(f"{count} items")
"""


def test_one_script_runs_on_a_capture_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "count.py").write_text(COUNT)
    (tmp_path / "tmp").mkdir()
    environment = {"TMPDIR": str(tmp_path / "tmp")}
    result = remora("scripts", "run", str(tmp_path / "count.py"), str(SHOP), environment=environment)
    assert result.returncode == 0, result.stderr
    assert "count.py] 3250 items" in result.stderr
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["count.py", "tmp"]


def test_what_is_not_kept_is_not_named_as_if_it_were(tmp_path: Path) -> None:
    (tmp_path / "keep.py").write_text("def onItemCaptured(data):\n    pcap.record(data.stream, 'all')\n")
    result = remora("scripts", "run", str(tmp_path / "keep.py"), str(SHOP))
    assert result.returncode == 0, result.stderr
    assert "what it recorded is not kept; --data DIR keeps it" in result.stderr
    assert "The recording is in" not in result.stderr


def test_a_bucket_in_the_environment_gets_nothing_of_what_is_not_kept(tmp_path: Path) -> None:
    (tmp_path / "keep.py").write_text("def onItemCaptured(data):\n    pcap.record(data.stream, 'all')\n")
    with serve("forensics") as (address, store):
        environment = {"STORAGE_EMULATOR_HOST": address, "GCS_BUCKET": "forensics"}
        result = remora("scripts", "run", str(tmp_path / "keep.py"), str(SHOP), environment=environment)
        assert result.returncode == 0, result.stderr
        assert store.objects("forensics") == {}


def test_what_a_script_leaves_is_kept_where_somebody_asks_for_it(tmp_path: Path) -> None:
    (tmp_path / "keep.py").write_text("def onShutdown():\n    file.write('a.txt', 'hello')\n")
    result = remora("scripts", "run", str(tmp_path / "keep.py"), str(SHOP), "--data", str(tmp_path / "data"))
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "data/scripts/keep.py/work/a.txt").read_text() == "hello"


@pytest.mark.parametrize("text", [None, "def onItemCaptured(data): return data._secret\n"])
def test_a_script_that_cannot_run_ends_in_words(tmp_path: Path, text: str | None) -> None:
    if text:
        (tmp_path / "bad.py").write_text(text)
    result = remora("scripts", "run", str(tmp_path / "bad.py"), str(SHOP))
    assert result.returncode != 0
    assert ("Line 1: '._secret' is not available" if text else "FILE: expected a script") in result.stderr


def test_the_scripts_of_a_running_instance_are_listed(tmp_path: Path) -> None:
    growing = tmp_path / "in"
    growing.mkdir()
    scripts = {"count.py": COUNT, "bad.py": "x = data._y\n"}
    instance = Instance(tmp_path, str(growing), "--follow", scripts=scripts)
    try:
        states = {"count.py": "running", "bad.py": "refused"}
        instance.until(lambda status: {n: row["state"] for n, row in status["scripts"].items()} == states)
        listed = remora("scripts", "list", "--data", str(instance.data))
    finally:
        code, output = instance.stop(), instance.output()
        instance.close()
    assert code == 0, output
    rows = {line.split()[0]: line for line in listed.stdout.splitlines()}
    assert rows["count.py"].split()[1] == "running"
    assert "Line 1: '._y' is not available" in rows["bad.py"]
    assert remora("scripts", "list", "--data", str(instance.data)).returncode == 2


def test_the_console_is_read_and_followed_through_its_rotation(tmp_path: Path) -> None:
    open_folder(tmp_path, "n1", 0)
    log = tmp_path / "console.log"
    log.with_name("console.log.1").write_text("one\ntwo\n")
    log.write_text("three\n")
    shown = remora("scripts", "console", "--data", str(tmp_path), "--lines", "2")
    assert shown.stdout == "two\nthree\n"
    process = subprocess.Popen(
        command("scripts", "console", "-f", "--lines", "1", "--data", str(tmp_path)),
        env=clean(), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    assert process.stdout is not None
    assert process.stdout.readline() == "three\n"
    with log.open("a") as file:
        file.write("four\n")
    assert process.stdout.readline() == "four\n"
    log.replace(log.with_name("console.log.1"))
    log.write_text("five\n")
    assert process.stdout.readline() == "five\n"
    process.terminate()
    process.wait()
    process.stdout.close()
    watchdog.cancel()


def test_the_console_is_there_in_parts_whatever_names_and_lines_look_like(tmp_path: Path) -> None:
    open_folder(tmp_path, "node-1", 0)
    date = "Fri, 20 Nov 2026 13:09:10 GMT"
    lines = [
        f"[node-1-top-5.py] {date}: hello",
        f"[node-1-a]b:c.py:ERROR] {date}: line 3: KeyError: [x] {date}: y",
        "torn",
    ]
    (tmp_path / "console.log").write_text("".join(f"{line}\n" for line in lines))
    shown = remora("scripts", "console", "--json", "--data", str(tmp_path))
    rows = [json.loads(line) for line in shown.stdout.splitlines()]
    assert [(row["node"], row["script"], row["level"], row["text"]) for row in rows] == [
        ("node-1", "top-5.py", "LOG", "hello"),
        ("node-1", "a]b:c.py", "ERROR", f"line 3: KeyError: [x] {date}: y"),
        ("node-1", "", "LOG", "torn"),
    ]
    assert rows[0]["time"] == date


def test_a_folder_without_an_instance_has_no_console(tmp_path: Path) -> None:
    result = remora("scripts", "console", "--data", str(tmp_path))
    assert (result.returncode, "expected a data folder of Remora" in result.stderr) == (2, True)
