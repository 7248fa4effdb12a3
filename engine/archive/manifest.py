"""Manifests as readers see them: version 1 (``docs/formats.md``), whatever later versions add."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import msgspec

from engine.errors import CaptureError

FORMAT = 1
ENDING = ".manifest.json"
TREE = "recording="
"""Begins the name of the folder that all files of a recording lie in."""
MAX_HEAD_BYTES = 16 << 20
"""Before the first member of packets: headers of a capture file, and the keys of its TLS sessions."""
_MAX_BYTES = 1 << 50


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


class _Format(msgspec.Struct):
    """What manifests of every version say."""

    format: int


_decoder, _format_decoder = msgspec.json.Decoder(Manifest), msgspec.json.Decoder(_Format)


def parse(where: str, data: bytes) -> Manifest:
    """The manifest in ``data``.

    Raises:
        CaptureError: it is none, or of a format that this version cannot read.
    """
    try:
        found = _format_decoder.decode(data).format
        if found != FORMAT:
            hint = "use the version of Remora that wrote it, or a later one"
            raise CaptureError(where, f"a manifest of format {FORMAT}", f"format {found}", hint)
        manifest = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CaptureError(where, "the manifest of a batch", f"something else ({error})") from None
    if missing := {"pcap", "streams", "items"} - manifest.files.keys():
        raise CaptureError(
            where, "files pcap, streams and items", f"a manifest without {' and '.join(sorted(missing))}"
        )
    for file in manifest.files.values():
        _check(where, file)
    if manifest.packets and not manifest.files["pcap"].members:
        raise CaptureError(where, "members of its pcap", f"none, and {manifest.packets} packets")
    return manifest


def _check(where: str, file: File) -> None:
    """Manifests come from anywhere: what one says may not lead out of its tree, or out of its file."""
    parts = file.name.split("/")
    outside = len(parts) < 2 or bool({"", ".", ".."} & set(parts))
    if outside or not file.name.isprintable() or any(part.startswith(TREE) for part in parts[1:]):
        raise CaptureError(where, "names of files below its tree", repr(file.name))
    if not 0 <= file.bytes < _MAX_BYTES:
        raise CaptureError(where, f"the size of {file.name}", file.bytes)
    offsets = [member.offset for member in file.members]
    if offsets and not (0 <= offsets[0] <= MAX_HEAD_BYTES and offsets[-1] <= file.bytes):
        raise CaptureError(
            where, f"members within the {file.bytes} bytes of {file.name}", f"{offsets[0]} … {offsets[-1]}"
        )
    if any(later <= earlier for earlier, later in itertools.pairwise(offsets)):
        raise CaptureError(where, f"members of {file.name} one behind the other", "others")
