"""Run in a network namespace of its own (``unshare --net``): send traffic, capture it, print what was captured as JSON.

``python -m tests.support.live_capture SCENARIO``
"""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
import time

from engine.capture.live import LiveSource, open_packet_socket
from engine.capture.options import CaptureOptions
from engine.capture.ring import RETIRE_MS
from engine.errors import CaptureError
from tests.support.packets import udp_frame
from tests.support.reading import packets_of

PATIENCE_S = 10.0
QUIET_S = 8 * RETIRE_MS / 1000
"""After this long without a packet, none is under way any more."""
Found = dict[str, object]


def main(scenario: str) -> None:
    """Print the result of one scenario."""
    ip("link set lo up")
    print(
        json.dumps(
            {
                "loopback": loopback,
                "filtered": filtered,
                "vlan": vlan,
                "vanish": vanish,
                "many": many,
                "around": around,
            }[scenario]()
        )
    )


def loopback() -> Found:
    """UDP and TCP over lo."""
    source = LiveSource(open_packet_socket("lo"), "lo")
    frames = talk_udp(100) + talk_tcp()
    return {"frames": capture(source), "sent": frames, "lost": source.lost()}


def filtered() -> Found:
    """UDP and TCP over lo, of which a filter wants UDP; and whether the interface was made promiscuous."""
    options = CaptureOptions(bpf="udp port 4000", promiscuous=False)
    source = LiveSource(open_packet_socket("lo", options), "lo")
    talk_udp(100)
    talk_tcp()
    shown = subprocess.run(["ip", "-d", "link", "show", "lo"], capture_output=True, text=True, check=True)
    return {"frames": capture(source), "promiscuous": "promiscuity 0" not in shown.stdout, "lost": source.lost()}


def vlan() -> Found:
    """Frames with and without VLAN tags, which the kernel takes out on arrival; the descriptor was passed on."""
    pair()
    sock = open_packet_socket("right")
    passed = socket.socket(fileno=socket.dup(sock.fileno()))
    sock.close()
    source = LiveSource(passed, "right", 3)
    ends = ("10.0.0.1", 5), ("10.0.0.2", 53)
    frames = [udp_frame(*ends, b"%d" % len(tags), vlans=tags, pad=True) for tags in ([], [7], [4095], [7, 8], [])]
    send("left", frames)
    return {"frames": capture(source), "sent": [frame.hex() for frame in frames], "lost": source.lost()}


def vanish() -> Found:
    """The interface goes down, comes back, and is deleted."""
    pair()
    source = LiveSource(open_packet_socket("right"), "right")
    ip("link set right down")
    quiet = source.read() is None
    ip("link set right up")
    frame = udp_frame(("10.0.0.1", 5), ("10.0.0.2", 53), b"back", pad=True)
    send("left", [frame])
    frames = capture(source)
    ip("link del left")
    try:
        source.read()
    except CaptureError as error:
        return {"frames": frames, "sent": [frame.hex()], "quiet": quiet, "error": str(error), "ended": source.ended}
    return {"error": ""}


def many() -> Found:
    """More bytes than the ring holds, read while they come."""
    source = LiveSource(open_packet_socket("lo"), "lo")
    sender, receiver = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    receiver.bind(("127.0.0.1", 0))
    numbers: list[int] = []
    for number in range(3000):
        sender.sendto(number.to_bytes(4, "big") + bytes(40_000), receiver.getsockname())
        if number % 300 == 299:
            numbers += payload_numbers(source)
    return {"numbers": numbers, "lost": source.lost()}


def around() -> Found:
    """More than the ring holds while nobody reads."""
    source = LiveSource(open_packet_socket("lo"), "lo")
    sender, receiver = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    receiver.bind(("127.0.0.1", 0))
    for number in range(3000):
        sender.sendto(number.to_bytes(4, "big") + bytes(40_000), receiver.getsockname())
    return {"numbers": payload_numbers(source), "lost": source.lost()}


def payload_numbers(source: LiveSource) -> list[int]:
    """The first four payload bytes of each datagram on loopback."""
    return [int.from_bytes(bytes.fromhex(frame[84:92]), "big") for frame in capture(source)]


def talk_udp(count: int) -> int:
    """Send datagrams; how many packets that makes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 4000))
        for number in range(count):
            sock.sendto(b"datagram %d" % number, ("127.0.0.1", 4000))
    return count


def talk_tcp() -> int:
    """One TCP connection with one message; the payload packets in it."""
    with socket.create_server(("127.0.0.1", 4001)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
        client.sendall(b"message")
        accepted.recv(100)
        client.close()
        accepted.close()
    return 1


def pair() -> None:
    """Two connected interfaces without chatter of their own."""
    subprocess.run(
        ["sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1"], check=True
    )
    ip("link add left type veth peer name right")
    for end in ("left", "right"):
        ip(f"link set {end} up")


def send(interface: str, frames: list[bytes]) -> None:
    """Put frames on an interface."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
        sock.bind((interface, 0))
        for frame in frames:
            sock.send(frame)


def capture(source: LiveSource) -> list[str]:
    """Every packet until none has come for a while."""
    found: list[str] = []
    quiet_s = give_up_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < min(quiet_s, give_up_s):
        select.select([source], [], [], QUIET_S)
        while (batch := source.read()) is not None:
            assert (batch.contiguous, batch.resume, batch.link_type) == (False, -1, 1)
            found += [packet.frame.hex() for packet in packets_of(batch)]
            quiet_s = time.monotonic() + QUIET_S
    return found


def ip(arguments: str) -> None:
    """Run the ``ip`` command."""
    subprocess.run(["ip", *arguments.split()], check=True)


if __name__ == "__main__":
    main(sys.argv[1])
