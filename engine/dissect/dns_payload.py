"""One DNS message (RFC 1035, 4): total, in linear time, whatever the bytes are."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Any, NamedTuple

from engine.dissect.dns_codes import CLASSES, CODES, OPCODES, TYPES
from engine.dissect.dns_names import Damaged, Names, plain_name
from engine.dissect.dns_records import read_record
from engine.dissect.message import Problem

_HEADER_BYTES = 12
_COUNTS = struct.Struct(">4x4H")
_QUESTION = struct.Struct(">HH")
_NETBIOS = frozenset("ABCDEFGHIJKLMNOP")


class DnsPayload:
    """One DNS message; taken apart once, when somebody looks."""

    __slots__ = ("_section", "data", "fault", "is_request")

    def __init__(self, data: bytes, is_request: bool, fault: Problem | None) -> None:
        self.data = data
        self.is_request = is_request
        self.fault = fault
        self._section: dict[str, Any] | None = None

    def problem(self) -> Problem | None:
        """Bytes the capture lacks, or what is wrong with the message."""
        self.section()
        return self.fault

    def section(self) -> dict[str, Any]:
        """``request`` or ``response`` of the item."""
        if self._section is None:
            self._section, wrong = _request(self.data) if self.is_request else _response(self.data)
            if wrong and self.fault is None:
                self.fault = Problem("dissection", f"{'request' if self.is_request else 'response'}: {wrong}")
        return self._section


class Question(NamedTuple):
    """What is asked, with names instead of numbers."""

    name: str
    type: str
    group: str
    usual: bool
    """It looks like DNS, not like something that shares its format."""


def question_fits(data: bytes, pos: int) -> bool:
    """Whether a question with a usual name, type and class begins at ``pos``."""
    plain = _plain_question(data[pos : data.find(b"\0", pos) + 5])
    if plain is not None:
        return plain.usual
    try:
        name, pos = Names(data).read(pos)
        kind, group = _QUESTION.unpack_from(data, pos)
    except (Damaged, struct.error):
        return False
    return _is_usual(name, kind, group)


def _is_usual(name: str, kind: int, group: int) -> bool:
    if len(name) == 32 and set(name) <= _NETBIOS:
        return False  # NetBIOS shares the format and little else (RFC 1002, 4.2)
    return group & 0x7FFF in CLASSES and 0 < kind < 300 and "\\" not in name


@lru_cache(maxsize=4096)
def _plain_question(raw: bytes) -> Question | None:
    """The question that ``raw`` is from its first byte to its last; None where it is not plainly one.

    An answer repeats its question, and names come again and again: 0.1 us instead of 1.5; at most 2.5 MB.
    """
    name = plain_name(raw[:-4])
    if name is None:
        return None
    kind, group = _QUESTION.unpack_from(raw, len(raw) - 4)
    return Question(name, TYPES[kind], CLASSES[group], _is_usual(name, kind, group))


def _request(data: bytes) -> tuple[dict[str, Any], str]:
    section: dict[str, Any] = {"opCode": OPCODES[(data[2] >> 3) & 15], "questions": []}
    try:
        _questions(Names(data), data, data[4] << 8 | data[5], section["questions"])
    except Damaged as error:
        return section, str(error)
    except (struct.error, IndexError):
        return section, "it ends early"
    return section, ""


def _response(data: bytes) -> tuple[dict[str, Any], str]:
    asked: list[dict[str, str]] = []
    answers: list[dict[str, Any]] = []
    authorities: list[dict[str, Any]] = []
    additionals: list[dict[str, Any]] = []
    code, wrong, names = data[3] & 15, "", Names(data)
    questions, *counts = _COUNTS.unpack_from(data)
    try:
        pos = _questions(names, data, questions, asked)
        first = asked[0]["name"] if asked else ""
        for count, found in zip(counts, (answers, authorities, additionals), strict=True):
            for _ in range(count):
                pos, high = read_record(names, data, pos, first, found)
                code |= high << 4
    except Damaged as error:
        wrong = str(error)
    except (struct.error, IndexError):
        wrong = "it ends early"
    return {
        "code": CODES[code],
        "questions": asked,
        "answers": answers,
        "authorities": authorities,
        "additionals": additionals,
    }, wrong


def _questions(names: Names, data: bytes, count: int, found: list[dict[str, str]]) -> int:
    """Where the questions end."""
    pos = _HEADER_BYTES
    if count == 1:
        end = data.find(b"\0", pos) + 5
        plain = _plain_question(data[pos:end]) if pos < end <= len(data) else None
        if plain is not None:
            found.append({"name": plain.name, "type": plain.type, "class": plain.group})
            return end
    for _ in range(count):
        name, pos = names.read(pos)
        kind, group = _QUESTION.unpack_from(data, pos)
        pos += 4
        found.append({"name": name, "type": TYPES[kind], "class": CLASSES[group]})
    return pos
