"""A pcapng file, plain or compressed, or the same on a pipe (draft-ietf-opsawg-pcapng).

Own code, because libraries hand over one packet at a time (dpkt takes 2.2 us for each) and every source owes records
in one buffer, which take 0.17 us each. Only interfaces, names and secrets are remembered; other blocks are passed over.
"""

from __future__ import annotations

from collections import Counter, deque

import numpy as np

from engine.capture import pcapngblocks as blocks
from engine.capture.batch import Batch
from engine.capture.bytestream import ByteStream
from engine.capture.links import LINKS
from engine.capture.pcapngblocks import Section
from engine.capture.pcapngpackets import BLOCK_HEAD, Numbers, first_unsound, scan, write_records
from engine.capture.window import Window
from engine.errors import CaptureError

LONGEST_BLOCK_BYTES = 1 << 20
"""Of those that are looked into; the longest packet block that Wireshark writes has 262 kB and its options."""
MOST_NAMES = 65_536
MOST_SECRETS_BYTES = 16 << 20
_PACKETS = (blocks.ENHANCED_PACKET, blocks.SIMPLE_PACKET, blocks.OLD_PACKET)


class PcapngFile:
    """A ``Source``. One chunk may hold several batches: each is of one link type.

    ``Batch.resume`` lies behind a record; what stands before it is read again for its interfaces.
    """

    can_wait = True
    due_s = 0.0

    def __init__(self, stream: ByteStream, index: int, *, start: int = 0) -> None:
        """Go on at offset ``start`` of the uncompressed input (a ``Batch.resume``); 0: at its first packet.

        ``stream`` was recognised; it is closed with the source.

        Raises:
            CaptureError: this is no pcapng.
        """
        self.name = stream.name
        self.names: dict[str, str] = {}
        """Address -> name, from name resolution blocks."""
        self.secrets: list[blocks.Secrets] = []
        """From decryption secrets blocks."""
        self._secrets_taken = 0
        self._index, self._stream, self._start = index, stream, start
        self._window = Window(stream, 0, LONGEST_BLOCK_BYTES)
        self._waiting: deque[Batch] = deque()
        self._over, self._damage, self._warned = False, "", False
        self._left_out: Counter[str] = Counter()
        self._section = Section("<")
        self._clock_ns = self._passing = 0
        self._check_beginning()

    @property
    def ended(self) -> bool:
        """No more batches will come."""
        return self._over and not self._waiting

    @property
    def warning(self) -> str:
        """Why the input ended before its end, and what was left out of it."""
        left_out = [f"{self.name}: {count} {what}" for what, count in self._left_out.items()]
        return "; ".join([*filter(None, [self._damage]), *left_out])

    def read(self) -> Batch | None:
        """The packets of the next chunk, or of the next run of one link type in it.

        Raises:
            CaptureError: the file cannot be read any more.
        """
        while not self._waiting:
            while not self._over and self._take_block():
                pass
            if self._waiting:
                break
            if self._over or not self._stream.ready():
                return None
            self._window.fill()
        return self._waiting.popleft()

    def fileno(self) -> int:
        """The descriptor of a pipe; -1 for a file."""
        return self._stream.fileno()

    def take_warning(self) -> str:
        """Why the input ended before its end, and what was left out of it; once."""
        if not self.ended or self._warned:
            return ""
        self._warned = True
        return self.warning

    def take_key_logs(self) -> list[bytes]:
        """From the secrets blocks since they were asked for last."""
        new, self._secrets_taken = self.secrets[self._secrets_taken :], len(self.secrets)
        return [one.data for one in new if one.kind == blocks.TLS_KEY_LOG]

    def lost(self) -> int:
        """A file loses nothing."""
        return 0

    def close(self) -> None:
        """Give the descriptor back; again is harmless."""
        self._over = True
        self._waiting.clear()
        self._stream.close()

    # -- blocks --------------------------------------------------------------------------------------------------------

    def _check_beginning(self) -> None:
        window = self._window
        while window.rest < blocks.SECTION_BYTES and not window.ended:
            window.fill()
        head = self._head()
        if len(head) < blocks.SECTION_BYTES:
            found = self._stream.damage or f"a file of {len(head)} bytes"
            raise CaptureError(self.name, f"a pcapng section header of {blocks.SECTION_BYTES} bytes", found)
        if complaint := _unknown_section(head):
            raise CaptureError(self.name, *complaint)

    def _take_block(self) -> bool:
        """Take the block at the window's front, packets a run at a time; false where the rest must wait or is bad."""
        window = self._window
        if self._passing:
            return self._pass_over()
        head = self._head()
        if len(head) < blocks.BLOCK_FRAME_BYTES:
            return self._wait(f"a block of at least {blocks.BLOCK_FRAME_BYTES} bytes")
        order = blocks.byte_order(head) if head[:4] == blocks.MAGIC else self._section.order
        kind, length = BLOCK_HEAD[order or "<"](head, 0)
        if order is None or not self._plausible(kind, length):
            return self._end(f"a block of type {kind}", f"a length of {length}" if order else "no byte order")
        if length > LONGEST_BLOCK_BYTES:
            self._left_out["blocks that are longer than 1 MiB were passed over"] += 1
            self._passing = length
            return True
        if length > window.rest:
            return self._wait(f"a block of {length} bytes")
        return self._take_packets(kind) if kind in _PACKETS else self._take_description(kind, length, order)

    def _head(self) -> bytes:
        """The first bytes of the next block; enough for a section's header, fewer where there are fewer."""
        start = self._window.used
        return bytes(self._window.view[start : min(start + blocks.SECTION_BYTES, self._window.filled)])

    @staticmethod
    def _plausible(kind: int, length: int) -> bool:
        if length > LONGEST_BLOCK_BYTES and kind in blocks.LEAST_BYTES:
            return False
        return length >= blocks.LEAST_BYTES.get(kind, blocks.BLOCK_FRAME_BYTES)

    def _take_description(self, kind: int, length: int, order: str) -> bool:
        window = self._window
        block = bytes(window.view[window.used : window.used + length])
        _, repeated = BLOCK_HEAD[order](block, length - 8)
        if repeated != length:
            return self._end(f"a block that repeats its length of {length}", str(repeated))
        if kind == blocks.SECTION:
            if complaint := _unknown_section(block):
                return self._end(*complaint)
            self._section = Section(order)
        elif kind == blocks.INTERFACE:
            self._section.interfaces.append(blocks.interface(block, order))
        elif kind == blocks.NAMES:
            self._keep_names(block, order)
        elif kind == blocks.SECRETS:
            self._keep_secrets(block, order)
        window.used += length
        return True

    def _keep_names(self, block: bytes, order: str) -> None:
        for address, name in blocks.names(block, order):
            if len(self.names) < MOST_NAMES:
                self.names.setdefault(address, name)

    def _keep_secrets(self, block: bytes, order: str) -> None:
        found = blocks.secrets(block, order)
        if found and sum(len(one.data) for one in self.secrets) + len(found.data) <= MOST_SECRETS_BYTES:
            self.secrets.append(found)

    def _take_packets(self, kind: int) -> bool:
        window, order = self._window, self._section.order
        positions, end = scan(window.buffer, window.used, window.filled, kind, order)
        sound = first_unsound(window.buffer, positions, end, kind, order)
        window.used = end if sound == len(positions) else int(positions[sound])
        if sound:
            self._yield_later(positions[:sound], kind)
        return sound == len(positions) or self._end("a packet block whose lengths agree", "one that contradicts itself")

    def _yield_later(self, positions: Numbers, kind: int) -> None:
        """Cut a run of packets where the link type changes."""
        window = self._window
        records = write_records(window.buffer, positions, kind, self._section, self._clock_ns)
        self._clock_ns = records.last_ns
        if records.strangers:
            self._left_out["packets of interfaces that the file does not describe were left out"] += records.strangers
        kept = np.flatnonzero(records.offsets + window.base >= self._start)
        cuts = np.flatnonzero(np.diff(records.link_types[kept])) + 1
        for run in np.split(kept, cuts) if kept.size else ():
            link_type, end = int(records.link_types[run[0]]), int(records.ends[run[-1]])
            if link_type not in LINKS:
                self._left_out[f"packets are of link type {link_type}, which is not decoded"] += len(run)
            batch = Batch(window.view, records.offsets[run], end, False, link_type, self._index, window.base + end)
            self._waiting.append(batch)

    # -- the end -------------------------------------------------------------------------------------------------------

    def _pass_over(self) -> bool:
        count = min(self._passing, self._window.rest)
        self._window.used += count
        self._passing -= count
        return not self._passing or self._wait(f"{self._passing} more bytes of a block")

    def _wait(self, expected: str) -> bool:
        """The rest comes with the next chunk, if there is one."""
        if self._window.ended:
            if self._window.rest or self._passing or self._stream.damage:
                self._end(expected, self._stream.damage or f"{self._window.rest} bytes before the end")
            self._over = True
        return False

    def _end(self, expected: str, found: str) -> bool:
        self._over = True
        here = f"{self.name}: offset {self._window.position}"
        self._damage = f"{here}: expected {expected}, found {found}; what came before it stands"
        return False


def _unknown_section(head: bytes) -> tuple[str, str] | None:
    """What was expected of a section header and what was found, where that differs."""
    order = blocks.byte_order(head)
    if head[:4] != blocks.MAGIC or order is None:
        return "a pcapng section header", f"a block that begins with {head[:12].hex(' ')}"
    major, minor = blocks.version(head, order)
    return ("pcapng version 1", f"version {major}.{minor}") if major != 1 else None
