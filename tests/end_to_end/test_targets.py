"""Capture filters by name, with every process real."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.instance import Instance, Recording, remora
from tests.support.packets import EPOCH_NS, Packet, TcpConversation, in_time_order, pcap_bytes, udp_frame, write_pcap

pytestmark = pytest.mark.slow

NAMES = """
10.0.0.1: {name: client, namespace: edge, pod: client-1}
10.0.0.2: {name: front, namespace: shop, pod: front-end-7}
10.0.0.3: {name: db, namespace: data, pod: db-0}
"""
KEEP_ALL = """
def onPacketCaptured(info):
    console.log("heard of a packet")


def onItemCaptured(data):
    pcap.record(data.stream, "all")
"""


def exchange(client: str, server: str, path: str) -> list[Packet]:
    talk = TcpConversation((client, 40000), (server, 80)).handshake()
    talk.client_says(b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode())
    talk.server_says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    return talk.finish().packets


def capture(tmp_path: Path) -> list[Packet]:
    """Streams between four addresses, of which one has no name, and a frame that carries no IP."""
    no_ip = Packet(EPOCH_NS, udp_frame(("10.0.0.1", 1), ("10.0.0.4", 2), b"")[:14])
    packets = in_time_order(
        exchange("10.0.0.1", "10.0.0.2", "edge-shop"),
        exchange("10.0.0.2", "10.0.0.3", "shop-data"),
        exchange("10.0.0.1", "10.0.0.3", "edge-data"),
        exchange("10.0.0.1", "10.0.0.4", "edge-stranger"),
        exchange("10.0.0.4", "10.0.0.5", "strangers"),
        [no_ip],
    )  # fmt: skip
    write_pcap(tmp_path / "in.pcap", packets)
    (tmp_path / "names.yaml").write_text(NAMES)
    return packets


@pytest.mark.parametrize(
    ("key", "paths"),
    [
        ("tap.namespaces=shop", {"edge-shop", "shop-data"}),
        ("tap.regex=^(front|db)", {"edge-shop", "shop-data", "edge-data"}),
        ("tap.excludedNamespaces=edge", {"edge-shop", "shop-data", "edge-data", "strangers"}),
    ],
)
def test_only_streams_of_targets_are_stored_dissected_and_told_and_all_are_counted(
    tmp_path: Path, key: str, paths: set[str]
) -> None:
    packets = capture(tmp_path)
    sets = (f"resolve.names={tmp_path / 'names.yaml'}", key)
    instance = Instance(tmp_path, str(tmp_path / "in.pcap"), scripts={"all.py": KEEP_ALL}, sets=sets)
    assert instance.wait() == 0, instance.output()
    output = instance.output()
    instance.close()
    wanted = [packet.frame for path in paths for packet in exchange(*ENDS[path], path)]
    recording = Recording(tmp_path / "data/recordings", "all")
    assert {item["request"]["path"][1:] for item in recording.lines("items")} == paths
    assert sorted(frame for _, frame in recording.frames()) == sorted(wanted)
    left_out = len(packets) - 1 - len(wanted)
    assert f"dropped: {left_out} (decode: not_targeted)" in output
    assert output.count("heard of a packet") == len(wanted) + 1, "what is left out reaches no script"
    offline = remora("query", str(tmp_path / "in.pcap"), "--set", sets[0], "--set", key)
    assert {json.loads(line)["request"]["path"][1:] for line in offline.stdout.splitlines()} == paths


ENDS = {
    "edge-shop": ("10.0.0.1", "10.0.0.2"),
    "shop-data": ("10.0.0.2", "10.0.0.3"),
    "edge-data": ("10.0.0.1", "10.0.0.3"),
    "edge-stranger": ("10.0.0.1", "10.0.0.4"),
    "strangers": ("10.0.0.4", "10.0.0.5"),
}


def test_a_name_that_becomes_known_while_it_runs_makes_a_target(tmp_path: Path) -> None:
    source, names = tmp_path / "in.pcap", tmp_path / "names/names.yaml"
    names.parent.mkdir()  # its reader, nobody, may not enter tmp_path
    source.write_bytes(pcap_bytes([]))
    names.write_text(NAMES)
    sets = (f"resolve.names={names}", "tap.namespaces=late", "tap.misc.pcapTTL=5m")
    instance = Instance(tmp_path, str(source), "--follow", scripts={}, sets=sets)
    try:
        talk = TcpConversation(("10.0.0.1", 40000), ("10.0.0.9", 80)).handshake()
        talk.client_says(b"GET /before HTTP/1.1\r\n\r\n").server_says(b"HTTP/1.1 204 No\r\n\r\n")
        append(source, talk.packets)
        dropped = "decode_dropped_total{reason=not_targeted}"
        instance.until(lambda s: s["counters"].get(dropped, 0) == 5)
        names.write_text("10.0.0.9: {name: newcomer, namespace: late}\n")
        instance.until(lambda _: f"{names}: 1 names" in instance.output())
        talk.client_says(b"GET /after HTTP/1.1\r\n\r\n").server_says(b"HTTP/1.1 204 No\r\n\r\n")
        append(source, talk.packets[5:])
        counters = instance.until(lambda s: s["counters"].get("segments_stored_total", 0) == 2)["counters"]
        assert counters[dropped] == 5
        names.write_text("nonsense")
        instance.until(lambda _: "the names stay as they were" in instance.output())
        (line,) = remora("query", "--data", str(instance.data)).stdout.splitlines()
        assert json.loads(line)["request"]["path"] == "/after"
        assert instance.stop() == 0, instance.output()
    finally:
        instance.close()


def append(capture: Path, packets: list[Packet]) -> None:
    with capture.open("ab") as file:
        file.write(pcap_bytes(packets)[24:])


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        (["tap.regex=a(b"], "tap.regex (--set): expected a regular expression, got 'a(b'"),
        (
            ["tap.namespaces=shop"],
            "tap.namespaces: expected names of addresses to go by, got 'none'; set resolve",
        ),
    ],
)
def test_a_filter_that_cannot_work_is_refused_before_anything_begins(
    tmp_path: Path, sets: list[str], message: str
) -> None:
    write_pcap(tmp_path / "in.pcap", [])
    arguments = [argument for pair in sets for argument in ("--set", pair)]
    refused = remora("run", str(tmp_path / "in.pcap"), "--data", str(tmp_path / "data"), *arguments)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "data").exists()
