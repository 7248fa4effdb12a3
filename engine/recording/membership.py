"""Which recordings an item belongs to: what the keep journals say, read along. For ``record("name")`` in filters."""

from __future__ import annotations

from pathlib import Path

from engine.recording.journal import Keep, read_journal


class Membership:
    """Streams by the recordings that want them, from when on; as of the last ``refresh``."""

    def __init__(self, data: Path) -> None:
        self._folder = data / "keep"
        self._read: dict[str, int] = {}
        self._from_ns: dict[int, dict[str, int]] = {}
        self.names: set[str] = set()
        """Recordings that ever kept something."""

    def refresh(self) -> None:
        """Take in what was wished since the last call."""
        for path in sorted(self._folder.glob("*.log")):
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
