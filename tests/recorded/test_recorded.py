from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from engine.capture.sources import open_source
from tests.recorded import recording
from tests.recorded.__main__ import names
from tests.recorded.recording import NEEDED, Scene
from tests.support.reading import read_all
from tests.support.traces import FOLDER, expected, items_of

TRACES = sorted(path.stem for path in FOLDER.glob("recorded_*.pcap"))


@pytest.mark.parametrize("name", TRACES)
def test_what_a_real_server_said_gives_the_items_beside_it(name: str) -> None:
    assert [item.as_dict() for item in items_of(FOLDER / f"{name}.pcap")] == expected(name)


@pytest.mark.parametrize("name", TRACES)
def test_a_recorded_trace_has_a_module_that_made_it(name: str) -> None:
    assert any(name.startswith(f"recorded_{protocol}_") for protocol in names())


@pytest.mark.slow
@pytest.mark.parametrize("name", TRACES)
def test_tshark_reads_as_many_packets(name: str) -> None:
    tshark = shutil.which("tshark")
    if tshark is None:
        pytest.skip("needs the package tshark")
    command = [tshark, "-n", "-r", str(FOLDER / f"{name}.pcap"), "-T", "fields", "-e", "frame.number"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.split()
    assert len(lines) == len(read_all(open_source(str(FOLDER / f"{name}.pcap"), 0))) > 0


def record(scene: Scene) -> None:
    """One request to the web server of Python; this file is a recording module as well."""
    (scene.scratch / "page").write_text("recorded")
    scene.start(sys.executable, "-m", "http.server", "8000", "--directory", str(scene.scratch), port=8000)
    with scene.capture("recorded_http_sample"):
        urllib.request.urlopen("http://127.0.0.1:8000/page", timeout=10).read()


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="needs root for namespaces")
@pytest.mark.skipif(not all(map(shutil.which, NEEDED)), reason=f"needs {', '.join(NEEDED)}")
def test_a_server_is_recorded_and_its_items_are_written(tmp_path: Path) -> None:
    folder = tmp_path / "traces"
    folder.mkdir()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    assert recording.record("tests.recorded.test_recorded", folder, scratch) == ["recorded_http_sample"]
    (item,) = json.loads((folder / "recorded_http_sample.items.json").read_text())
    assert (item["request"]["path"], item["response"]["content"]["text"]) == ("/page", "recorded")
    assert {path.name for path in folder.iterdir()} == {
        "recorded_http_sample.pcap",
        "recorded_http_sample.items.json",
    }
