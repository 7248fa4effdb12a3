"""Which replies a Redis server owes: for most commands one, for some none or several, for a few no end of them."""

from __future__ import annotations

from collections import deque

from engine.dissect.redis_commands import BLOCKING, READING, SUBSCRIPTIONS, words_of

PLAIN, BLOCKED, MONITOR, SYNC, TOLD = range(5)
"""One reply; one that may take any time; one, and then lines without end, or another protocol; confirmations."""
MAX_CHANNELS = 10_000
_SPEAKING, _SKIPPING, _SILENT = range(3)


class Debt:
    """What commands that follow each other are owed."""

    __slots__ = ("begun", "count", "kind", "word")

    def __init__(self, kind: int, count: int, word: bytes = b"") -> None:
        self.kind = kind
        self.count = count
        """Replies, or confirmations."""
        self.begun = False
        """Some of them came."""
        self.word = word
        """With which the confirmations begin."""


class Owed:
    """State of one stream; plain commands are counted, so that a client that is never answered takes no memory."""

    __slots__ = ("_channels", "_debts", "_mode", "monitored")

    def __init__(self) -> None:
        self._debts: deque[Debt] = deque()
        self._mode = _SPEAKING
        self._channels: dict[bytes, set[bytes]] = {}
        """By word of subscription."""
        self.monitored = False
        """Every command of every client is told."""

    def ask(self, name: bytes, raw: bytes) -> bool:
        """Whether the command ``raw`` will be answered."""
        if name == b"CLIENT" and not self._set_mode(raw):
            return False
        if name == b"RESET":
            self._mode, self._channels = _SPEAKING, {}
        if self._mode != _SPEAKING:
            self._mode = _SILENT if self._mode == _SILENT else _SPEAKING
            return False
        word = SUBSCRIPTIONS.get(name)
        if word is not None:
            self._debts.append(Debt(TOLD, self._subscribe(word, raw), word))
            return True
        kind = _KINDS.get(name, PLAIN)
        if name in READING and b"\nBLOCK\r" in raw[:256].upper():
            kind = BLOCKED
        if kind == PLAIN and self._debts and self._debts[-1].kind == PLAIN:
            self._debts[-1].count += 1
        else:
            self._debts.append(Debt(kind, 1))
        return True

    def _set_mode(self, raw: bytes) -> bool:
        """Obey ``CLIENT REPLY``; whether this command is answered."""
        rest = [word.upper() for word in words_of(raw, 3)[1:]]
        if rest[:1] != [b"REPLY"] or len(rest) < 2:
            return True
        if rest[1] == b"OFF":
            self._mode = _SILENT
        elif rest[1] == b"SKIP" and self._mode != _SILENT:
            self._mode = _SKIPPING
        elif rest[1] == b"ON":
            self._mode = _SPEAKING
        else:
            return self._mode == _SPEAKING
        return self._mode == _SPEAKING

    def _subscribe(self, word: bytes, raw: bytes) -> int:
        """How many confirmations come; notes which channels there are then."""
        channels = words_of(raw, MAX_CHANNELS + 1)[1:]
        known = self._channels.setdefault(word.replace(b"un", b""), set())
        if b"un" not in word:
            if len(known) < MAX_CHANNELS:
                known.update(channels)
            return max(len(channels), 1)
        count = max(len(channels or known), 1)
        known.difference_update(channels or list(known))
        return count

    @property
    def subscribed(self) -> bool:
        """Some channel may tell something."""
        return any(self._channels.values())

    @property
    def first(self) -> Debt | None:
        """What the next reply is for."""
        return self._debts[0] if self._debts else None

    @property
    def size(self) -> int:
        """Of memory, in debts."""
        return len(self._debts)

    def confirm(self) -> None:
        """One confirmation of many came."""
        debt = self._debts[0]
        debt.count -= 1
        debt.begun = True
        if debt.count <= 0:
            self._debts.popleft()

    def pay(self) -> int:
        """One reply came; the kind of what it was for. Where many are owed it is for all: an error, ``QUEUED``."""
        if not self._debts:
            return PLAIN
        debt = self._debts[0]
        debt.count -= debt.count if debt.kind == TOLD else 1
        if debt.count <= 0:
            self._debts.popleft()
        self.monitored |= debt.kind == MONITOR
        return debt.kind

    def forget_all_but_one(self) -> None:
        """Replies are missing: a client that asks one thing at a time waits for one."""
        while len(self._debts) > 1:
            self._debts.popleft()
        if self._debts and self._debts[0].kind == PLAIN:
            self._debts[0].count = 1


_KINDS = {**dict.fromkeys(BLOCKING, BLOCKED), b"MONITOR": MONITOR, b"SYNC": SYNC, b"PSYNC": SYNC}
