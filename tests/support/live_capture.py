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
from collections.abc import Callable, Iterator

from engine.capture.live import LiveSource
from engine.capture.options import CaptureOptions
from engine.capture.packetsocket import group_of, open_packet_socket, open_packet_sockets
from engine.capture.ring import RETIRE_MS
from engine.errors import CaptureError
from tests.support.packets import Endpoint, fragments_of, tcp_frame, udp_frame
from tests.support.reading import packets_of
from tests.support.tunnels import TUNNELS, Tunnel, as_frame, carried_in

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
                "everything": everything,
                "everything_filtered": everything_filtered,
                "shared": shared,
                "shared_overflow": shared_overflow,
                "joined_later": joined_later,
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
    promiscuous = "promiscuity 0" not in shown("-d", "link", "show", "lo")
    return {"frames": capture(source), "promiscuous": promiscuous, "lost": source.lost()}


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
    bring_up("right")
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


def everything() -> Found:
    """UDP over lo, then frames with and without VLAN tags over a pair of interfaces that came after the capture."""
    source = LiveSource(open_packet_socket("any"), "any")
    talk_udp(20)
    pair()
    ends = ("10.0.0.1", 5), ("10.0.0.2", 53)
    frames = [udp_frame(*ends, b"%d" % len(tags), vlans=tags, pad=True) for tags in ([], [7], [4095], [])]
    send("left", frames)
    names = {socket.if_nametoindex(name): name for name in ("lo", "left", "right")}
    found = [(names[int(frame[8:16], 16)], frame) for frame in capture(source, 276)]
    return {"frames": found, "sent": [frame.hex() for frame in frames], "lost": source.lost()}


def everything_filtered() -> Found:
    """UDP and TCP over lo, of which a filter wants UDP."""
    source = LiveSource(open_packet_socket("any", CaptureOptions(bpf="udp port 4000")), "any")
    talk_udp(20)
    talk_tcp()
    return {"frames": capture(source, 276), "lost": source.lost()}


FLOWS = 60


def shared() -> Found:
    """Both directions of flows of each kind, shared by three sockets: who got what; some datagrams in fragments."""
    pair()
    ip("link set lo up")
    sources = shared_by(3)
    flows = {
        kind: [[make(*ends) for ends in ((here, there), (there, here))] for here, there in flow_ends(FLOWS)]
        for kind, make in FLOW_KINDS.items()
    }
    send("left", [frame for pairs in flows.values() for pair in pairs for frame in pair])
    frames = [capture(source) for source in sources]
    got = {kind: [[who for f in pair for who in owners(f, frames)] for pair in pairs] for kind, pairs in flows.items()}
    ends = next(iter(flow_ends(1)))
    whole = udp_frame(*ends, bytes(range(200)) * 15)
    send("left", [udp_frame(ends[1], ends[0], b"question"), *fragments_of(whole, 1000)])
    answers = [capture(source) for source in sources]
    promiscuous = "promiscuity 0" not in shown("-d", "link", "show", "right")
    lost = sum(source.lost() for source in sources)
    return {"got": got, "answers": answers, "promiscuous": promiscuous, "lost": lost}


def owners(frame: bytes, captured: list[list[str]]) -> list[int]:
    """Which of several captures a frame is in, as often as it is there."""
    return [index for index, frames in enumerate(captured) for _ in range(frames.count(frame.hex()))]


def shared_overflow() -> Found:
    """More than two rings hold while nobody reads; the sums of what was read and lost."""
    sources = shared_by(2, "lo")
    senders = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(40)]
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    for number in range(4000):
        senders[number % 40].sendto(bytes(40_000), receiver.getsockname())
    read = [len(capture(source)) for source in sources]
    return {"sent": 4000, "read": read, "lost": [source.lost() for source in sources]}


def joined_later() -> Found:
    """One of two sockets is closed, another takes its place."""
    pair()
    first, second = open_packet_sockets("right", CaptureOptions(), 2)
    group = group_of(first)
    second.close()
    (third,) = open_packet_sockets("right", CaptureOptions(), 1, group)
    sources = [LiveSource(first, "right"), LiveSource(third, "right")]
    sent = [udp_frame(*ends, b"x", pad=True) for ends in flow_ends(FLOWS)]
    send("left", sent)
    return {"sent": [frame.hex() for frame in sent], "got": [capture(source) for source in sources]}


def shared_by(workers: int, interface: str = "right") -> list[LiveSource]:
    """Sources that share an interface."""
    sockets = open_packet_sockets(interface, CaptureOptions(), workers)
    return [LiveSource(packets, interface, index) for index, packets in enumerate(sockets)]


def flow_ends(count: int) -> Iterator[tuple[Endpoint, Endpoint]]:
    """Both ends of so many flows."""
    for number in range(count):
        yield (f"10.0.{number}.1", 1000 + 7 * number), ("10.9.9.9", 80)


def in_tunnel(tunnel: Tunnel) -> Callable[[Endpoint, Endpoint], bytes]:
    """The outer addresses belong to the direction, as those of a real tunnel; its UDP ports do not."""

    def make(source: Endpoint, target: Endpoint) -> bytes:
        frame = as_frame(tunnel(carried_in(udp_frame(source, target, b"inside"))))
        back = source[1] == 80 and frame[12:14] == b"\x08\x00"
        return frame[:26] + frame[30:34] + frame[26:30] + frame[34:] if back else frame

    return make


FLOW_KINDS: dict[str, Callable[[Endpoint, Endpoint], bytes]] = {
    "udp": lambda source, target: udp_frame(source, target, b"plain", pad=True),
    "tcp": lambda source, target: tcp_frame(source, target, payload=b"plain data"),
    "vlan": lambda source, target: udp_frame(source, target, b"tagged", vlans=[7], pad=True),
    **{name: in_tunnel(TUNNELS[name]) for name in ("gre", "ip in ip", "pppoe", "mpls", "vxlan", "gtp")},
}


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
    bring_up("left", "right")


def bring_up(*interfaces: str) -> None:
    """Until frames pass: a veth interface throws them away for a moment after it was told to be up."""
    for name in interfaces:
        ip(f"link set {name} up")
    until_s = time.monotonic() + PATIENCE_S
    while not all("state UP" in shown("link", "show", name) for name in ("left", "right")):
        assert time.monotonic() < until_s, "the interfaces do not come up"


def send(interface: str, frames: list[bytes]) -> None:
    """Put frames on an interface."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
        sock.bind((interface, 0))
        for frame in frames:
            sock.send(frame)


def capture(source: LiveSource, link_type: int = 1) -> list[str]:
    """Every packet until none has come for a while and the kernel keeps none back."""
    found: list[str] = []
    quiet_s = give_up_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < min(quiet_s, give_up_s) or (source.behind and time.monotonic() < give_up_s):
        select.select([source], [], [], QUIET_S)
        while (batch := source.read()) is not None:
            assert (batch.contiguous, batch.resume, batch.link_type) == (False, -1, link_type)
            found += [packet.frame.hex() for packet in packets_of(batch)]
            quiet_s = time.monotonic() + QUIET_S
        source.mark()
    return found


def shown(*arguments: str) -> str:
    """What the ``ip`` command says."""
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True).stdout


def ip(arguments: str) -> None:
    """Run the ``ip`` command."""
    subprocess.run(["ip", *arguments.split()], check=True)


if __name__ == "__main__":
    main(sys.argv[1])
