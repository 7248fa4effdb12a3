"""Which recordings an item belongs to: what the keep journals say, read along. For ``record("name")`` in filters."""

from __future__ import annotations

from pathlib import Path

from engine.recording.batch_state import NEVER_NS
from engine.recording.journal import Keep, journals, read_journal
from engine.recording.ledger import Standing


class Membership:
    """Streams by the recordings that want them, from when on; as of the last ``refresh``."""

    def __init__(self, data: Path) -> None:
        self._folder = data / "keep"
        self._read: dict[str, int] = {}
        self._from_ns: dict[int, dict[str, int]] = {}
        self.names: set[str] = set()
        """Recordings that ever kept something."""
        standing = Standing.read(data)  # of journals that are read, files are deleted in time
        self.names.update(standing.totals)
        for stream, kept in standing.kept.items():
            self._from_ns[stream] = {name: from_ns for name, from_ns in kept.recordings.items() if from_ns != NEVER_NS}

    def refresh(self) -> None:
        """Take in what was wished since the last call."""
        for path in journals(self._folder):
            while True:
                entries, end = read_journal(path, self._read.get(path.name, 0))
                if not entries:
                    break
                self._read[path.name] = end
                for entry in entries:
                    if isinstance(entry, Keep):
                        self._take(entry)

    def _take(self, wish: Keep) -> None:
        self.names.add(wish.recording)
        kept = self._from_ns.setdefault(wish.stream, {})
        kept[wish.recording] = min(wish.from_ns, kept.get(wish.recording, wish.from_ns))

    def of(self, stream: int, timestamp_ns: int) -> set[str]:
        """The recordings that an item of this stream and time is in."""
        kept = self._from_ns.get(stream)
        return set() if kept is None else {name for name, from_ns in kept.items() if timestamp_ns >= from_ns}
