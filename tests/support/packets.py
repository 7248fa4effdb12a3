"""Frames with correct lengths and checksums, TCP conversations made of them, and the files and batches that hold them.

Addresses are text (``"10.0.0.1"``, ``"fd00::1"``), endpoints are ``(address, port)``.
Times are nanoseconds since the epoch.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.capture.batch import PAD_BYTES, Batch

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
TCP, UDP = 6, 17
ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_ARP = 0x0800, 0x86DD, 0x0806
VLAN, QINQ = 0x8100, 0x88A8
EPOCH_NS = 1_700_000_000_000_000_000
"""Where the clock of the built captures begins: 2023-11-14, 22:13:20 UTC."""

Endpoint = tuple[str, int]


class Packet(NamedTuple):
    """One frame and when it was seen."""

    timestamp_ns: int
    frame: bytes
    wire_length: int = 0
    """Bytes on the wire where the capture cut some off; 0: all of ``frame``."""


# ---- layers -------------------------------------------------------------------------------------------------------


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    even = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f">{len(even) // 2}H", even))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def ethernet(ethertype: int, payload: bytes, *, vlans: Sequence[int] = (), pad: bool = False) -> bytes:
    """An Ethernet II frame; the outermost of two tags is 802.1ad. ``pad`` fills it up to 60 bytes."""
    tags = b"".join(
        struct.pack(">HH", QINQ if len(vlans) > 1 and not index else VLAN, vlan) for index, vlan in enumerate(vlans)
    )
    frame = bytes.fromhex("020000000002020000000001") + tags + struct.pack(">H", ethertype) + payload
    return frame.ljust(60, b"\0") if pad else frame


def ipv4(
    source: str,
    target: str,
    protocol: int,
    payload: bytes,
    *,
    options: bytes = b"",
    fragment: int = 0x4000,
    ident: int = 1,
) -> bytes:
    """``fragment``: flags and offset as in the header (0x4000: do not fragment); ``options``: a multiple of 4 bytes."""
    length = 20 + len(options)
    first = struct.pack(">BBHHHBB", 0x40 | length // 4, 0, length + len(payload), ident, fragment, 64, protocol)
    rest = ipaddress.IPv4Address(source).packed + ipaddress.IPv4Address(target).packed + options
    return first + struct.pack(">H", checksum(first + b"\0\0" + rest)) + rest + payload


def ipv6(source: str, target: str, next_header: int, payload: bytes) -> bytes:
    """``payload`` begins with extension headers, if there are any."""
    first = struct.pack(">IHBB", 6 << 28, len(payload), next_header, 64)
    return first + ipaddress.IPv6Address(source).packed + ipaddress.IPv6Address(target).packed + payload


def extension(next_header: int, body_bytes: int = 6) -> bytes:
    """An IPv6 extension header of the common form (RFC 8200, 4.3), filled with padding options."""
    assert body_bytes % 8 == 6
    return struct.pack(">BBBB", next_header, (body_bytes - 6) // 8, 1, body_bytes - 2) + bytes(body_bytes - 2)


def tcp(
    source: Endpoint,
    target: Endpoint,
    *,
    sequence: int = 0,
    acknowledgement: int = 0,
    flags: int = ACK,
    payload: bytes = b"",
    options: bytes = b"",
) -> bytes:
    """A TCP segment; its checksum covers the addresses of both endpoints."""
    sequence, acknowledgement = sequence & 0xFFFFFFFF, acknowledgement & 0xFFFFFFFF
    offset = (20 + len(options)) // 4 << 4
    first = struct.pack(">HHIIBBH", source[1], target[1], sequence, acknowledgement, offset, flags, 64240)
    rest = b"\0\0" + options + payload
    total = checksum(_pseudo(source, target, TCP, len(first) + 2 + len(rest)) + first + b"\0\0" + rest)
    return first + struct.pack(">H", total) + rest


def udp(source: Endpoint, target: Endpoint, payload: bytes) -> bytes:
    """A UDP datagram."""
    first = struct.pack(">HHH", source[1], target[1], 8 + len(payload))
    total = checksum(_pseudo(source, target, UDP, 8 + len(payload)) + first + b"\0\0" + payload)
    return first + struct.pack(">H", total or 0xFFFF) + payload


def _pseudo(source: Endpoint, target: Endpoint, protocol: int, length: int) -> bytes:
    addresses = ipaddress.ip_address(source[0]).packed + ipaddress.ip_address(target[0]).packed
    return addresses + (
        struct.pack(">BBH", 0, protocol, length) if len(addresses) == 8 else struct.pack(">II", length, protocol)
    )


def ip(source: str, target: str, protocol: int, payload: bytes) -> bytes:
    """An IP packet of the version that the addresses have."""
    return (ipv6 if ":" in source else ipv4)(source, target, protocol, payload)


def tcp_frame(
    source: Endpoint,
    target: Endpoint,
    *,
    sequence: int = 0,
    acknowledgement: int = 0,
    flags: int = ACK,
    payload: bytes = b"",
    options: bytes = b"",
    vlans: Sequence[int] = (),
    pad: bool = False,
) -> bytes:
    """An Ethernet frame with a TCP segment, IPv4 or IPv6 as the addresses are."""
    segment = tcp(
        source,
        target,
        sequence=sequence,
        acknowledgement=acknowledgement,
        flags=flags,
        payload=payload,
        options=options,
    )
    return _framed(source, target, TCP, segment, vlans, pad)


def udp_frame(
    source: Endpoint, target: Endpoint, payload: bytes, *, vlans: Sequence[int] = (), pad: bool = False
) -> bytes:
    """An Ethernet frame with a UDP datagram, IPv4 or IPv6 as the addresses are."""
    return _framed(source, target, UDP, udp(source, target, payload), vlans, pad)


def _framed(
    source: Endpoint, target: Endpoint, protocol: int, payload: bytes, vlans: Sequence[int], pad: bool
) -> bytes:
    ethertype = ETHERTYPE_IPV6 if ":" in source[0] else ETHERTYPE_IPV4
    return ethernet(ethertype, ip(source[0], target[0], protocol, payload), vlans=vlans, pad=pad)


# ---- conversations ------------------------------------------------------------------------------------------------


class TcpConversation:
    """A TCP connection that is told what happens and writes down the packets.

    ::

        talk = TcpConversation(("10.0.0.1", 51234), ("10.0.0.2", 80)).handshake()
        talk.client_says(b"GET / HTTP/1.1\\r\\n\\r\\n", segments=[5])
        talk.server_says(b"HTTP/1.1 204 No Content\\r\\n\\r\\n").finish()
        write_pcap(path, talk.packets)
    """

    def __init__(
        self,
        client: Endpoint,
        server: Endpoint,
        *,
        start_ns: int = EPOCH_NS,
        step_ns: int = 1_000_000,
        sequences: tuple[int, int] = (1000, 500_000),
        vlans: Sequence[int] = (),
        mss: int = 1448,
    ) -> None:
        """``step_ns`` passes between packets; ``sequences`` are the first numbers of client and server."""
        self.packets: list[Packet] = []
        self.now_ns = start_ns
        self._ends = (client, server)
        self._next = list(sequences)
        self._step_ns, self._vlans, self._mss = step_ns, vlans, mss

    def handshake(self) -> TcpConversation:
        """SYN, SYN-ACK, ACK."""
        self._send(0, SYN)
        self._send(1, SYN | ACK)
        self._send(0, ACK)
        return self

    def client_says(self, data: bytes, segments: Sequence[int] = ()) -> TcpConversation:
        """``segments`` are the lengths of the first TCP segments; what is left goes in segments of ``mss``."""
        return self._say(0, data, segments)

    def server_says(self, data: bytes, segments: Sequence[int] = ()) -> TcpConversation:
        """As ``client_says``."""
        return self._say(1, data, segments)

    def client_acks(self) -> TcpConversation:
        """A pure acknowledgement of all that the server said."""
        self._send(0, ACK)
        return self

    def server_acks(self) -> TcpConversation:
        """A pure acknowledgement of all that the client said."""
        self._send(1, ACK)
        return self

    def wait(self, duration_ns: int) -> TcpConversation:
        """Nothing happens for a while."""
        self.now_ns += duration_ns
        return self

    def lose(self, count: int = 1) -> TcpConversation:
        """Take the last packets out of the capture, as if they had never been seen."""
        del self.packets[-count:]
        return self

    def repeat(self, count: int = 1) -> TcpConversation:
        """Send the last packets again."""
        for packet in self.packets[-count:]:
            self._store(packet.frame)
        return self

    def finish(self) -> TcpConversation:
        """FIN from both sides, the client's first."""
        self._send(0, FIN | ACK)
        self._send(1, FIN | ACK)
        self._send(0, ACK)
        return self

    def reset(self, by_client: bool = False) -> TcpConversation:
        """RST, by the server unless told otherwise."""
        self._send(0 if by_client else 1, RST | ACK)
        return self

    def _say(self, side: int, data: bytes, segments: Sequence[int]) -> TcpConversation:
        position = 0
        for length in segments:
            self._send(side, ACK | PSH, data[position : position + length])
            position += length
        while position < len(data):
            self._send(side, ACK | PSH, data[position : position + self._mss])
            position += self._mss
        return self

    def _send(self, side: int, flags: int, payload: bytes = b"") -> None:
        self._store(
            tcp_frame(
                self._ends[side],
                self._ends[1 - side],
                sequence=self._next[side],
                acknowledgement=self._next[1 - side] if flags & ACK else 0,
                flags=flags,
                payload=payload,
                vlans=self._vlans,
            )
        )
        self._next[side] += len(payload) + bool(flags & SYN) + bool(flags & FIN)

    def _store(self, frame: bytes) -> None:
        self.packets.append(Packet(self.now_ns, frame))
        self.now_ns += self._step_ns


