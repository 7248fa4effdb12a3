"""Manifests as readers see them: version 1 (``docs/formats.md``), whatever later versions add."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from engine.errors import CaptureError

FORMAT = 1
ENDING = ".manifest.json"


class Member(msgspec.Struct, frozen=True):
    """One gzip member of the packets; holds whole packets."""

    offset: int
    first_ns: int
    last_ns: int
    packets: int


class File(msgspec.Struct, frozen=True):
    """One file of a batch."""

    name: str
    """Below the root of its destination."""
    bytes: int
    crc32c: str
    sha256: str = ""
    members: tuple[Member, ...] = ()


class Manifest(msgspec.Struct, frozen=True):
    """What a batch says of itself."""

    format: int
    batch: str
    recording: str
    files: Mapping[str, File]
    opened_ns: int
    first_packet_ns: int
    last_packet_ns: int
    packets: int
    items: int
    node: str = ""
    cluster: str = ""
    streams: int = 0
    packet_bytes: int = 0
    protocols: Mapping[str, int] | None = None
    """Items by ``protocol.name``; None where the version that wrote it did not count them."""
    gaps: tuple[Any, ...] = ()


_decoder = msgspec.json.Decoder(Manifest)


def parse(where: str, data: bytes) -> Manifest:
    """The manifest in ``data``.

    Raises:
        CaptureError: it is none, or of a format that this version cannot read.
    """
    try:
        manifest = _decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise CaptureError(where, "the manifest of a batch", f"something else ({error})") from None
    if manifest.format != FORMAT:
        hint = "use the version of Remora that wrote it, or a later one"
        raise CaptureError(where, f"a manifest of format {FORMAT}", f"format {manifest.format}", hint)
    if missing := {"pcap", "streams", "items"} - manifest.files.keys():
        raise CaptureError(
            where, "files pcap, streams and items", f"a manifest without {' and '.join(sorted(missing))}"
        )
    return manifest
