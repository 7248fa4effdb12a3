"""Bodies of Kafka messages, read by tables: a small language for their fields, and the one reader made of it.

A table is text, one line per field, indented below what holds it::

    Heartbeat 12, flexible from 4        name and key of the API; the first version with compact lengths and tags
    request 0-4                          the versions there are
      groupId          string
      members          []        3+      an array of what stands below it; 3+ and 2-4 are the versions that have it
        memberId       string
      replicaNodes     int32[]           an array of plain values
      nodeEndpoints    []  10+  tag 0    a tagged field, in flexible versions

Kinds: ``bool``, ``int8`` to ``int64``, ``string``, ``bytes``, ``uuid``, ``records``, ``[]`` and, for one structure,
``{}``. Everything but numbers may be null where the wire says so. Runs of numbers are read by one ``struct``.
"""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

Section = dict[str, Any]
Records = Callable[[bytes], Any]
"""Takes apart the records of one partition."""
Step = Callable[[bytes, int, Section, Records], int]
"""Reads from a position on into a section; where it ends. Raises ``Damaged``, ``IndexError`` or ``struct.error``;
what was read before stays in the section."""

NUMBERS = {"bool": "?", "int8": "b", "int16": "h", "int32": "i", "int64": "q"}
_LINE = re.compile(r"( *)(\w+) +(\S+)(?: +(\d+)(?:(\+)|-(\d+))?)?(?: +tag (\d+))?")
_EVER = 1 << 15
_MAX_VARINT_BYTES = 5
_INT32 = struct.Struct(">i").unpack_from


class Damaged(Exception):
    """What is wrong with a message."""


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


# -- the reader ----------------------------------------------------------------------------------------------------


def compiled(fields: Sequence[Field], version: int, flexible: bool) -> Step:
    """Reads these fields, as ``version`` has them."""
    present = [field for field in fields if field.first <= version <= field.last]
    steps: list[Step] = []
    run: list[Field] = []
    for field in present:
        if field.tag >= 0:
            continue
        if field.kind in NUMBERS:
            run.append(field)
            continue
        if run:
            steps.append(_numbers(run))
            run = []
        steps.append(_step(field, version, flexible))
    if run:
        steps.append(_numbers(run))
    if flexible:
        tagged = {field.tag: _tagged(field, version) for field in present if field.tag >= 0}
        steps.append(_tags(tagged))
    if len(steps) == 1:
        return steps[0]

    def read(data: bytes, pos: int, into: Section, records: Records) -> int:
        for step in steps:
            pos = step(data, pos, into, records)
        return pos

    return read


def _numbers(run: Sequence[Field]) -> Step:
    names = tuple(field.name for field in run)
    packed = struct.Struct(">" + "".join(NUMBERS[field.kind] for field in run))
    unpack, size = packed.unpack_from, packed.size
    if len(names) == 1:
        return _number(names[0], unpack, size)

    def read(data: bytes, pos: int, into: Section, _: Records) -> int:
        into.update(zip(names, unpack(data, pos), strict=True))
        return pos + size

    return read


def _number(name: str, unpack: Callable[[bytes, int], tuple[Any, ...]], size: int) -> Step:
    def read(data: bytes, pos: int, into: Section, _: Records) -> int:
        (into[name],) = unpack(data, pos)
        return pos + size

    return read


def _step(field: Field, version: int, flexible: bool) -> Step:
    name, kind = field.name, field.kind
    if kind in NUMBERS:
        return _numbers([field])
    if kind == "{}":
        return _structure(name, compiled(field.fields, version, flexible))
    if kind == "[]":
        return _array(name, compiled(field.fields, version, flexible), _length_of(4, flexible))
    if kind == "uuid":
        return _uuid(name)
    if kind.endswith("[]"):
        value = kind[:-2]
        length = _length_of(4, flexible)
        return _number_array(name, NUMBERS[value], length) if value in NUMBERS else _string_array(name, flexible)
    return _text(name, _length_of(2, flexible)) if kind == "string" else _blob(name, kind, _length_of(4, flexible))


Length = Callable[[bytes, int], tuple[int, int]]
"""``(a length, where what has it begins)``; -1 is null."""
Rest = Callable[[bytes, int, int, Section, Records], int]
"""Reads what stands behind a length, which it is given; else as a step."""


def _length_of(size: int, flexible: bool) -> Length:
    """A varint of one more than it says, or a number of 2 or 4 bytes."""
    return compact_length if flexible else short_length if size == 2 else _long_length


def short_length(data: bytes, pos: int) -> tuple[int, int]:
    """Of a string in versions that are not flexible."""
    length = data[pos] << 8 | data[pos + 1]
    if length > 0x7FFF:
        length -= 0x10000
        if length != -1:
            raise Damaged(f"a length of {length}")
    return length, pos + 2


