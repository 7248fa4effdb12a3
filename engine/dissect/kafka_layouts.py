"""A small language for the fields of Kafka messages, and what is read of it.

A table is text, one line per field, indented below what holds it::

    Heartbeat 12, flexible from 4        name and key of the API; the first version with compact lengths and tags
    request 0-4                          the versions there are
      groupId          string
      members          []        3+      an array of what stands below it; 3+ and 2-4 are the versions that have it
        memberId       string
      replicaNodes     int32[]           an array of plain values
      nodeEndpoints    []  10+  tag 0    a tagged field, in flexible versions

Kinds: ``bool``, ``int8`` to ``int64``, ``string``, ``bytes``, ``uuid``, ``records``, ``[]`` and, for one structure,
``{}``. Everything but numbers may be null where the wire says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_LINE = re.compile(r"( *)(\w+) +(\S+)(?: +(\d+)(?:(\+)|-(\d+))?)?(?: +tag (\d+))?")
_EVER = 1 << 15


class Field(NamedTuple):
    """One line of a table."""

    name: str
    kind: str
    first: int
    last: int
    tag: int
    """-1: no tagged field."""
    fields: tuple[Field, ...]


class Layout(NamedTuple):
    """All versions of the requests or the responses of one API."""

    first: int
    last: int
    flexible: int
    """The first version that is."""
    fields: tuple[Field, ...]

    def is_flexible(self, version: int) -> bool:
        """Whether its lengths are compact and its structures have tags."""
        return version >= self.flexible


def layouts_of(table: str) -> dict[tuple[int, bool], Layout]:
    """``(key of the API, whether it is a request)`` -> its layout."""
    lines = [line for line in table.splitlines() if line.strip()]
    key, flexible = re.fullmatch(r"\w+ (\d+), flexible from (\d+)", lines[0]).groups()  # type: ignore[union-attr] # ours
    found: dict[tuple[int, bool], Layout] = {}
    for half in ("request", "response"):
        at = next(at for at, line in enumerate(lines) if line.startswith(half))
        first, last = map(int, lines[at].split()[1].split("-"))
        end = next((at for at in range(at + 1, len(lines)) if lines[at][0] != " "), len(lines))
        found[int(key), half == "request"] = Layout(first, last, int(flexible), _fields(lines[at + 1 : end]))
    return found


def _fields(lines: Sequence[str]) -> tuple[Field, ...]:
    fields: list[Field] = []
    at = 0
    while at < len(lines):
        match = _LINE.fullmatch(lines[at])
        assert match, lines[at]
        indent, name, kind, first, ever, last, tag = match.groups()
        end = at + 1
        while end < len(lines) and lines[end].startswith(indent + " "):
            end += 1
        begins = int(first or 0)
        ends = int(last) if last else _EVER if ever or first is None else begins
        fields.append(Field(name, kind, begins, ends, int(tag or -1), _fields(lines[at + 1 : end])))
        at = end
    return tuple(fields)
