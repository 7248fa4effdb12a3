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
from engine.capture.live import LiveSource, interfaces, open_packet_socket
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


def payloads(frames: list[str]) -> list[bytes]:
    """Transport payloads, without empty ones."""
    batch = batch_of([Packet(EPOCH_NS, bytes.fromhex(frame)) for frame in frames])
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
        f"there are: {', '.join(interfaces())}"
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
        "from engine.capture.live import open_packet_socket\n"
        "from engine.errors import CaptureError\n"
        "try: open_packet_socket('lo')\n"
        "except CaptureError as error: print(error)"
    )
    program = "import engine.capture.live\n" + program
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "iface:lo: expected the right to capture, got none; run as root or with CAP_NET_RAW\n"