def in_time_order(*conversations: Iterable[Packet]) -> list[Packet]:
    """Several lists of packets as one capture."""
    return sorted((packet for packets in conversations for packet in packets), key=lambda packet: packet.timestamp_ns)


# ---- files and batches --------------------------------------------------------------------------------------------


def pcap_bytes(
    packets: Iterable[Packet], *, nanoseconds: bool = True, order: str = "<", link_type: int = 1, snaplen: int = 262144
) -> bytes:
    """A classic pcap file; ``order`` is ``<`` or ``>``; frames longer than ``snaplen`` are cut."""
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    parts = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snaplen, link_type)]
    for packet in packets:
        seconds, rest_ns = divmod(packet.timestamp_ns, 1_000_000_000)
        kept = packet.frame[:snaplen]
        fraction = rest_ns if nanoseconds else rest_ns // 1000
        wire = packet.wire_length or len(packet.frame)
        parts += [struct.pack(order + "IIII", seconds, fraction, len(kept), wire), kept]
    return b"".join(parts)


def write_pcap(
    path: Path,
    packets: Iterable[Packet],
    *,
    nanoseconds: bool = True,
    order: str = "<",
    link_type: int = 1,
    snaplen: int = 262144,
) -> Path:
    """Write ``pcap_bytes`` to ``path`` and return it."""
    path.write_bytes(pcap_bytes(packets, nanoseconds=nanoseconds, order=order, link_type=link_type, snaplen=snaplen))
    return path


