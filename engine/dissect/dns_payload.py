"""One DNS message (RFC 1035, 4): total, in linear time, whatever the bytes are."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from engine.dissect.dns_codes import CLASSES, CODES, OPCODES, TYPES
from engine.dissect.dns_edns import Edns, only_edns
from engine.dissect.dns_names import Damaged, Names, plain_name
from engine.dissect.dns_records import read_record
from engine.dissect.message import Problem
from engine.dissect.table import Verdict

_HEADER_BYTES = 12
_COUNTS = struct.Struct(">4x4H")
_QUESTION = struct.Struct(">HH")
_NETBIOS = frozenset("ABCDEFGHIJKLMNOP")

UNICAST, MDNS, LLMNR = range(3)
"""Families: DNS itself, multicast DNS (RFC 6762), link-local multicast name resolution (RFC 4795)."""
_SHOWN_FLAGS = 0x07B0
_FLAG_NAMES = (
    _DNS := ((0x0400, "aa"), (0x0200, "tc"), (0x0100, "rd"), (0x0080, "ra"), (0x0020, "ad"), (0x0010, "cd")),
    _DNS,
    ((0x0400, "c"), (0x0200, "tc"), (0x0100, "t")),
)
"""By family; of LLMNR: conflict, truncated, tentative."""
_TOP_BIT = 0x8000
_USUAL_BYTES = (10, 21)
"""Header without the id, and perhaps a bare OPT."""
Sections = tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]
"""Answers, authorities, additionals."""


class DnsPayload:
    """One DNS message; taken apart once, when somebody looks."""

    __slots__ = ("_section", "data", "family", "fault", "is_request")

    def __init__(self, data: bytes, is_request: bool, fault: Problem | None, family: int = UNICAST) -> None:
        self.data = data
        self.is_request = is_request
        self.fault = fault
        self.family = family
        self._section: dict[str, Any] | None = None

    def problem(self) -> Problem | None:
        """Bytes the capture lacks, or what is wrong with the message."""
        self.section()
        return self.fault

    def section(self) -> dict[str, Any]:
        """``request`` or ``response`` of the item."""
        if self._section is None:
            self._section, wrong = (_request if self.is_request else _response)(self.data, self.family)
            if self.family == MDNS:
                _show_multicast(self._section)
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


def question_fits(data: bytes, pos: int) -> Verdict | None:
    """Whether a question begins at ``pos``: sure with a usual name, type and class, plausible with odd ones.

    Odd are names of bytes that no host has, as tunnels ask for them, and types of nobody (RFC 6895, 3.1). None: damage.
    """
    plain = _plain_question(data[pos : data.find(b"\0", pos) + 5])
    if plain is not None and plain.usual:
        return Verdict.SURE
    try:
        name, pos = Names(data).read(pos)
        kind, group = _QUESTION.unpack_from(data, pos)
    except (Damaged, struct.error):
        return None
    if _is_usual(name, kind, group):
        return Verdict.SURE
    return Verdict.PLAUSIBLE if kind and group & 0x7FFF in CLASSES and not _is_netbios(name) else Verdict.NO


def _is_usual(name: str, kind: int, group: int) -> bool:
    return group & 0x7FFF in CLASSES and 0 < kind < 300 and "\\" not in name and not _is_netbios(name)


def _is_netbios(name: str) -> bool:
    """It shares the format and little else (RFC 1002, 4.2)."""
    return len(name) == 32 and set(name) <= _NETBIOS


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


def _request(data: bytes, family: int) -> tuple[dict[str, Any], str]:
    end = data.find(b"\0", _HEADER_BYTES) + 5
    around = data[2:_HEADER_BYTES] + data[end:]
    if len(around) in _USUAL_BYTES and end > _HEADER_BYTES:
        usual, plain = _around_question(around, family), _plain_question(data[_HEADER_BYTES:end])
        if usual is not None and plain is not None:
            opcode, flags, edns = usual
            asked = [{"name": plain.name, "type": plain.type, "class": plain.group}]
            return {"opCode": opcode, "questions": asked, "flags": flags, "edns": edns}, ""
    return _odd_request(data, family)


@lru_cache(maxsize=1024)
def _around_question(around: bytes, family: int) -> tuple[str, list[str], dict[str, Any] | None] | None:
    """Header and end of a query with one question and nothing else but a bare OPT: few forms make up most queries."""
    _, _, questions, *counts = struct.unpack_from(">BBHHHH", around)
    edns = only_edns(around, 10)
    if questions != 1 or counts != [0, 0, edns is not None] or len(around) != (10 if edns is None else 21):
        return None
    bits = around[0] << 8 | around[1]
    section = None if edns is None else edns.section
    return OPCODES[(around[0] >> 3) & 15], _flags(bits & _SHOWN_FLAGS, family), section


def _odd_request(data: bytes, family: int) -> tuple[dict[str, Any], str]:
    asked: list[dict[str, Any]] = []
    section: dict[str, Any] = {
        "opCode": OPCODES[(data[2] >> 3) & 15],
        "questions": asked,
        "flags": _flags((data[2] << 8 | data[3]) & _SHOWN_FLAGS, family),
        "edns": None,
    }
    questions, answers, authorities, additionals = _COUNTS.unpack_from(data)
    names = Names(data)
    try:
        pos = _questions(names, data, questions, asked)
    except Damaged as error:
        return section, str(error)
    except (struct.error, IndexError):
        return section, "it ends early"
    if not (answers or authorities or additionals):
        return section, ""
    sections, edns, wrong = _records(names, data, pos, (answers, authorities, additionals), asked)
    if edns is not None:
        section["edns"] = edns.section
    if answers or authorities or additionals > (edns is not None):
        section["answers"], section["authorities"], section["additionals"] = sections
    return section, wrong


def _response(data: bytes, family: int) -> tuple[dict[str, Any], str]:
    asked: list[dict[str, Any]] = []
    sections: Sections = ([], [], [])
    code, wrong, names = data[3] & 15, "", Names(data)
    edns: Edns | None = None
    questions, *counts = _COUNTS.unpack_from(data)
    try:
        pos = _questions(names, data, questions, asked)
    except Damaged as error:
        wrong = str(error)
    except (struct.error, IndexError):
        wrong = "it ends early"
    else:
        sections, edns, wrong = _records(names, data, pos, counts, asked)
    return {
        "code": CODES[code if edns is None else code | edns.high << 4],
        "questions": asked,
        "answers": sections[0],
        "authorities": sections[1],
        "additionals": sections[2],
        "flags": _flags((data[2] << 8 | data[3]) & _SHOWN_FLAGS, family),
        "truncated": data[2] & 2 != 0,
        "edns": None if edns is None else edns.section,
    }, wrong


def _records(
    names: Names, data: bytes, pos: int, counts: Sequence[int], asked: Sequence[dict[str, Any]]
) -> tuple[Sections, Edns | None, str]:
    """``(answers, authorities, additionals)``, the OPT among them, and what is wrong with them."""
    sections: Sections = ([], [], [])
    edns: Edns | None = None
    first = asked[0]["name"] if asked else ""
    try:
        for count, found in zip(counts, sections, strict=True):
            for _ in range(count):
                pos, told = read_record(names, data, pos, first, found)
                edns = edns or told
    except Damaged as error:
        return sections, edns, str(error)
    except (struct.error, IndexError):
        return sections, edns, "it ends early"
    return sections, edns, ""


@lru_cache(maxsize=1024)
def _flags(bits: int, family: int) -> list[str]:
    """Names of the bits that are set; one list for all messages that have the same, never changed."""
    return [name for bit, name in _FLAG_NAMES[family] if bits & bit]


def _show_multicast(section: dict[str, Any]) -> None:
    """The top bit of a class is none of it (RFC 6762, 5.4 and 10.2)."""
    for question in section["questions"]:
        question["unicastResponse"] = _take_top_bit(question)
    for key in ("answers", "authorities", "additionals"):
        for record in section.get(key, ()):
            if record["type"] != "OPT":
                record["cacheFlush"] = _take_top_bit(record)


def _take_top_bit(shown: dict[str, Any]) -> bool:
    number = shown["class"].removeprefix("CLASS")
    told: bool = number.isdecimal() and int(number) >= _TOP_BIT
    if told:
        shown["class"] = CLASSES[int(number) - _TOP_BIT]
    return told


def _questions(names: Names, data: bytes, count: int, found: list[dict[str, Any]]) -> int:
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
