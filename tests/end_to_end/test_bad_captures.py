"""Bad captures through the whole line, without processes: a reason for every packet, and everything else goes on."""

from __future__ import annotations

import gzip
import random
import struct
from pathlib import Path

import pytest

from engine.capture.following import FollowedFile
from engine.capture.sources import open_source
from engine.counters import Drop
from engine.errors import CaptureError
from engine.segments.reader import SegmentReader
from tests.support import pcapng
from tests.support.instance import pcap_frames
from tests.support.line import Line
from tests.support.packets import (
    EPOCH_NS,
    Packet,
    TcpConversation,
    ethernet,
    fragments_of,
    ipv4,
    pcap_bytes,
    tcp,
    tcp_frame,
    udp_frame,
)
from tests.support.packing import zstandard
from tests.support.traces_http import answer, get

A, B = ("10.0.0.1", 40000), ("10.0.0.2", 80)


def exchange(number: int = 0, start_ns: int = EPOCH_NS) -> list[Packet]:
    """One HTTP exchange on a port of its own, 8 packets."""
    talk = TcpConversation(("10.0.0.1", 40000 + number), B, start_ns=start_ns).handshake()
    return talk.client_says(get("/")).server_says(answer("200 OK", b"hello")).finish().packets


EXCHANGES = [packet for number in range(20) for packet in exchange(number)]
CUT_OFF = len(EXCHANGES) - 1


class Outcome:
    """A capture, read to its end."""

    def __init__(self, source_path: Path, data: Path) -> None:
        self.line, self.packets, self.items = Line(data), 0, 0
        source = open_source(str(source_path), 0)
        while not source.ended:
            if (batch := source.read()) is not None:
                self.packets += len(batch.offsets)
                self.items += len(self.line.take(batch)[1])
        self.warning = source.take_warning()
        source.close()
        self.items += len(self.line.finish())
        self.line.check_balance()

    def dropped(self) -> dict[str, int]:
        """By reason."""
        get = self.line.counters.get
        counts = {reason.name: get(f"decode_dropped_total{{reason={reason.name.lower()}}}") for reason in Drop}
        return {reason: count for reason, count in counts.items() if count}


def outcome(tmp_path: Path, content: bytes, name: str = "x.pcap") -> Outcome:
    path = tmp_path / name
    path.write_bytes(content)
    return Outcome(path, tmp_path / "data")


def patched(content: bytes, at: int, value: bytes) -> bytes:
    return content[:at] + value + content[at + len(value) :]


WHOLE = pcap_bytes(EXCHANGES)
LAST = len(WHOLE) - 16 - len(EXCHANGES[-1].frame)
"""Where the last record begins."""
_DICE = random.Random(1)
NOISE = [Packet(EPOCH_NS, udp_frame(A, ("10.0.0.2", 9999), _DICE.randbytes(1000))) for _ in range(300)]
LONG = WHOLE + pcap_bytes(NOISE)[24:]
"""Compressed, it is of several blocks."""
FILES: dict[str, tuple[bytes, int, str]] = {
    "a record that the end cuts": (WHOLE[:-1], CUT_OFF, "before the end"),
    "a record header that the end cuts": (WHOLE[: LAST + 9], CUT_OFF, "a record header of 16 bytes, found 9"),
    "a length of 256 KiB and one": (
        patched(WHOLE, LAST + 8, struct.pack("<I", 262145)),
        CUT_OFF,
        "found a length of 262145",
    ),
    "a length of 4 GiB": (patched(WHOLE, LAST + 8, b"\xff" * 4), CUT_OFF, "found a length of 4294967295"),
    "a length behind the end": (patched(WHOLE, LAST + 8, struct.pack("<I", 9999)), CUT_OFF, "a frame of 9999 bytes"),
    "zeros at the end": (WHOLE + bytes(4096), len(EXCHANGES), "found zeros"),
    "a gzip that is cut": (gzip.compress(LONG)[:-20], -1, "the gzip data ends in the middle"),
    "a zstd that is cut": (zstandard(LONG)[:-20], -1, "the zstd data"),
    "a gzip with damage": (patched(gzip.compress(LONG), -8, b"\xff" * 4), -1, "the gzip data is damaged"),
    "a pcapng block of 4 GiB": (
        pcapng.pcapng_bytes(EXCHANGES) + patched(pcapng.enhanced(EXCHANGES[0]), 4, b"\xff" * 4),
        len(EXCHANGES),
        "a length of 4294967295",
    ),
    "a pcapng block that the end cuts": (pcapng.pcapng_bytes(EXCHANGES)[:-5], CUT_OFF, "bytes before the end"),
}


