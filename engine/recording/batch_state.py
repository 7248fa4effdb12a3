"""What the recorder must remember to go on after a kill, as it stands in the commit log."""

from __future__ import annotations

import msgspec

from engine.recording.journal import Gap
from engine.recording.profile import Profile

NEVER_NS = 2**63 - 1
"""``from_ns`` of a stream that was refused: no packet is that late."""


class Cursors(msgspec.Struct):
    """How many bytes of each file are copied, by the file's name or the segment's number."""

    journals: dict[str, int] = {}
    segments: dict[str, int] = {}
    """Of ``segments/N.idx``."""
    logs: dict[str, int] = {}
    """Of ``segments/N.streams``."""
    items: dict[str, int] = {}
    """Of ``items/N.idx``."""


class Kept(msgspec.Struct):
    """A stream that somebody keeps; forgotten once it has ended and nothing of it is left in a segment."""

    recordings: dict[str, int] = {}
    """Recording and the time from which on its packets are in it."""
    record: bytes = b""
    """Its last record in the stream log; empty when none was found."""
    ended: bool = False


class Sealing(msgspec.Struct):
    """Fixes what a batch is: from now on it gets nothing more, and building it gives the same bytes each time."""

    version: str
    lost: dict[str, int | None]
    profile: Profile = Profile()
    names: dict[str, dict[str, dict[str, str]]] = {}
    """Those of its addresses: second since the epoch -> address -> name."""
    gaps: list[Gap] = []
    """What was missed since the recording's batch before."""


class BatchState(msgspec.Struct):
    """One open batch: what counts of its files. Bytes behind that were written by a pass that was not committed."""

    id: str
    recording: str
    opened_ns: int
    """Wall clock."""
    link_types: list[int] = []
    """Of its packets, in the order in which they came."""
    first_ns: int = NEVER_NS
    """The earliest packet; the capture's clock."""
    packets: int = 0
    packet_bytes: int = 0
    """Bytes of ``packets``, record headers included."""
    items: int = 0
    item_bytes: int = 0
    items_damaged: int = 0
    """Left out, since a job that redacts lets nothing out that cannot be read."""
    stream_records: int = 0
    asked: bool = False
    """Somebody asked for it to be sealed now."""
    sealing: Sealing | None = None

    @property
    def empty(self) -> bool:
        """Not worth sealing."""
        return not self.packets and not self.items


class Totals(msgspec.Struct):
    """What a recording has got so far, over all its batches."""

    streams: int = 0
    refused: int = 0
    """Streams that found no room."""
    packets: int = 0
    packet_bytes: int = 0
    """Of captured frames."""
    items: int = 0
    batches: int = 0
    """Sealed."""
    last_ns: int = 0
    """Wall clock of the pass that added something last."""
    wishes: dict[int, int] = {}
    """Of recordings with a limit: how many wishes counted, by run; the last run alone."""


class Pass(msgspec.Struct, omit_defaults=True):
    """What one pass changed; a compacted log is one pass that changed everything."""

    cursors: Cursors
    kept: dict[int, Kept] = {}
    forgotten: list[int] = []
    batches: dict[str, BatchState] = {}
    removed: list[str] = []
    refused: dict[str, int] = {}
    """Streams refused per recording since its last batch was sealed; whole."""
    dropped: dict[str, int] = {}
    """Sealed batches that were deleted to make room, per recording, as ``refused``; whole."""
    totals: dict[str, Totals] = {}
    """Of recordings that got something."""
    deleted: list[str] = []
    """Recordings whose totals do not count any more."""
    run_id: str = ""
    sequence: int = 0
    """The last batch of this run."""
    gaps: list[Gap] = []
    """The last ones that were told; whole."""
    gaps_before: int = 0
    """How many came before those."""
    missed: dict[str, int] = {}
    """Up to when what jobs missed stands in the manifests of a recording; whole."""
    told: dict[str, int] = {}
    """How many of all gaps stand in the manifests of a recording, or were before it; whole."""
