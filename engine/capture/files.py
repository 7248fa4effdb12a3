"""A capture file of whatever form: its first bytes tell, not its name."""

from __future__ import annotations

from engine.capture import pcapngblocks
from engine.capture.bytestream import ByteStream
from engine.capture.pcapfile import PcapFile
from engine.capture.pcapngfile import PcapngFile
from engine.errors import CaptureError

CaptureFile = PcapFile | PcapngFile


def open_file(path: str, index: int, *, start: int = 0, stream: ByteStream | None = None) -> CaptureFile:
    """The file at ``path``; ``-`` is standard input.

    Args:
        path: also the source's name.
        index: goes into ``Batch.source``.
        start: a ``Batch.resume`` to go on from.
        stream: ``path`` where somebody has opened it already; it is closed with the source.

    Raises:
        CaptureError: it cannot be opened, is no capture, or has a link type that is not decoded.
    """
    stream = stream or ByteStream(path)
    try:
        form = PcapngFile if stream.recognise() == pcapngblocks.MAGIC else PcapFile
        return form(stream, index, start=start)
    except CaptureError:
        stream.close()
        raise