@pytest.mark.parametrize(("content", "packets", "complaint"), FILES.values(), ids=FILES.keys())
def test_what_stands_before_the_damage_is_read_and_the_rest_is_warned_of(
    tmp_path: Path, content: bytes, packets: int, complaint: str
) -> None:
    found = outcome(tmp_path, content)
    assert complaint in found.warning
    assert found.packets == packets or (packets < 0 and found.packets >= len(EXCHANGES))
    assert found.items == 20
    assert not found.dropped()


HUGE = 0xFFFF_FFFF
SEGMENT = tcp(A, B, payload=b"hello")
FRAMES: dict[str, tuple[list[Packet], dict[str, int]]] = {
    "no bytes at all": ([Packet(EPOCH_NS, b"")], {"BAD_HEADER": 1}),
    "none of 60 bytes captured": ([Packet(EPOCH_NS, b"", 60)], {"CUT_BY_SNAPLEN": 1}),
    "one byte": ([Packet(EPOCH_NS, b"x")], {"BAD_HEADER": 1}),
    "a frame of 4 GiB, of which 20 bytes were captured": (
        [Packet(EPOCH_NS, tcp_frame(A, B)[:20], HUGE)],
        {"CUT_BY_SNAPLEN": 1},
    ),
    "a segment of 4 GiB, says the frame": (
        [Packet(EPOCH_NS, patched(tcp_frame(A, B, payload=b"hello"), 16, b"\0\0"), HUGE)],
        {},
    ),
    "a datagram of 4 GiB, says the frame": (
        [Packet(EPOCH_NS, patched(patched(udp_frame(A, B, b"hello"), 16, b"\0\0"), 38, b"\0\0"), HUGE)],
        {},
    ),
    "an IP length behind the frame": ([Packet(EPOCH_NS, patched(tcp_frame(A, B), 16, b"\xff\xff"))], {}),
    "an IP header of 60 bytes, of which 20 are there": (
        [Packet(EPOCH_NS, patched(ethernet(0x0800, ipv4(A[0], B[0], 6, b"")), 14, b"\x4f"))],
        {"BAD_HEADER": 1},
    ),
    "a UDP length behind the packet": (
        [Packet(EPOCH_NS, patched(udp_frame(A, B, b"hello"), 38, b"\xff\xff"))],
        {"BAD_HEADER": 1},
    ),
    "a TCP header of 8 bytes": ([Packet(EPOCH_NS, patched(tcp_frame(A, B), 46, b"\x20"))], {"BAD_HEADER": 1}),
    "a last fragment alone": (
        [Packet(EPOCH_NS, fragments_of(udp_frame(A, B, bytes(64)), 32)[-1])],
        {"FRAGMENT": 1},
    ),
    "a fragment that ends behind 64 KiB": (
        [Packet(EPOCH_NS, ethernet(0x0800, ipv4(A[0], B[0], 17, bytes(64), fragment=0x1FFF)))],
        {"BAD_HEADER": 1},
    ),
    "ARP": ([Packet(EPOCH_NS, ethernet(0x0806, bytes(28)))], {"NOT_IP": 1}),
}


