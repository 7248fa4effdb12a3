"""Character strings of DNS messages (RFC 1035, 3.3): a length and as many bytes; written as zone files have them."""

from __future__ import annotations

from engine.dissect.dns_names import Damaged


def take_string(data: bytes, pos: int, end: int) -> tuple[bytes, int]:
    """The string at ``pos``, and where it ends.

    Raises:
        Damaged: it ends behind ``end``.
        IndexError: not even its length is there.
    """
    stop = pos + 1 + data[pos]
    if stop > end:
        raise Damaged("a text ends behind its record")
    return data[pos + 1 : stop], stop


def quoted(raw: bytes) -> str:
    """``raw`` in quotes; a byte that is no printable ASCII is a backslash and its number (RFC 1035, 5.1)."""
    text = raw.decode("latin-1")
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(char: str) -> str:
    return f"\\{char}" if char in '"\\' else char if " " <= char < "\x7f" else f"\\{ord(char):03d}"
