"""Bodies of Kafka messages, read by tables (``kafka_layouts``). Runs of numbers are read by one ``struct``."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Sequence
from typing import Any

from engine.dissect.kafka_layouts import Field
from engine.dissect.kafka_lengths import Damaged, Length, length_reader, varint

Section = dict[str, Any]
Records = Callable[[bytes], Any]
"""Takes apart the records of one partition."""
Step = Callable[[bytes, int, Section, Records], int]
"""Reads from a position on into a section; where it ends. Raises ``Damaged``, ``IndexError`` or ``struct.error``;
what was read before stays in the section."""

NUMBERS = {"bool": "?", "int8": "b", "int16": "h", "int32": "i", "int64": "q"}
Rest = Callable[[bytes, int, int, Section, Records], int]
"""Reads what stands behind a length, which it is given; else as a step."""


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
        return _array(name, compiled(field.fields, version, flexible), length_reader(4, flexible))
    if kind == "uuid":
        return _uuid(name)
    if kind.endswith("[]"):
        value = kind[:-2]
        length = length_reader(4, flexible)
        return _number_array(name, NUMBERS[value], length) if value in NUMBERS else _string_array(name, flexible)
    return (
        _text(name, length_reader(2, flexible)) if kind == "string" else _blob(name, kind, length_reader(4, flexible))
    )


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
    each_of = _text("", length_reader(2, flexible))

    def read(data: bytes, pos: int, count: int, into: Section, records: Records) -> int:
        texts: list[str | None] = []
        into[name] = texts
        holder: Section = {}
        for _ in range(count):
            pos = each_of(data, pos, holder, records)
            texts.append(holder[""])
        return pos

    return _nullable(name, length_reader(4, flexible), read)


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
