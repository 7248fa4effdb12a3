"""TLS as OpenSSL and nginx spoke it, with the key log that opens it: the streams of all recorded traces."""

from __future__ import annotations

from engine.capture.sources import open_source
from engine.dissect.tls_keylog import KeyRing
from engine.streams.stream import CLIENT, SERVER
from tests.support.reading import read_all
from tests.support.streams import Said
from tests.support.traces import FOLDER

PORT = 443
SSLV2 = b"\x80\x22\1\3\1\0\x09\0\0\0\x10\0\0\x2f\1\0\x80\0\0\5" + bytes(range(16))
ALERT = b"\x15\3\3\0\2\2\x28"
TRACES = sorted(FOLDER.glob("recorded_tls_*.pcap"))


def conversations() -> list[list[Said]]:
    """Each stream of the traces, and what they have not."""
    return [*(talk for path in TRACES for talk in talks_of(path.stem)), [(CLIENT, SSLV2), (SERVER, ALERT)]]


def keys() -> KeyRing:
    """Of all traces."""
    ring = KeyRing(growing=True)
    for path in TRACES:
        ring.add(path.with_suffix(".keys").read_bytes())
    return ring


def talks_of(name: str) -> list[list[Said]]:
    """What TCP carried, by stream: the loopback loses and repeats nothing. Ethernet, IPv4 without options."""
    talks: dict[bytes, list[Said]] = {}
    for frame in [packet.frame for packet in read_all(open_source(str(FOLDER / f"{name}.pcap"), 0))]:
        header = 14 + 20
        data = frame[header + (frame[header + 12] >> 4) * 4 :]
        source, target = frame[header : header + 2], frame[header + 2 : header + 4]
        client = max(source, target)  # the server's port is the lower one
        if data:
            talks.setdefault(client, []).append((CLIENT if source == client else SERVER, data))
    return list(talks.values())
