"""Packets of an interface, from a ring that the kernel fills and that is read as an array.

Live traffic takes the same path as files, at 0.3 us a packet; a loop of ``recv`` costs 1.9 us. The socket is opened by
a process with privileges; its descriptor may be passed to another, which maps the ring.
"""

from __future__ import annotations

import errno
import mmap
import os
import socket
import struct

import numpy as np

from engine.capture.batch import Batch
from engine.capture.bpf import attach, compile_filter
from engine.capture.links import ETHERNET, RAW
from engine.capture.options import CaptureOptions
from engine.capture.ring import (
    BLOCK_BYTES,
    BLOCKS,
    RETIRE_MS,
    RING_BYTES,
    give_back,
    is_ours,
    packets_of,
    padded,
    write_records,
)
from engine.errors import CaptureError

MERGE_PACKETS = 256
"""Blocks that are ready go into one batch until it has this many packets: a small batch costs more than its packets."""

_ETH_P_ALL = 3
_SOL_PACKET = 263  # from here: linux/if_packet.h
_ADD_MEMBERSHIP, _RX_RING, _STATISTICS, _VERSION, _IGNORE_OUTGOING = 1, 5, 6, 10, 23
_TPACKET_V3 = 2
_PROMISCUOUS = 1
_FRAME_BYTES = 2048  # only a measure for the kernel's checks: version 3 packs frames tightly
_LOOPBACK = 772  # ARPHRD_LOOPBACK of linux/if_arp.h
_LINK_TYPES = {1: ETHERNET, _LOOPBACK: ETHERNET, 65534: RAW, 768: RAW, 769: RAW, 776: RAW, 778: RAW}
"""By ARPHRD_ number; tunnels (none, ipip, ip6ip6, sit, gre) hand over bare IP."""


DEFAULTS = CaptureOptions()


def open_packet_socket(interface: str, options: CaptureOptions = DEFAULTS) -> socket.socket:
    """A packet socket with a ring, bound to ``interface`` and receiving.

    Raises:
        CaptureError: no such interface, no right to capture, or a filter that is none.
    """
    try:
        packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    except PermissionError:
        raise CaptureError(
            f"iface:{interface}", "the right to capture", "none", "run as root or with CAP_NET_RAW"
        ) from None
    try:
        _set_up(packets, interface, options)
    except BaseException:
        packets.close()
        raise
    return packets


def _set_up(packets: socket.socket, interface: str, options: CaptureOptions) -> None:
    try:
        index = socket.if_nametoindex(interface)
        packets.setsockopt(_SOL_PACKET, _VERSION, _TPACKET_V3)
        ring = struct.pack("7I", BLOCK_BYTES, BLOCKS, _FRAME_BYTES, RING_BYTES // _FRAME_BYTES, RETIRE_MS, 0, 0)
        packets.setsockopt(_SOL_PACKET, _RX_RING, ring)
        packets.bind((interface, 0))  # nothing arrives yet
        if packets.getsockname()[3] == _LOOPBACK:  # each packet passes twice, on its way out and in: keep the latter
            packets.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)
        if options.promiscuous:
            packets.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, struct.pack("iHH8s", index, _PROMISCUOUS, 0, b""))
        if options.bpf.strip():
            attach(packets, compile_filter(options.bpf, link_type_of(packets, interface)))
        packets.bind((interface, _ETH_P_ALL))
    except OSError as error:
        raise _refused(interface, error) from None
    link_type_of(packets, interface)


def _refused(interface: str, error: OSError) -> CaptureError:
    if error.errno in (errno.ENODEV, errno.ENXIO) or interface not in interfaces():
        return CaptureError(f"iface:{interface}", "an interface of this machine", repr(interface), _choices())
    return CaptureError(f"iface:{interface}", "an interface that can be captured from", error.strerror)


def _choices() -> str:
    return f"there are: {', '.join(interfaces())}"


def interfaces() -> list[str]:
    """Names of the interfaces there are."""
    return [name for _, name in socket.if_nameindex()]


def link_type_of(packets: socket.socket, interface: str) -> int:
    """LINKTYPE_ number of the frames of a bound packet socket.

    Raises:
        CaptureError: frames of this kind of interface cannot be decoded.
    """
    hardware_type = packets.getsockname()[3]
    if hardware_type not in _LINK_TYPES:
        raise CaptureError(
            f"iface:{interface}", "an Ethernet, loopback or IP tunnel interface", f"type {hardware_type}"
        )
    return _LINK_TYPES[hardware_type]


class LiveSource:
    """A ``Source``. Owns the socket; a batch is a view of the ring, given back to the kernel by the next ``read``."""

    can_wait = False
    warning = ""
    due_s = 0.0

    def __init__(self, packet_socket: socket.socket, interface: str, index: int = 0) -> None:
        """``packet_socket`` is what ``open_packet_socket`` made, maybe in another process.

        Raises:
            CaptureError: its ring cannot be mapped.
        """
        self.name, self.ended = f"iface:{interface}", False
        self._socket, self._index = packet_socket, index
        self._link_type = link_type_of(packet_socket, interface)
        try:
            mapped = mmap.mmap(packet_socket.fileno(), RING_BYTES, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        except OSError as error:
            raise CaptureError(self.name, "a packet socket with a ring", os.strerror(error.errno or 0)) from None
        self._ring = memoryview(mapped)
        self._next = 0
        self._held: list[int] = []
        self._lost = 0

    def read(self) -> Batch | None:
        """The packets of the blocks that are ready.

        Raises:
            CaptureError: the interface is gone.
        """
        for block in self._held:
            give_back(self._ring, block)
        self._held = []
        packets: list[int] = []
        while len(packets) < MERGE_PACKETS and is_ours(self._ring, self._next):
            packets += packets_of(self._ring, self._next)
            self._held.append(self._next)
            self._next = (self._next + 1) % BLOCKS
            if not self._next:  # a batch never runs around the ring's end: its offsets grow
                break
        if not packets:
            self._check_interface()
            return None
        offsets, end = write_records(self._ring, np.array(packets, np.int64))
        buffer, offsets, end = padded(self._ring, offsets, end)
        return Batch(buffer, offsets, end, False, self._link_type, self._index, -1)

    def fileno(self) -> int:
        """Readable when a block is ready, and when the interface is gone."""
        return self._socket.fileno()

    def lost(self) -> int:
        """Packets that found no room in the ring."""
        if self._socket.fileno() >= 0:
            _, dropped, _ = struct.unpack("III", self._socket.getsockopt(_SOL_PACKET, _STATISTICS, 12))
            self._lost += dropped  # the kernel counts from zero again after each question
        return self._lost

    def close(self) -> None:
        """Give the descriptor back. The ring stays mapped while somebody holds a batch."""
        self.ended = True
        self._socket.close()

    def _check_interface(self) -> None:
        self._socket.getsockopt(
            socket.SOL_SOCKET, socket.SO_ERROR
        )  # an interface that went down may come back: clear it
        if not self._socket.getsockname()[0]:
            self.ended = True
            raise CaptureError(self.name, "the interface to stay", "its removal")
