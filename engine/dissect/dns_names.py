"""Domain names in DNS messages (RFC 1035, 4.1.4): total, in linear time, however they point at each other."""

from __future__ import annotations

from functools import lru_cache

_MAX_NAME_BYTES = 255
_MAX_JUMPS = 126


class Damaged(Exception):
    """The message ends early or contradicts itself; never leaves these rooms."""


class Names:
    """Domain names of one message; each is read once, so that pointers cost nothing twice."""

    __slots__ = ("_data", "_known")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._known: dict[int, str] = {}

    def read(self, pos: int) -> tuple[str, int]:
        """The name at ``pos`` and where it ends; the root is the empty text.

        Raises:
            Damaged: too long, too many pointers, or outside of the message.
        """
        data, known, end = self._data, self._known, -1
        if pos + 1 < len(data) and data[pos] >= 0xC0:  # a pointer to what is known: a tenth of the cost
            rest = known.get((data[pos] & 0x3F) << 8 | data[pos + 1], "")
            if rest:
                return rest, pos + 2
        labels: list[tuple[int, str]] = []
        room, rest, jumps = _MAX_NAME_BYTES, "", 0
        while True:
            if pos in known:
                rest = known[pos]
                end = self._end_of(pos) if end < 0 else end
                break
            if pos >= len(data):
                raise Damaged("a name ends behind the message")
            length = data[pos]
            if length == 0:
                end = pos + 1 if end < 0 else end
                break
            if length >= 0xC0:
                if pos + 1 >= len(data) or (jumps := jumps + 1) > _MAX_JUMPS:
                    raise Damaged("a name that does not end")
                end = pos + 2 if end < 0 else end
                pos = (length & 0x3F) << 8 | data[pos + 1]
                continue
            room -= length + 1
            if length >= 0x40 or room < 1 or pos + 1 + length > len(data):
                raise Damaged("a label that is none")
            labels.append((pos, _label(data[pos + 1 : pos + 1 + length])))
            pos += 1 + length
        return self._remember(labels, rest), end

    def _remember(self, labels: list[tuple[int, str]], rest: str) -> str:
        for pos, label in reversed(labels):
            rest = f"{label}.{rest}" if rest else label
            if len(rest) > 4 * _MAX_NAME_BYTES:
                raise Damaged("a name longer than 255 bytes")
            self._known[pos] = rest
        return rest

    def _end_of(self, pos: int) -> int:
        data = self._data
        while 0 < data[pos] < 0xC0:
            pos += 1 + data[pos]
        return pos + 1 if data[pos] == 0 else pos + 2


def plain_name(raw: bytes) -> str | None:
    """The name that ``raw`` is from its first byte to its last, if it needs neither pointers nor escapes; else None."""
    if len(raw) > _MAX_NAME_BYTES:
        return None
    text = raw.decode("latin-1")
    labels = []
    pos, end = 0, len(raw) - 1
    while pos < end:
        start = pos + 1
        pos = start + raw[pos]
        labels.append(text[start:pos])
    name = ".".join(labels)
    usual = name.isascii() and name.isprintable() and "\\" not in name and name.count(".") == len(labels) - 1
    return name if usual and all(labels) and pos == end and raw[pos] == 0 and max(map(len, labels)) < 0x40 else None


@lru_cache(maxsize=4096)
def _label(raw: bytes) -> str:
    """A label in presentation form (RFC 4343, 2.1); labels come again and again."""
    text = raw.decode("latin-1")
    if text.isascii() and text.isprintable() and "." not in text and "\\" not in text:
        return text
    return "".join(
        f"\\{char}" if char in ".\\" else char if " " < char < "\x7f" else f"\\{ord(char):03d}" for char in text
    )
