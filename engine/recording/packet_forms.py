"""The two forms of a batch's packets: pcap where it can say everything, else pcapng."""

from __future__ import annotations

from pathlib import Path

from engine.recording import pcapng
from engine.recording.batch_state import BatchState, Sealing
from engine.recording.names import ENDINGS, PCAPNG_ENDING
from engine.recording.open_batch import KEYS_FILE
from engine.recording.packet_file import ETHERNET, Form
from engine.recording.packets import Buffer, Packets
from engine.recording.profile import Names
from engine.segments.records import StreamRecord, pcap_header, unpack_stream_records
from engine.streams.rows import format_endpoint
from engine.streams.stream import PROTOCOL_NAMES, format_address


def form_of(opened: Path, state: BatchState, records: dict[int, bytes]) -> Form:
    """The form of a fixed batch; ``records``: the last record of each stream.

    Raises:
        OSError: the keys that were laid beside it cannot be read.
    """
    assert state.sealing is not None, "a batch is fixed before it is built"
    profile = state.sealing.profile
    if profile.format == "pcap" and not profile.with_secrets and len(state.link_types) < 2:
        return Pcap((state.link_types or [ETHERNET])[0])
    keys = (opened / KEYS_FILE).read_bytes() if profile.with_secrets else b""
    return Pcapng(state, state.sealing, records, keys)


class Pcap:
    """Nanoseconds, little-endian, one link type."""

    ending = ENDINGS["pcap"]

    def __init__(self, link_type: int) -> None:
        self._link_type = link_type

    def head(self) -> bytes:
        """The file's header."""
        return pcap_header(self._link_type)

    def body(self, records: Buffer, index: Packets) -> Buffer:  # noqa: ARG002 - a form
        """They are what is wanted."""
        return records


class Pcapng:
    """An interface per link type, names of addresses, keys, and on the first packet of each stream which it is."""

    ending = PCAPNG_ENDING

    def __init__(self, state: BatchState, sealing: Sealing, records: dict[int, bytes], keys: bytes) -> None:
        self._state, self._sealing, self._keys = state, sealing, keys
        self._link_types = state.link_types or [ETHERNET]
        self._names = _by_place(sealing.names)
        self._silent = {stream: unpack_stream_records(data)[0] for stream, data in records.items()}
        """Streams of which no packet was written yet."""

    def head(self) -> bytes:
        """Section, interfaces, names, keys."""
        kfl = f", {self._sealing.profile.dialect or 'filter'}: {self._sealing.profile.kfl}"
        said = f"recording {self._state.recording}, batch {self._state.id}{kfl if self._sealing.profile.kfl else ''}"
        return b"".join(
            (
                pcapng.section(f"Remora {self._sealing.version}", said),
                *map(pcapng.interface, self._link_types),
                pcapng.names(self._called()),
                pcapng.secrets(self._keys),
            )
        )

    def body(self, records: Buffer, index: Packets) -> bytes:
        """Packet blocks."""
        interfaces = {link_type: place for place, link_type in enumerate(self._link_types)}
        comments = {}
        for at, stream in enumerate(index["stream"].tolist()):
            if stream in self._silent:
                comments[at] = self._describe(self._silent.pop(stream))
        return pcapng.packets(records, index, interfaces, comments)

    def _describe(self, stream: StreamRecord) -> str:
        """``000000000144.pcap, tcp 10.0.0.1:51234 (web.shop) to 10.0.0.2:80``."""
        ends = []
        for ip, port in ((stream.client_ip, stream.client_port), (stream.server_ip, stream.server_port)):
            place = format_endpoint(ip, port)
            name = self._names.get(place) or self._names.get(format_address(ip))
            ends.append(f"{place} ({name})" if name else place)
        protocol = PROTOCOL_NAMES.get(stream.protocol, str(stream.protocol))
        return f"{stream.name}, {protocol} {ends[0]} to {ends[1]}"

    def _called(self) -> dict[str, list[str]]:
        """Address -> names, those of a port of it behind its own."""
        called: dict[str, list[str]] = {}
        for place in sorted(self._names, key=_has_port):
            address = place.rpartition(":")[0].strip("[]") if _has_port(place) else place
            names = called.setdefault(address, [])
            if self._names[place] not in names:
                names.append(self._names[place])
        return called


def _has_port(place: str) -> bool:
    return place.startswith("[") or place.count(":") == 1


def _by_place(names: Names) -> dict[str, str]:
    """The newest name of each address or address with port."""
    found = {}
    for second in sorted(names, key=int):
        found.update({place: of.get("FullAddress", "") for place, of in names[second].items()})
    return {place: name for place, name in found.items() if name}
