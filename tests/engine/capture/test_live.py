from __future__ import annotations

import functools
import json
import shutil
import socket
import subprocess
import sys
from typing import Any

import pytest

from engine.capture.bpf import compile_filter
from engine.capture.links import LINUX_SLL2
from engine.capture.live import LiveSource
from engine.capture.packetsocket import interfaces, open_packet_socket
from engine.decode.decode import decode
from engine.errors import CaptureError
from tests.support.packets import EPOCH_NS, Packet, batch_of


def has_libpcap() -> bool:
    try:
        compile_filter("ip", 1)
    except CaptureError:
        return False
    return True


needs_libpcap = pytest.mark.skipif(not has_libpcap(), reason="libpcap is not installed")


@functools.cache
def namespaces_work() -> bool:
    """Whether a network namespace can be made here and captured in."""
    if not shutil.which("unshare") or not shutil.which("ip"):
        return False
    program = "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)"
    return (
        subprocess.run(["unshare", "--net", sys.executable, "-c", program], capture_output=True, check=False).returncode
        == 0
    )


needs_namespaces = pytest.mark.skipif(not namespaces_work(), reason="making network namespaces is not allowed here")


def scenario(name: str) -> Any:
    command = ["unshare", "--net", sys.executable, "-m", "tests.support.live_capture", name]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def payloads(frames: list[str], link_type: int = 1) -> list[bytes]:
    """Transport payloads, without empty ones."""
    batch = batch_of([Packet(EPOCH_NS, bytes.fromhex(frame)) for frame in frames], link_type=link_type)
    columns = decode(batch)
    spans = zip(columns.payload_start.tolist(), columns.payload_length.tolist(), strict=True)
    return [bytes(batch.buffer[start : start + length]) for start, length in spans if length]


@needs_namespaces
@pytest.mark.slow
def test_each_packet_of_the_loopback_is_seen_once() -> None:
    result = scenario("loopback")
    assert payloads(result["frames"]) == [*(b"datagram %d" % number for number in range(100)), b"message"]
    assert result["lost"] == 0


@needs_namespaces
@needs_libpcap
@pytest.mark.slow
def test_a_filter_leaves_out_what_it_does_not_want() -> None:
    result = scenario("filtered")
    assert payloads(result["frames"]) == [b"datagram %d" % number for number in range(100)]
    assert (result["lost"], result["promiscuous"]) == (0, False)


@needs_namespaces
@pytest.mark.slow
def test_a_vlan_tag_is_put_back_into_the_frame() -> None:
    result = scenario("vlan")
    assert result["frames"] == result["sent"]
    assert result["lost"] == 0


@needs_namespaces
@pytest.mark.slow
def test_an_interface_may_go_down_but_not_away() -> None:
    result = scenario("vanish")
    assert result["quiet"]
    assert result["frames"] == result["sent"]
    assert result["error"] == "iface:right: expected the interface to stay, got its removal"
    assert result["ended"]


@needs_namespaces
@pytest.mark.slow
def test_the_ring_is_used_again_and_again() -> None:
    assert scenario("many") == {"numbers": list(range(3000)), "lost": 0}


@needs_namespaces
@pytest.mark.slow
def test_what_finds_no_room_in_the_ring_is_counted() -> None:
    result = scenario("around")
    assert result["numbers"] == list(range(len(result["numbers"])))
    assert result["lost"] > 0
    assert len(result["numbers"]) + result["lost"] == 3000


