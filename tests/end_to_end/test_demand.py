"""Dissection on demand, with every process real: a capture that grows under a running instance."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.instance import PATIENCE_S, SHOP, Instance, clean, command, remora
from tests.support.packets import Packet, TcpConversation, pcap_bytes

pytestmark = pytest.mark.slow

COUNTER = """
paths = []


def onItemCaptured(data):
    paths.append(data.request.path)


def onShutdown():
    console.log("saw", ",".join(paths))
"""


class Wire:
    """One long HTTP connection, written to a capture exchange by exchange."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "wire.pcap"
        self._talk = TcpConversation(("10.0.0.1", 51234), ("10.0.0.2", 80)).handshake()
        self.path.write_bytes(pcap_bytes([]))
        self.packets = 0

    def exchange(self, *names: str) -> None:
        for name in names:
            self._talk.client_says(b"GET /%s HTTP/1.1\r\nHost: shop\r\n\r\n" % name.encode())
            self._talk.server_says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        self._write()

    def _write(self) -> None:
        fresh: list[Packet] = self._talk.packets[self.packets :]
        with self.path.open("ab") as file:
            file.write(pcap_bytes(fresh)[24:])
        self.packets += len(fresh)


class Asker:
    """A `remora query --follow` in the background; Ctrl-C reaches it also where a shell has us ignore it."""

    def __init__(self, data: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            ["env", "--default-signal=INT", *command("query", "--data", str(data), "--follow", *arguments)],
            env=clean(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
        )  # fmt: skip

    def items(self, count: int) -> list[dict[str, Any]]:
        """The next ``count`` items."""
        assert self.process.stdout is not None
        found = []
        for _ in range(count):
            assert select.select([self.process.stdout], [], [], PATIENCE_S)[0], "no item came"
            found.append(json.loads(self.process.stdout.readline()))
        return found

    def end(self, number: int) -> str:
        """Signal it; the rest of its output."""
        self.process.send_signal(number)
        out, errors = self.process.communicate(timeout=PATIENCE_S)
        assert b"Traceback" not in errors
        return out.decode()


@pytest.fixture
def wire(tmp_path: Path) -> Wire:
    return Wire(tmp_path)


@pytest.fixture
def started() -> Iterator[list[Instance | Asker]]:
    found: list[Instance | Asker] = []
    yield found
    for one in found:
        if isinstance(one, Instance):
            one.close()
        else:
            one.process.kill()
            one.process.communicate()


def paths(lines: str) -> list[str]:
    return [json.loads(line)["request"]["path"] for line in lines.splitlines()]


def run(tmp_path: Path, wire: Wire, started: list[Instance | Asker], *sets: str, **scripts: str) -> Instance:
    instance = Instance(
        tmp_path, str(wire.path), "--follow",
        scripts={f"{name}.py": text for name, text in scripts.items()}, sets=("tap.misc.pcapTTL=5m", *sets),
    )  # fmt: skip
    started.append(instance)
    return instance


def read_all(instance: Instance, wire: Wire) -> dict[str, int]:
    """Counters once everything on the wire was read."""
    status = instance.until(lambda s: s["counters"].get("segments_stored_total", 0) == wire.packets)
    counters: dict[str, int] = status["counters"]
    return counters


def test_a_query_switches_dissection_on_in_the_middle_of_a_stream_and_off_again(
    tmp_path: Path, wire: Wire, started: list[Instance | Asker]
) -> None:
    instance = run(tmp_path, wire, started, "tap.capture.dissection.stopAfter=300ms")
    wire.exchange("0", "1")
    counters = read_all(instance, wire)
    assert counters["dissect_skipped_packets_total"] == counters["streams_packets_total"] == wire.packets
    assert not {name for name in counters if name.startswith(("items", "dissect_streams"))}
    assert counters["dissect_on"] == counters.get("streams_payload_bytes_total", 0) == 0

    asker = Asker(instance.data, "--kfl", "http and request.path != '/3'".replace("'", '"'))
    started.append(asker)
    instance.until(lambda s: s["counters"]["dissect_on"] == 1)
    wire.exchange("2", "3", "4")
    seen = asker.items(2)
    assert [item["request"]["path"] for item in seen] == ["/2", "/4"]
    assert [item["error"] for item in seen] == [None, None]
    assert asker.end(signal.SIGINT) == ""
    assert asker.process.returncode == 0

    instance.until(lambda s: s["counters"]["dissect_on"] == 0)
    before = instance.status()["counters"]
    wire.exchange("5")
    counters = read_all(instance, wire)
    assert counters["items_total"] == before["items_total"] == 3
    assert counters["dissect_skipped_packets_total"] == before["dissect_skipped_packets_total"] + 2

    afterwards = remora("query", "--data", str(instance.data))
    assert paths(afterwards.stdout) == ["/0", "/1", "/2", "/3", "/4", "/5"], afterwards.stderr
    names = {json.loads(line)["stream"] for line in afterwards.stdout.splitlines()}
    assert names == {item["stream"] for item in seen}
    shown = remora("show", *names, "--data", str(instance.data))
    assert json.loads(shown.stdout)["packets"] == wire.packets
    assert instance.stop() == 0, instance.output()
    assert "gave 3 items; no script asked for them." in instance.output()
    assert paths(remora("query", "--data", str(instance.data), "--last", "1h").stdout) == paths(afterwards.stdout)


def test_a_script_that_is_dropped_in_switches_dissection_on(
    tmp_path: Path, wire: Wire, started: list[Instance | Asker]
) -> None:
    instance = run(tmp_path, wire, started)
    wire.exchange("before")
    read_all(instance, wire)
    (instance.scripts / "counter.py").write_text(COUNTER)
    instance.until(lambda s: s["counters"]["dissect_on"] == 1)
    wire.exchange("after", "last")
    instance.until(lambda s: s["counters"].get("scripts_delivered_total", 0) == 2)
    assert instance.stop() == 0
    assert "saw /after,/last" in instance.output()


@pytest.mark.parametrize("victim", ["query", "worker"])
def test_interest_ends_with_the_query_and_not_with_the_worker(
    tmp_path: Path, wire: Wire, started: list[Instance | Asker], victim: str
) -> None:
    instance = run(tmp_path, wire, started, "tap.capture.dissection.stopAfter=100ms")
    instance.until(lambda s: s["phase"] == "running")
    asker = Asker(instance.data)
    started.append(asker)
    instance.until(lambda s: s["counters"].get("dissect_on") == 1)
    wire.exchange("0")
    assert [item["request"]["path"] for item in asker.items(1)] == ["/0"]
    if victim == "query":
        os.kill(asker.process.pid, signal.SIGKILL)
        instance.until(lambda s: s["counters"]["dissect_on"] == 0)
        assert instance.stop() == 0
        return
    instance.kill("worker")
    instance.until(lambda s: s["processes"]["worker"]["deaths"] == 1 and s["counters"].get("dissect_on") == 1)
    wire.exchange("1")
    assert [item["request"]["path"] for item in asker.items(1)] == ["/1"]
    assert instance.stop() == 0, instance.output()
    assert asker.process.wait(PATIENCE_S) == 0, "it ends with the instance"


def test_where_dissection_is_switched_off_nobody_gets_items_and_everybody_is_told(
    tmp_path: Path, wire: Wire, started: list[Instance | Asker]
) -> None:
    instance = run(tmp_path, wire, started, "tap.capture.dissection.enabled=false", counter=COUNTER)
    wire.exchange("0", "1")
    counters = read_all(instance, wire)
    assert counters["dissect_skipped_packets_total"] == wire.packets
    refused = remora("query", "--data", str(instance.data), "--follow")
    assert refused.returncode == 1, refused.stderr
    assert "tap.capture.dissection.enabled is false" in refused.stderr
    assert paths(remora("query", "--data", str(instance.data)).stdout) == ["/0", "/1"]
    assert instance.stop() == 0
    assert "no items come: tap.capture.dissection.enabled is false" in instance.output()
    assert "saw /" not in instance.output()


def test_without_a_running_instance_there_is_nothing_to_follow(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert remora("run", str(SHOP), "--data", str(data)).returncode == 0
    refused = remora("query", "--data", str(data), "--follow")
    assert refused.returncode == 1
    assert "expected a running instance, got none; without --follow the query reads what is stored" in refused.stderr
    everything = remora("query", "--data", str(data)).stdout.splitlines()
    assert sorted(everything) == sorted(remora("query", str(SHOP)).stdout.splitlines())
