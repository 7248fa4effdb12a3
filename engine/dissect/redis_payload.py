"""``request`` and ``response`` of Redis items."""

from __future__ import annotations

import json
import shlex
from typing import Any

from engine.dissect.http_content import text_of
from engine.dissect.message import Payload, Problem
from engine.dissect.redis_commands import CONFIRMATIONS, PUBLISHED, key_of, keyword_of
from engine.dissect.redis_values import TYPES, Reader, Value, text
from engine.dissect.table import constant

PROTOCOL = constant(
    "redis",
    "3.x",
    "REDIS",
    "Redis Serialization Protocol",
    macro="redis",
    colour="#A41E11",
    reference="https://redis.io/docs/latest/develop/reference/protocol-spec/",
    ports=["6379"],
    layer4="tcp",
    priority=3,
)
_WORDS = frozenset(word.decode() for word in CONFIRMATIONS | PUBLISHED)


class RedisPayload:
    """A command or a reply as it was on the wire, or the several replies to one command."""

    __slots__ = ("_fault", "_is_request", "_size_bytes", "raw")

    def __init__(self, is_request: bool, raw: bytes, size_bytes: int, fault: Problem | None = None) -> None:
        self._is_request = is_request
        self.raw = raw
        """Its bytes, those before a gap, and as many as may be kept."""
        self._size_bytes = size_bytes
        self._fault = fault

    def problem(self) -> Problem | None:
        """A gap, an early end."""
        return self._fault

    def section(self) -> dict[str, Any]:
        """The command, or the reply."""
        section = _request(self.raw) if self._is_request else _response(self.raw)
        if len(self.raw) < self._size_bytes:
            section["comment"] = f"{len(self.raw)} of {self._size_bytes} bytes kept"
        return section


def _request(data: bytes) -> dict[str, Any]:
    comment = ""
    if data[:1] == b"*":
        kind, words, comment = "Array", *_words(data)
    else:
        kind, words = "Inline", _inline(data)
    command = text(words[0]).upper() if words else ""
    args = [text(word) for word in words[1:]]
    keyword, at = keyword_of(command, args), key_of(command, args)
    start = at + 1 if at >= 0 or not keyword else 1
    value, encoding = text_of(words[-1]) if start == len(args) - 1 else (" ".join(args[start:]), "")
    section = {
        "type": kind,
        "command": command,
        "key": args[at] if at >= 0 else "",
        "value": value,
        "keyword": keyword,
        "args": args,
    }
    return _with_more(section, encoding, comment)


def _words(data: bytes) -> tuple[list[bytes], str]:
    """The strings of an array, and what is missing: what ``Reader`` would say, at a third of its cost."""
    words: list[bytes] = []
    pos, size = data.find(b"\n") + 1, len(data)
    while pos < size:
        end = data.find(b"\n", pos) + 1
        if not end or data[pos] != 36:  # $
            return words, "it ends early" if not end else "an argument is no string"
        try:
            length = int(data[pos + 1 : end])
        except ValueError:
            return words, "an argument is no string"
        if length >= 0:
            words.append(data[end : end + length])
            end += length + 2
        pos = end
    return words, ""


def _inline(data: bytes) -> list[bytes]:
    """Words and quoted strings, as in a shell."""
    line = data.decode("latin-1").strip()
    try:
        return [word.encode("latin-1") for word in shlex.split(line)]
    except ValueError:  # quotes that do not end
        return [word.encode("latin-1") for word in line.split()]


def _response(data: bytes) -> dict[str, Any]:
    reader = Reader(data)
    values: list[Value] = []
    while (found := reader.next()) is not None:
        values.append(found)
        if reader.ended:
            break
    if len(values) == 1:
        section, encoding = _reply(values[0])
    else:  # confirmations, or what is left of a reply
        plain = [value.plain for value in values]
        section, encoding = _section("*" if values else "", "", _shown(plain) if values else "", "", plain), ""
        section["keyword"] = _keyword(values[0]) if values else ""
    return _with_more(section, encoding, reader.comment)


def _reply(value: Value) -> tuple[dict[str, Any], str]:
    """The section, and the encoding of its value."""
    sign, plain, raw, attributes = value
    key, encoding = "", ""
    if _is_told(value):
        _, *channels, last = plain
        key, shown = str(channels[-1]), _shown(last)
    elif plain is None:
        shown = ""
    elif sign == "$":
        shown, encoding = text_of(raw)
    else:
        shown = _shown(plain)
    section = _section(sign, key, shown, _keyword(value), plain)
    if attributes is not None:
        section["attributes"] = attributes if isinstance(attributes, dict) else {}
    return section, encoding


def _section(sign: str, key: str, value: str, keyword: str, plain: Any) -> dict[str, Any]:
    section: dict[str, Any] = {
        "type": TYPES.get(sign, "N/A"),
        "command": "",
        "key": key,
        "value": value,
        "keyword": keyword,
    }
    if isinstance(plain, list):
        section["elements"] = plain
    elif isinstance(plain, dict):
        section["elements"] = [list(pair) for pair in plain.items()]
    return section


def _with_more(section: dict[str, Any], encoding: str, comment: str) -> dict[str, Any]:
    """``section``, and what few have."""
    if encoding:
        section["encoding"] = encoding
    if comment:
        section["comment"] = comment
    return section


def _is_told(value: Value) -> bool:
    """Whether it is what a channel tells: its name and a message, or that it is subscribed to."""
    plain = value.plain
    return value.sign in "*>" and isinstance(plain, list) and len(plain) in (3, 4) and _word(plain) in _WORDS


def _keyword(value: Value) -> str:
    """The word that says what a reply is: a status, the code of an error, the kind of a push."""
    plain = value.plain
    if value.sign in "-!+" and isinstance(plain, str):
        word = plain.partition(" ")[0]
        return word if word.isupper() and (value.sign != "+" or word == plain) else ""
    if isinstance(plain, list) and (value.sign == ">" or _word(plain) in _WORDS):
        return _word(plain).upper()
    return ""


def _word(plain: list[Any]) -> str:
    """With which an aggregate begins; empty where it is none."""
    return plain[0] if plain and isinstance(plain[0], str) else ""


def _shown(plain: Any) -> str:
    """As text: numbers and aggregates as JSON."""
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def describe(request: Payload | None, response: Payload | None) -> dict[str, Any]:  # noqa: ARG001 - one signature
    """The constants of Redis."""
    return PROTOCOL
