"""TLS with a key log, with every process real: asked afterwards, dissected while it runs, recorded with its secrets."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.capture.sources import open_source
from tests.support import pcapng
from tests.support.instance import Instance, Recording, clean, remora
from tests.support.netspaces import INSIDE, NEEDED, netspaces
from tests.support.reading import read_all
from tests.support.traces import FOLDER

pytestmark = pytest.mark.slow

TRACE, KEYS = FOLDER / "recorded_tls_nginx.pcap", FOLDER / "recorded_tls_nginx.keys"
EXCHANGES = [("GET", "/index.txt", 200), ("GET", "/long.txt", 200), ("GET", "/missing", 404), ("POST", "/echo", 201)]
KEEP = """
def onItemCaptured(data):
    if data.tls and data.protocol.name == "http":
        console.log("saw", data.request.method, data.request.url, data.response.status)
    if data.protocol.name == "tls" and data.request.random:
        pcap.record(data.stream, "all")
"""

TELL = """
def onItemCaptured(data):
    if data.tls:
        console.log("saw", data.request.url, data.response.status)
"""


def exchanges(output: str) -> list[tuple[Any, ...]]:
    items = [json.loads(line) for line in output.splitlines()]
    assert all(item["tls"] for item in items)
    return [(item["request"]["method"], item["request"]["url"], item["response"]["status"]) for item in items]


def lines() -> list[str]:
    return [line for line in KEYS.read_text().splitlines() if line[:1] != "#"]


def secrets() -> list[str]:
    return [line.split()[2] for line in lines()]


def test_a_query_with_a_key_log_shows_what_is_inside() -> None:
    asked = remora("query", str(TRACE), "--set", f"tls.keyLog={KEYS}", "--kfl", "http")
    assert (asked.returncode, asked.stderr) == (0, "")
    assert exchanges(asked.stdout) == EXCHANGES
    handshakes = remora("query", str(TRACE), "--set", f"tls.keyLog={KEYS}", "--kfl", 'protocol.name == "tls"')
    assert [json.loads(line)["tls"] for line in handshakes.stdout.splitlines()] == [False, False]
    assert not any(secret in asked.stdout + handshakes.stdout for secret in secrets())


def test_a_capture_that_brings_its_secrets_needs_nothing(tmp_path: Path) -> None:
    packets, keys = read_all(open_source(str(TRACE), 0)), pcapng.secrets_block(KEYS.read_bytes())
    path = tmp_path / "with-secrets.pcapng"
    path.write_bytes(pcapng.section() + keys + pcapng.interface() + b"".join(map(pcapng.enhanced, packets)))
    (tmp_path / "without.pcap").write_bytes(TRACE.read_bytes())
    for source in (path, tmp_path):
        asked = remora("query", str(source), "--kfl", "http")
        assert (asked.returncode, asked.stderr) == (0, "")
        assert exchanges(asked.stdout) in (EXCHANGES, EXCHANGES * 2)


def test_a_key_log_that_is_not_there_is_told() -> None:
    asked = remora("query", str(TRACE), "--set", "tls.keyLog=/nowhere/keys.log")
    assert asked.returncode != 0
    assert "tls.keyLog: /nowhere/keys.log: expected a file that can be read" in asked.stderr


def test_an_instance_dissects_it_and_records_the_secrets_of_these_sessions_alone(tmp_path: Path) -> None:
    stranger = f"CLIENT_RANDOM {'ab' * 32} {'cd' * 48}\n"
    keys = tmp_path / "keys.log"
    keys.write_text(stranger + KEYS.read_text())
    sets = (f"tls.keyLog={keys}", "recording.withSecrets=true", "recording.format=pcapng")
    instance = Instance(tmp_path, str(TRACE), scripts={"keep.py": KEEP}, sets=sets)
    try:
        assert instance.wait() == 0, instance.output()
        output = instance.output()
    finally:
        instance.close()
    for method, url, status in EXCHANGES:
        assert f"saw {method} {url} {status}" in output
    recording = Recording(tmp_path / "data/recordings", "all")
    (packed,) = recording._files("pcap")
    path = tmp_path / "recorded.pcapng"
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    assert exchanges(remora("query", str(path), "--kfl", "http").stdout) == EXCHANGES
    content = path.read_bytes().decode("latin-1")
    assert {line.split()[2] in content for line in lines() if not line.startswith("EXPORTER")} == {True}
    assert "cd" * 48 not in content
    elsewhere = [file for file in (tmp_path / "data").rglob("*") if file.is_file() and file != packed]
    told = output + "".join(file.read_bytes().decode("latin-1") for file in elsewhere)
    assert not any(secret in told for secret in secrets())


def test_each_job_says_for_itself_whether_keys_and_names_go_along(tmp_path: Path) -> None:
    """``first`` is what the configuration says; the others are their own."""
    jobs = "{name: first}, {name: keys, withSecrets: true}, {name: names, format: pcapng}, {name: plain, format: pcap}"
    sets = (f"tls.keyLog={KEYS}", f"recordings=[{jobs}]")
    instance = Instance(tmp_path, str(TRACE), scripts={}, sets=sets)
    try:
        assert instance.wait() == 0, instance.output()
        shown = remora("recordings", "show", "keys", "--data", str(instance.data)).stdout
    finally:
        instance.close()
    assert "packets (with TLS keys) and items" in shown
    endings, with_keys = {}, []
    for name in ("first", "keys", "names", "plain"):
        (packed,) = Recording(tmp_path / "data/recordings", name)._files("pcap")
        endings[name] = packed.name.partition(".")[2]
        content = gzip.decompress(packed.read_bytes()).decode("latin-1")
        with_keys += [name for line in lines() if not line.startswith("EXPORTER") and line.split()[2] in content]
    assert endings == {"first": "pcap.gz", "keys": "pcapng.gz", "names": "pcapng.gz", "plain": "pcap.gz"}
    assert set(with_keys) == {"keys"}


@NEEDED[0]
@NEEDED[1]
def test_live_traffic_is_decrypted_while_clients_write_their_key_log(tmp_path: Path) -> None:
    keys = tmp_path / "keys.log"
    keys.touch()
    with netspaces(1, tmp_path) as spaces:
        inside = (*INSIDE, spaces.server)
        subprocess.run([*inside, "ip", "link", "set", "lo", "up"], check=True)
        instance = Instance(
            tmp_path,
            "iface:lo",
            scripts={"tell.py": TELL},
            sets=(f"tls.keyLog={keys}",),
            wrapper=inside,
            grace="60s",
        )
        try:
            instance.until(lambda _: "script 'tell.py' loaded" in instance.output())
            traffic = [*inside, sys.executable, "-m", "tests.support.tls_traffic", "20", str(keys)]
            subprocess.run(traffic, check=True, timeout=60, env=clean())
            assert instance.stop() == 0, instance.output()
            output = instance.output()
        finally:
            instance.close()
    assert [number for number in range(20) if f"saw /page?{number} 200\n" not in output] == []
