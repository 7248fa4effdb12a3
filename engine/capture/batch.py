"""What every source yields: one buffer and the offsets of the packet records in it."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

RECORD_HEADER_BYTES = 16
PAD_BYTES = 256
"""Readable bytes behind the last record of every batch, so that gathers of header-sized pieces never overrun."""


class Batch(NamedTuple):
    """Packets of one source, in capture order.

    Whatever the source was, each record is preceded by a little-endian nanosecond pcap record header (a source of
    another form rewrites its headers in place before it yields)::

        +------------+---------------+---------------------+---------------------+----------
        | seconds u32| nanoseconds u32| captured length u32 | length on wire u32  | frame …
        +------------+---------------+---------------------+---------------------+----------
    """

    buffer: memoryview
    """Bytes, one dimension; valid until the source is read again. At least ``PAD_BYTES`` follow the last record."""
    offsets: npt.NDArray[np.int64]
    """Where each record header begins; every record lies wholly inside the buffer."""
    end: int
    """First byte behind the last record."""
    contiguous: bool
    """``buffer[offsets[0]:end]`` holds these records and nothing else."""
    link_type: int
    """LINKTYPE_ number of the frames."""
    source: int
    """Index of the source among those of the run."""
    resume: int
    """Offset in the (uncompressed) input behind the last record: where a killed replay goes on. -1 for live."""
    file_ns: int = 0
    """Of a folder that is followed: time of the first packet of the file that ``resume`` counts in; else 0."""


class Source(Protocol):
    """One place packets come from. Opened by its constructor, which raises ``CaptureError``."""

    @property
    def name(self) -> str:
        """For messages: a path, ``-`` or ``iface:eth0``."""

    @property
    def can_wait(self) -> bool:
        """Nothing is lost while nobody reads (files, standard input); false for live capture."""

    @property
    def ended(self) -> bool:
        """No more batches will come."""

    @property
    def due_s(self) -> float:
        """Monotonic moment before which ``read`` has nothing (a paced replay); 0.0: whenever ``fileno`` says."""

    def read(self) -> Batch | None:
        """The next batch; ``None`` when nothing is there now (look at ``ended``, then wait on ``fileno`` or ``due_s``).

        Raises:
            CaptureError: the source broke; what was read before stands.
        """

    def fileno(self) -> int:
        """A descriptor that becomes readable with new packets, or -1 when ``read`` never has to wait."""

    def lost(self) -> int:
        """Packets the kernel dropped since the source was opened."""

    def take_warning(self) -> str:
        """The next thing that is to be said: why an input ended before its end, what was left out; empty: nothing."""

    def take_key_logs(self) -> list[bytes]:
        """TLS key logs (``SSLKEYLOGFILE``) that came with the packets since they were asked for last."""

    def close(self) -> None:
        """Give the descriptor back."""