def _long_length(data: bytes, pos: int) -> tuple[int, int]:
    (length,) = _INT32(data, pos)
    if length < -1:
        raise Damaged(f"a length of {length}")
    return length, pos + 4


def compact_length(data: bytes, pos: int) -> tuple[int, int]:
    """Of a string, an array, bytes in flexible versions."""
    number = data[pos]
    if number < 0x80:
        return number - 1, pos + 1
    number, pos = varint(data, pos)
    return number - 1, pos


def varint(data: bytes, pos: int) -> tuple[int, int]:
    """An unsigned number of 7 bits a byte, the low ones first."""
    number = shift = 0
    for shift in range(0, 7 * _MAX_VARINT_BYTES, 7):
        byte = data[pos]
        pos += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, pos
    raise Damaged("a number that does not end")


def skip_tags(data: bytes, pos: int) -> int:
    """Where the tagged fields at ``pos`` end."""
    if data[pos] == 0:
        return pos + 1
    count, pos = varint(data, pos)
    for _ in range(count):
        _, pos = varint(data, pos)
        size, pos = varint(data, pos)
        pos += size
    return pos


def _nullable(name: str, length_of: Length, rest: Rest) -> Step:
    """What begins with its length, or is null."""

    def read(data: bytes, pos: int, into: Section, records: Records) -> int:
        length, pos = length_of(data, pos)
        if length < 0:
            into[name] = None
            return pos
        return rest(data, pos, length, into, records)

    return read


def _text(name: str, length_of: Length) -> Step:
    def read(data: bytes, pos: int, length: int, into: Section, _: Records) -> int:
        end = pos + length
        if end > len(data):
            raise Damaged("it ends early")
        into[name] = data[pos:end].decode("utf-8", "replace")
        return end

    return _nullable(name, length_of, read)


def _blob(name: str, kind: str, length_of: Length) -> Step:
    def read(data: bytes, pos: int, length: int, into: Section, records: Records) -> int:
        end = pos + length
        part = data[pos:end]
        into[name] = records(part) if kind == "records" else base64.b64encode(part).decode("ascii")
        if end > len(data):
            raise Damaged("it ends early")
        return end

    return _nullable(name, length_of, read)


def _uuid(name: str) -> Step:
    def read(data: bytes, pos: int, into: Section, _: Records) -> int:
        end = pos + 16
        if end > len(data):
            raise Damaged("it ends early")
        into[name] = base64.urlsafe_b64encode(data[pos:end]).decode("ascii").rstrip("=")  # as Kafka's tools show it
        return end

    return read


def _structure(name: str, inner: Step) -> Step:
    def read(data: bytes, pos: int, into: Section, records: Records) -> int:
        below: Section = {}
        into[name] = below
        return inner(data, pos, below, records)

    return read


def _array(name: str, inner: Step, length_of: Length) -> Step:
    def read(data: bytes, pos: int, count: int, into: Section, records: Records) -> int:
        elements: list[Section] = []
        into[name] = elements
        for _ in range(count):  # an element has a byte at least: a count that is a lie ends with the data
            element: Section = {}
            elements.append(element)
            pos = inner(data, pos, element, records)
        return pos

    return _nullable(name, length_of, read)


def _number_array(name: str, code: str, length_of: Length) -> Step:
    size = struct.calcsize(">" + code)

    def read(data: bytes, pos: int, count: int, into: Section, _: Records) -> int:
        if pos + count * size > len(data):
            raise Damaged("it ends early")
        into[name] = list(struct.unpack_from(f">{count}{code}", data, pos))
        return pos + count * size

    return _nullable(name, length_of, read)


def _string_array(name: str, flexible: bool) -> Step:
    each_of = _text("", _length_of(2, flexible))

    def read(data: bytes, pos: int, count: int, into: Section, records: Records) -> int:
        texts: list[str | None] = []
        into[name] = texts
        holder: Section = {}
        for _ in range(count):
            pos = each_of(data, pos, holder, records)
            texts.append(holder[""])
        return pos

    return _nullable(name, _length_of(4, flexible), read)


def _tagged(field: Field, version: int) -> Step:
    return _step(field, version, True)


def _tags(known: dict[int, Step]) -> Step:
    def read(data: bytes, pos: int, into: Section, records: Records) -> int:
        if data[pos] == 0:
            return pos + 1
        count, pos = varint(data, pos)
        for _ in range(count):
            tag, pos = varint(data, pos)
            size, pos = varint(data, pos)
            end = pos + size
            if end > len(data):
                raise Damaged("it ends early")
            step = known.get(tag)
            if step is None:
                into.setdefault("unknownTags", []).append(tag)
            else:
                step(data[pos:end], 0, into, records)
            pos = end
        return pos

    return read
