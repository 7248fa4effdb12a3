"""Header blocks of HTTP/2 (HPACK, RFC 7541), also where the table was not seen from its beginning.

hpack's own decoder refuses a block that refers to an entry it never saw, and takes 2.7 us a field. Here such a field is
named as unknown, and one takes 0.4 us. The static table and the Huffman code are hpack's; tests hold both together.
"""

from __future__ import annotations

from functools import lru_cache

from hpack.table import HeaderTable as _Hpack

from engine.dissect.http2_huffman import plain

Field = tuple[str, str]
UNKNOWN = "<unknown"
"""How the name of a field begins whose name was never captured; a number follows, the same for the same entry."""
UNREADABLE = "the header block cannot be decoded"

_MAX_TABLE_BYTES = 64 << 10
"""Entries kept, whatever size the other side allows; 16 times the size to begin with (RFC 9113, 6.5.2)."""
_ENTRY_BYTES = 32
"""What an entry counts beside its text (RFC 7541, 4.1)."""
_MAX_INTEGER_BYTES = 5
_CACHED_BYTES = 64

_STATIC: tuple[Field, ...] = (
    ("", ""),
    *((name.decode("latin-1"), value.decode("latin-1")) for name, value in _Hpack.STATIC_TABLE),
)
_DYNAMIC = len(_STATIC)
"""Index of the newest entry of the dynamic table."""


class BadBlock(Exception):
    """What a header block cannot say; does not leave this module."""


class HeaderTable:
    """The dynamic table of one direction."""

    __slots__ = ("_bytes", "_entries", "_max_bytes", "whole")

    def __init__(self, *, whole: bool) -> None:
        self.whole = whole
        """Every entry that a block may refer to was seen."""
        self._entries: list[Field] = []
        """The newest last."""
        self._bytes = 0
        self._max_bytes = 4096 if whole else _MAX_TABLE_BYTES
        """Keeping more than the peers do is harmless, since indices count from the newest entry; but one that is larger
        than the table empties it (RFC 7541, 4.4)."""

    def forget(self) -> None:
        """Blocks are missing: whatever they added, older entries have other indices now."""
        self._entries.clear()
        self._bytes, self._max_bytes, self.whole = 0, _MAX_TABLE_BYTES, False

    def decode(self, block: bytes, limit_bytes: int) -> tuple[list[Field], str]:
        """The fields of ``block``, up to ``limit_bytes`` of them (RFC 9113, 6.5.2), and what is wrong with them. Total.

        A block that cannot be read to its end leaves the table unknown.
        """
        fields: list[Field] = []
        try:
            fits = self._decode(block, limit_bytes, fields)
        except (BadBlock, IndexError) as error:
            self.forget()
            return fields, f"{UNREADABLE} ({'it ends early' if isinstance(error, IndexError) else error})"
        if not fits:
            return fields, f"more than {limit_bytes} bytes of header fields (dissect.maxHeader)"
        if not self.whole and (unknown := sum(1 for name, _ in fields if name.startswith(UNKNOWN))):
            return fields, f"table entries of {unknown} header field{'s' if unknown > 1 else ''} were not captured"
        return fields, ""

    def _decode(self, block: bytes, room: int, fields: list[Field]) -> bool:
        """Whether all fields fit into ``room``; those that do not are read, but not kept."""
        entries, pos, end = self._entries, 0, len(block)
        fits = True
        while pos < end:
            first = block[pos]
            pos += 1
            if first >= 0x80:  # indexed
                index = first & 0x7F
                if index == 0x7F:
                    index, pos = _integer(block, pos, index)
                if index < _DYNAMIC:
                    field = _STATIC[index] if index else (self._refuse(index), "")
                else:
                    at = index - _DYNAMIC
                    field = entries[-1 - at] if at < len(entries) else (self._refuse(index), "")
            elif first & 0xE0 == 0x20:  # a new size of the table
                index, pos = _integer(block, pos, first & 0x1F) if first & 0x1F == 0x1F else (first & 0x1F, pos)
                self._resize(index)
                continue
            else:
                mask = 0x3F if first >= 0x40 else 0x0F
                index = first & mask
                if index == mask:
                    index, pos = _integer(block, pos, mask)
                if index:
                    name = self._name(index)
                else:
                    name, pos = _string(block, pos)
                value, pos = _string(block, pos)
                field = (name, value)
                if first >= 0x40:
                    self._add(field)
            room -= len(field[0]) + len(field[1]) + _ENTRY_BYTES
            if room >= 0:
                fields.append(field)
            else:
                fits = False
        return fits

    def _name(self, index: int) -> str:
        if index < _DYNAMIC:
            return _STATIC[index][0]
        at = index - _DYNAMIC
        return self._entries[-1 - at][0] if at < len(self._entries) else self._refuse(index)

    def _refuse(self, index: int) -> str:
        """The name of an entry that is not there, where it may have been."""
        if self.whole or not index:
            raise BadBlock(f"there is no table entry {index}")
        return f"{UNKNOWN} {index - _DYNAMIC - len(self._entries) + 1}>"

    def _add(self, field: Field) -> None:
        size = len(field[0]) + len(field[1]) + _ENTRY_BYTES
        if size > self._max_bytes:
            self._entries.clear()
            self._bytes = 0
            return
        self._entries.append(field)
        self._bytes += size
        if self._bytes > self._max_bytes:
            self._evict()

    def _resize(self, max_bytes: int) -> None:
        self._max_bytes = min(max_bytes, _MAX_TABLE_BYTES)
        if max_bytes > _MAX_TABLE_BYTES:
            self.whole = False  # entries may be let go of here that the peers still have
        elif not max_bytes:
            self.whole = True  # nothing is in it, so that all of it is known
        self._evict()

    def _evict(self) -> None:
        entries, count = self._entries, 0
        while self._bytes > self._max_bytes:
            self._bytes -= len(entries[count][0]) + len(entries[count][1]) + _ENTRY_BYTES
            count += 1
        del entries[:count]


def _integer(block: bytes, pos: int, value: int) -> tuple[int, int]:
    """The rest of a number whose prefix is full (RFC 7541, 5.1), and where it ends."""
    for shift in range(0, 7 * _MAX_INTEGER_BYTES, 7):
        byte = block[pos]
        pos += 1
        value += (byte & 0x7F) << shift
        if byte < 0x80:
            return value, pos
    raise BadBlock("a number is too long")


def _string(block: bytes, pos: int) -> tuple[str, int]:
    """A text (RFC 7541, 5.2), and where it ends."""
    first = block[pos]
    pos += 1
    length = first & 0x7F
    if length == 0x7F:
        length, pos = _integer(block, pos, length)
    end = pos + length
    if end > len(block):
        raise BadBlock("a text is longer than the block")
    raw = block[pos:end]
    if first >= 0x80:
        return (_known(raw) if length <= _CACHED_BYTES else _plain(raw)), end
    return raw.decode("latin-1"), end


def _plain(raw: bytes) -> str:
    text = plain(raw)
    if text is None:
        raise BadBlock("what should be Huffman's code is not")
    return text


_known = lru_cache(maxsize=4096)(_plain)
"""Of short texts: names, agents and paths come again with every connection."""