@needs_namespaces
@pytest.mark.slow
def test_any_hears_every_interface_also_a_new_one_and_the_loopback_once() -> None:
    result = scenario("everything")
    names = [name for name, _ in result["frames"]]
    assert [name for name in names if name == "lo"] == ["lo"] * 20
    found = {name: [frame for seen, frame in result["frames"] if seen == name] for name in ("lo", "left", "right")}
    assert payloads(found["lo"], LINUX_SLL2) == [b"datagram %d" % number for number in range(20)]
    for name, packet_type in (("left", 4), ("right", 3)):  # outgoing on one, to somebody else on the other
        assert {int(frame[20:22], 16) for frame in found[name]} == {packet_type}
        assert [frame[:4] + frame[40:] for frame in found[name]] == [
            frame[24:28] + frame[28:] for frame in result["sent"]
        ]
        assert payloads(found[name], LINUX_SLL2) == [b"0", b"1", b"1", b"0"]
    assert result["lost"] == 0


@needs_namespaces
@needs_libpcap
@pytest.mark.slow
def test_a_filter_on_any_sees_packets_from_the_network_header_on() -> None:
    result = scenario("everything_filtered")
    assert payloads(result["frames"], LINUX_SLL2) == [b"datagram %d" % number for number in range(20)]
    assert result["lost"] == 0


@needs_namespaces
@pytest.mark.slow
def test_workers_share_an_interface_and_each_flow_belongs_to_one() -> None:
    result = scenario("shared")
    for kind, flows in result["got"].items():
        assert all(len(workers) == 2 for workers in flows), f"{kind}: each packet is captured once"
        assert all(len(set(workers)) == 1 for workers in flows), f"{kind}: both directions are with one worker"
    busy = {kind: {worker for flow in flows for worker in flow} for kind, flows in result["got"].items()}
    assert {kind for kind, workers in busy.items() if workers == {0, 1, 2}} == {
        "udp", "tcp", "vlan", "gre", "ip in ip", "pppoe",
    }, "the kernel looks into these, and takes the others by their outer headers"  # fmt: skip
    assert [len(frames) for frames in result["answers"] if frames] == [2], "question and answer, put together"
    assert payloads(next(frames for frames in result["answers"] if frames)) == [b"question", bytes(range(200)) * 15]
    assert (result["lost"], result["promiscuous"]) == (0, True)


@needs_namespaces
@pytest.mark.slow
def test_what_finds_no_room_in_any_of_the_rings_is_counted() -> None:
    result = scenario("shared_overflow")
    assert all(result["read"])
    assert sum(result["lost"]) > 0
    assert sum(result["read"]) + sum(result["lost"]) == result["sent"]


@needs_namespaces
@pytest.mark.slow
def test_a_worker_that_starts_again_joins_those_that_are_there() -> None:
    result = scenario("joined_later")
    assert all(result["got"])
    assert sorted(frame for frames in result["got"] for frame in frames) == sorted(result["sent"])


def raw_sockets_work() -> bool:
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except OSError:
        return False
    return True


needs_raw_sockets = pytest.mark.skipif(not raw_sockets_work(), reason="packet sockets need root or CAP_NET_RAW")


@needs_raw_sockets
def test_an_unknown_interface_is_refused_and_those_there_are_named() -> None:
    with pytest.raises(CaptureError) as refusal:
        open_packet_socket("nonexistent0")
    assert str(refusal.value) == (
        "iface:nonexistent0: expected an interface of this machine, got 'nonexistent0'; "
        f"there are: {', '.join(interfaces())}, any"
    )


@needs_raw_sockets
def test_a_socket_without_a_ring_is_refused() -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as bare:
        bare.bind(("lo", 0))
        with pytest.raises(CaptureError, match="iface:lo: expected a packet socket with a ring"):
            LiveSource(bare, "lo")


def test_without_the_right_to_capture_it_says_what_is_needed() -> None:
    program = (
        "import os\n"
        "os.getuid() or os.setresuid(65534, 65534, 65534)\n"
        "from engine.capture.packetsocket import open_packet_socket\n"
        "from engine.errors import CaptureError\n"
        "try: open_packet_socket('lo')\n"
        "except CaptureError as error: print(error)"
    )
    program = "import engine.capture.live\n" + program
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "iface:lo: expected the right to capture, got none; run as root or with CAP_NET_RAW\n"