def batch_of(packets: Iterable[Packet], *, link_type: int = 1, source: int = 0, snaplen: int = 262144) -> Batch:
    """The batch that a source would make of these packets."""
    records = pcap_bytes(packets, snaplen=snaplen)[24:]
    offsets, position = [], 0
    while position < len(records):
        offsets.append(position)
        position += 16 + int.from_bytes(records[position + 8 : position + 12], "little")
    buffer = memoryview(bytearray(records + bytes(PAD_BYTES)))
    return Batch(buffer, np.array(offsets, np.int64), position, True, link_type, source, 24 + position)


# ---- fragments ----------------------------------------------------------------------------------------------------


def fragments_of(frame: bytes, size: int, *, ident: int = 1) -> list[bytes]:
    """An Ethernet frame without VLAN tags and extension headers, in IP fragments of ``size`` bytes, a multiple of 8."""
    assert size % 8 == 0
    six = frame[12:14] == b"\x86\xdd"
    header_bytes = 54 if six else 14 + (frame[14] & 15) * 4
    payload = frame[header_bytes:]
    starts = range(0, len(payload), size)
    make = _fragment6 if six else _fragment4
    return [make(frame[:header_bytes], payload[at : at + size], at, at + size < len(payload), ident) for at in starts]


def _fragment4(headers: bytes, part: bytes, start: int, more: bool, ident: int) -> bytes:
    total = len(headers) - 14 + len(part)
    return headers[:16] + struct.pack(">HHH", total, ident, more << 13 | start >> 3) + headers[22:] + part


def _fragment6(headers: bytes, part: bytes, start: int, more: bool, ident: int) -> bytes:
    length = struct.pack(">HB", 8 + len(part), 44)
    return headers[:18] + length + headers[21:] + struct.pack(">BBHI", headers[20], 0, start | more, ident) + part
