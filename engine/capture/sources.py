"""From a SOURCE argument to a source: a file, a folder, ``-``, ``iface:eth0`` or ``data:DIR``."""

from __future__ import annotations

import os
import socket

from engine import clock
from engine.capture.batch import Source
from engine.capture.files import open_file
from engine.capture.folder import open_data_folder, open_folder
from engine.capture.following import FollowedFile, FollowedFolder
from engine.capture.live import LiveSource
from engine.capture.pacing import PacedSource
from engine.capture.packetsocket import open_packet_socket
from engine.errors import CaptureError

LIVE, DATA = "iface:", "data:"
PACES = ("max", "realtime")


def open_source(
    spec: str,
    index: int,
    *,
    packet_socket: socket.socket | None = None,
    pace: str = "max",
    start: int = 0,
    start_file_ns: int = 0,
    follow: bool = False,
) -> Source:
    """The source that ``spec`` names.

    Args:
        spec: SOURCE as the user wrote it.
        index: goes into ``Batch.source``.
        packet_socket: what ``open_packet_socket`` made, for ``iface:``; without it, it is opened here.
        pace: ``max`` or ``realtime``; live capture has only its own.
        start: a ``Batch.resume`` to go on from.
        start_file_ns: its ``Batch.file_ns``.
        follow: a file grows, a folder gets new files; neither ends by itself.

    Raises:
        CaptureError: there is no such input, or it cannot be read.
    """
    if pace not in PACES:
        raise CaptureError("--pace", " or ".join(PACES), repr(pace))
    if spec.startswith(LIVE):
        interface = spec.removeprefix(LIVE)
        return LiveSource(packet_socket or open_packet_socket(interface), interface, index)
    source = _open_followed(spec, index, start, start_file_ns) if follow else _open_offline(spec, index, start)
    return PacedSource(source, clock.monotonic_s) if pace == "realtime" else source


def _open_followed(spec: str, index: int, start: int, start_file_ns: int) -> Source:
    if spec == "-" or spec.startswith(DATA):
        raise CaptureError("--follow", "a file or a folder", spec)
    if os.path.isdir(spec):
        return FollowedFolder(spec, index, clock.monotonic_s, start=start, start_file_ns=start_file_ns)
    return FollowedFile(spec, index, clock.monotonic_s, start=start)


def _open_offline(spec: str, index: int, start: int) -> Source:
    if spec.startswith(DATA):
        return open_data_folder(spec.removeprefix(DATA), index, start=start)
    if spec == "-" and start:
        raise CaptureError(
            "-", "an input that can be read again", "standard input", "write it to a file and replay that"
        )
    if os.path.isdir(spec):
        return open_folder(spec, index, start=start)
    return open_file(spec, index, start=start)
