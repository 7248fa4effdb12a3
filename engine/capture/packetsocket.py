"""Packet sockets: opened by a process with privileges, read by ``engine.capture.live``, maybe in another.

Nothing is received before everything is set up: a socket begins with a filter that drops all, is bound, joins its
group, and only then gets its own filter. ``any`` is bound to no interface: it hears all of them, also later ones.
"""

from __future__ import annotations

import errno
import os
import socket
import struct

from engine.capture.bpf import LOOPBACK, NOTHING, attach, compile_filter, detach, without_loopback_copies
from engine.capture.links import ETHERNET, LINUX_SLL2, RAW
from engine.capture.options import CaptureOptions
from engine.capture.ring import BLOCK_BYTES, BLOCKS, RETIRE_MS, RING_BYTES
from engine.errors import CaptureError

ANY = "any"
"""Means all interfaces, as for tcpdump; its frames are cooked, so that each names its interface (LINUX_SLL2)."""
DEFAULTS = CaptureOptions()

_ETH_P_ALL = 3
_SOL_PACKET = 263  # from here: linux/if_packet.h
_ADD_MEMBERSHIP, _RX_RING, _STATISTICS, _VERSION, _FANOUT = 1, 5, 6, 10, 18
_TPACKET_V3 = 2
_PROMISCUOUS = 1
_FANOUT_HASH, _DEFRAGMENT, _NEW_GROUP = 0, 0x8000, 0x2000
_FRAME_BYTES = 2048  # only a measure for the kernel's checks: version 3 packs frames tightly
_LINK_TYPES = {1: ETHERNET, LOOPBACK: ETHERNET, 65534: RAW, 768: RAW, 769: RAW, 776: RAW, 778: RAW}
"""By ARPHRD_ number; tunnels (none, ipip, ip6ip6, sit, gre) hand over bare IP."""


def open_packet_socket(interface: str, options: CaptureOptions = DEFAULTS) -> socket.socket:
    """A packet socket with a ring, bound to ``interface`` and receiving.

    Raises:
        CaptureError: no such interface, no right to capture, or a filter that is none.
    """
    (packets,) = open_packet_sockets(interface, options, 1)
    return packets


def open_packet_sockets(
    interface: str, options: CaptureOptions, count: int, group: int | None = None
) -> list[socket.socket]:
    """So many of them, which share the packets of ``interface`` by the hash of their flow.

    Args:
        interface: its name, or ``any``.
        options: what to capture.
        count: with one and no group nothing is shared.
        group: that of others which share already (``group_of``); the new ones join it.

    Raises:
        CaptureError: as above.
    """
    opened: list[socket.socket] = []
    try:
        for _ in range(count):
            opened.append(_new_socket(interface))
            _set_up(opened[-1], interface, options)
            if count > 1 or group is not None:
                group = _join(opened[-1], group)
        for packets in opened:
            _begin(packets, interface, options)
    except BaseException as error:
        for packets in opened:
            packets.close()
        if isinstance(error, OSError):
            raise _refused(interface, error) from None
        raise
    return opened


def _new_socket(interface: str) -> socket.socket:
    """One that is bound to nothing, or, where all interfaces are wanted, to all: ``bind`` needs the name of one.

    Raises:
        CaptureError: no right to capture.
    """
    kind, protocol = (socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL)) if interface == ANY else (socket.SOCK_RAW, 0)
    try:
        return socket.socket(socket.AF_PACKET, kind, protocol)
    except PermissionError:
        raise CaptureError(
            f"iface:{interface}", "the right to capture", "none", "run as root or with CAP_NET_RAW"
        ) from None


def _set_up(packets: socket.socket, interface: str, options: CaptureOptions) -> None:
    """Ring and binding; a filter keeps everything out."""
    attach(packets, NOTHING)
    packets.setsockopt(_SOL_PACKET, _VERSION, _TPACKET_V3)
    ring = struct.pack("7I", BLOCK_BYTES, BLOCKS, _FRAME_BYTES, RING_BYTES // _FRAME_BYTES, RETIRE_MS, 0, 0)
    packets.setsockopt(_SOL_PACKET, _RX_RING, ring)
    if interface == ANY:
        packets.getsockopt(_SOL_PACKET, _STATISTICS, 12)  # forget what came before the filter; the ring did not get it
        return
    packets.bind((interface, _ETH_P_ALL))
    link_type_of(packets, interface)
    if options.promiscuous:
        index = socket.if_nametoindex(interface)
        packets.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, struct.pack("iHH8s", index, _PROMISCUOUS, 0, b""))


def _begin(packets: socket.socket, interface: str, options: CaptureOptions) -> None:
    """Receive, from now on, what is wanted."""
    link_type = (
        RAW if interface == ANY else link_type_of(packets, interface)
    )  # a cooked socket filters behind its header
    wanted = compile_filter(options.bpf, link_type) if options.bpf.strip() else b""
    if interface == ANY or packets.getsockname()[3] == LOOPBACK:
        wanted = without_loopback_copies(wanted)
    if wanted:
        attach(packets, wanted)
    else:
        detach(packets)


def _join(packets: socket.socket, group: int | None) -> int:
    """Share packets with the others of ``group``; for the first of them the kernel chooses one that nobody else has."""
    how = _FANOUT_HASH | _DEFRAGMENT | (_NEW_GROUP if group is None else 0)
    packets.setsockopt(_SOL_PACKET, _FANOUT, struct.pack("I", (group or 0) | how << 16))
    return group_of(packets)


def group_of(packets: socket.socket) -> int:
    """The group in which a socket shares packets."""
    return packets.getsockopt(_SOL_PACKET, _FANOUT) & 0xFFFF


def _refused(interface: str, error: OSError) -> CaptureError:
    there = interface == ANY or interface in interfaces()
    if error.errno in (errno.ENODEV, errno.ENXIO) or not there:
        return CaptureError(f"iface:{interface}", "an interface of this machine", repr(interface), _choices())
    wanted = "an interface that can be captured from (and is up, for several workers)"
    return CaptureError(f"iface:{interface}", wanted, os.strerror(error.errno or 0))


def _choices() -> str:
    return f"there are: {', '.join([*interfaces(), ANY])}"


def interfaces() -> list[str]:
    """Names of the interfaces there are."""
    return [name for _, name in socket.if_nameindex()]


def link_type_of(packets: socket.socket, interface: str) -> int:
    """LINKTYPE_ number of the frames of a bound packet socket.

    Raises:
        CaptureError: frames of this kind of interface cannot be decoded.
    """
    if interface == ANY:
        return LINUX_SLL2
    hardware_type = packets.getsockname()[3]
    if hardware_type not in _LINK_TYPES:
        raise CaptureError(
            f"iface:{interface}", "an Ethernet, loopback or IP tunnel interface", f"type {hardware_type}"
        )
    return _LINK_TYPES[hardware_type]
