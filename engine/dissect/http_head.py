"""The head of an HTTP/1 message taken apart (RFC 9112, 2 to 5): start line and fields, however they were written."""

from __future__ import annotations

from typing import NamedTuple

ABSENT = "\n"
"""Stands for the name of a field that is not there; no field is called so."""
_COOKIES = ("cookie", "set-cookie")
_MAX_SHAPES, _MAX_NAMES, _MAX_NAMES_CHARS = 1024, 48, 1024
"""Bound what is remembered to 4 MB, whatever names are sent."""


class Names(NamedTuple):
    """How the fields that matter here are written in one head; ``ABSENT`` where they are not."""

    content_type: str
    content_encoding: str
    content_length: str
    transfer_encoding: str
    location: str
    cookies: tuple[str, ...]
    """``Cookie`` and ``Set-Cookie``, those that are there, in the order in which they were sent."""


Head = tuple[str, dict[str, str], Names, list[str]]
"""Start line; fields with their names as sent (repeats joined by a comma, under the first one's name); the names that
matter; the values of ``Cookie`` and ``Set-Cookie`` fields, which a comma does not separate.
"""


ODD = Names("", "", "", "", "", ())
"""Of names that need the careful way."""
_shapes: dict[tuple[str, ...], Names] = {}
"""What was learned of sequences of field names that are not odd. Software sends the same names again and again: this
look takes 0.2 us, lowering and comparing each name 0.7 us."""


def head_of(raw: bytes) -> Head:
    """A head, with the empty line that ends it. Total."""
    text = raw.decode("latin-1")
    plain = plain_head(text) if raw.endswith(b"\r\n\r\n") else None
    return plain or careful_head(text)


def plain_head(text: str) -> Head | None:
    """A head as nearly all are: each line ends in CR LF, one blank behind each colon, no name twice; else None.

    ``text`` ends in two CR LF.
    """
    if "\t" in text or " \r\n" in text or ":  " in text:
        return None
    lines = text[:-4].split("\r\n")
    line = lines.pop(0)
    try:
        headers = dict([each.split(": ", 1) for each in lines])  # a list: 0.8 us for seven fields; a generator 1.2 us
    except ValueError:
        return None
    names = tuple(headers)
    known = _shapes.get(names, ODD)
    if known is ODD:
        known = _learn(names)
    if known is ODD or len(names) != len(lines) or len(lines) != text.count("\n") - 2:
        return None
    return line, headers, known, [headers[name] for name in known.cookies] if known.cookies else []


def careful_head(text: str) -> Head:
    """Bare line feeds, folded lines, repeated names, blanks where they need not be."""
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    headers: dict[str, str] = {}
    cookies: list[str] = []
    sent_as: dict[str, str] = {}
    for line in _unfolded(lines[1:]):
        name, _, value = line.partition(":")
        name, value = name.rstrip(), value.strip(" \t\r")
        key = name.lower()
        if key in _COOKIES:
            cookies.append(value)
        first = sent_as.setdefault(key, name)
        headers[first] = f"{headers[first]},{value}" if first in headers else value
    return lines[0].rstrip("\r "), headers, _names(sent_as), cookies


def _unfolded(lines: list[str]) -> list[str]:
    """Lines that begin with a blank continue the one before (obs-fold, RFC 9112, 5.2)."""
    pieces: list[list[str]] = []
    for line in lines:
        if line[:1] in (" ", "\t") and pieces:
            pieces[-1].append(line.strip(" \t\r"))
        else:
            pieces.append([line])
    return [" ".join(piece) for piece in pieces]


def _learn(names: tuple[str, ...]) -> Names:
    """What ``names`` say; remembered."""
    written = "".join(names)
    sent_as = {name.lower(): name for name in names}
    if len(sent_as) < len(names) or " " in written or ":" in written:
        return ODD
    known = _names(sent_as)
    if len(names) <= _MAX_NAMES and len(written) <= _MAX_NAMES_CHARS:
        if len(_shapes) >= _MAX_SHAPES:
            _shapes.clear()
        _shapes[names] = known
    return known


def _names(sent_as: dict[str, str]) -> Names:
    return Names(
        sent_as.get("content-type", ABSENT),
        sent_as.get("content-encoding", ABSENT),
        sent_as.get("content-length", ABSENT),
        sent_as.get("transfer-encoding", ABSENT),
        sent_as.get("location", ABSENT),
        tuple(name for key, name in sent_as.items() if key in _COOKIES),
    )