@pytest.mark.parametrize(("bad", "dropped"), FRAMES.values(), ids=FRAMES.keys())
def test_a_bad_frame_is_counted_and_those_around_it_are_what_they_were(
    tmp_path: Path, bad: list[Packet], dropped: dict[str, int]
) -> None:
    found = outcome(tmp_path, pcap_bytes([*EXCHANGES[:80], *bad, *EXCHANGES[80:]]))
    assert found.packets == len(EXCHANGES) + len(bad)
    assert found.dropped() == dropped
    assert found.items == 20
    assert found.warning == ""


def test_a_snap_length_of_64_keeps_every_stream_and_says_what_is_missing(tmp_path: Path) -> None:
    found = outcome(tmp_path, pcap_bytes(EXCHANGES, snaplen=64))
    assert found.dropped() == {}
    assert found.line.counters.get("streams_started_total") == 20
    records = list(SegmentReader(tmp_path / "data").streams())
    whole = len(get("/")) + len(answer("200 OK", b"hello"))
    assert [record.payload_bytes for record in records] == [whole] * 20


@pytest.mark.parametrize("step_s", [1, 3600, 86400])
def test_a_clock_that_goes_backwards_keeps_streams_whole_and_their_pcaps_in_time_order(
    tmp_path: Path, step_s: int
) -> None:
    packets = exchange()
    turned = [
        packet._replace(timestamp_ns=packet.timestamp_ns - number * step_s * 10**9)
        for number, packet in enumerate(packets)
    ]
    found = outcome(tmp_path, pcap_bytes([*turned, *exchange(1)]))
    assert (found.packets, found.items, found.dropped()) == (16, 2, {})
    reader, path = SegmentReader(tmp_path / "data"), tmp_path / "one.pcap"
    assert reader.materialise(1, path) == 8
    assert pcap_frames(path.read_bytes()) == sorted((packet.timestamp_ns, packet.frame) for packet in turned)


def test_one_interface_of_an_unknown_link_type_is_counted_and_the_others_are_read(tmp_path: Path) -> None:
    parts = [pcapng.section(), pcapng.interface(link_type=105), pcapng.interface()]
    for packet in EXCHANGES:
        parts += [pcapng.enhanced(packet, number=1), pcapng.enhanced(packet, number=0)]
    found = outcome(tmp_path, b"".join(parts), "x.pcapng")
    assert (found.packets, found.items) == (2 * len(EXCHANGES), 20)
    assert found.dropped() == {"UNKNOWN_LINK_TYPE": len(EXCHANGES)}
    assert f"{len(EXCHANGES)} packets are of link type 105, which is not decoded" in found.warning


def test_an_unknown_link_type_of_a_whole_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"a link type that Remora decodes .*, got link type 105"):
        outcome(tmp_path, pcap_bytes(EXCHANGES, link_type=105))


@pytest.mark.parametrize("kept", [len(WHOLE) // 2, 24, 0])
def test_a_followed_file_that_shrinks_is_an_error_and_what_was_read_stands(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(WHOLE)
    source, line = FollowedFile(str(path), 0, lambda: 0.0), Line(tmp_path / "data")
    batch = source.read()
    assert batch is not None
    items = line.take(batch)[1]
    with path.open("r+b") as file:
        file.truncate(kept)
    with pytest.raises(CaptureError, match="expected a file that grows, got one that became shorter"):
        source.read()
    source.close()
    line.finish()
    line.check_balance()
    assert len(items) == 20


def test_a_file_that_shrinks_while_it_is_read_ends_there(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap_bytes([Packet(EPOCH_NS + number, bytes(60_000)) for number in range(200)]))
    source, line, packets = open_source(str(path), 0), Line(tmp_path / "data"), 0
    while not source.ended:
        if (batch := source.read()) is not None:
            packets += len(batch.offsets)
            line.take(batch)
            with path.open("r+b") as file:
                file.truncate(5_000_000)
    source.close()
    line.finish()
    line.check_balance()
    assert 0 < packets < 200
    assert "what came before it stands" in source.take_warning()
