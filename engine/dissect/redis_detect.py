"""Whether a stream is Redis, and which side sends commands, by the first bytes of one direction."""

from __future__ import annotations

import re

from engine.dissect.redis_commands import COMMANDS
from engine.dissect.table import Verdict

_ARRAY = re.compile(rb"\*[1-9][0-9]{0,6}\r\n\$([1-9][0-9]{0,8})\r\n([^\r\n]{1,64})\r\n")
_ARRAY_BEGUN = re.compile(
    rb"\*(?:[1-9][0-9]{0,6}(?:\r(?:\n(?:\$(?:[1-9][0-9]{0,8}(?:\r(?:\n(?:[^\r\n]{1,64}\r?)?)?)?)?)?)?)?)?\Z"
)
"""A command, or an array of strings; and the beginning of one."""
_REPLY = re.compile(
    rb"[+-][!-~][ -~]{0,512}\r\n|:-?[0-9]{1,19}\r\n|[$*]-?[0-9]{1,9}\r\n|[%~>|][0-9]{1,7}\r\n[-+:$*%~_#,(!=]|_\r\n|"
    rb"#[tf]\r\n|,[-+0-9.einfa]{1,32}\r\n|=[0-9]{1,9}\r\n[a-z]{3}:|\([-+]?[0-9]{1,4096}\r\n|![0-9]{1,9}\r\n"
)
_REPLY_BEGUN = re.compile(rb"[+-](?:[!-~][ -~]{0,512}\r?)?\Z|[:$*%~>|,=(!][-+0-9]{0,19}(?:\r\n?)?\Z|_\r?\Z|#[tf]?\r?\Z")
_INLINE = re.compile(rb"([A-Za-z_]{2,24}+)(?:[ \t][^\r\n]*+)?+\r?\n")
MAX_INLINE_BYTES = 8192
"""Of an inline command that is looked for."""
_WORD = re.compile(rb"[A-Za-z_]{1,24}+(?:[ \t][^\r\n]{0,1024}+)?+\r?\Z")
"""They never go back: in 64 kB of text without a line end that would take 2 ms."""
_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_.-]*\Z")
_NAMES = tuple(sorted(COMMANDS))


def detect(data: bytes) -> Verdict:
    """An array of strings is Redis wherever it is; replies and inline commands are where the port says so too."""
    array = _ARRAY.match(data)
    if array is not None:
        return Verdict.SURE if int(array[1]) == len(array[2]) else Verdict.NO
    if _ARRAY_BEGUN.match(data):
        return Verdict.SHORT
    if _REPLY.match(data) or _is_inline(data):
        return Verdict.PLAUSIBLE
    if _REPLY_BEGUN.match(data):
        return Verdict.SHORT
    if _WORD.match(data):
        word = data.split(None, 1)[0].decode("ascii").upper()
        whole = data[len(word) : len(word) + 1] != b""
        return Verdict.SHORT if word in COMMANDS or (not whole and _begins(word)) else Verdict.NO
    return Verdict.NO


def direction_of_commands(said: bytes, direction: int) -> int:
    """Which direction asks, by what ``direction`` has said so far; -1: more bytes tell."""
    if said[:1] == b"*":
        array = _ARRAY.match(said)
        if array is None and _ARRAY_BEGUN.match(said):
            return -1
        if array is not None and array[2].upper().decode("latin-1") in COMMANDS:
            return direction
        named = array is not None and _NAME.match(array[2])
        return 0 if named else 1 - direction
    if said[:1] in (b"+", b"-", b":", b"$", b"%", b"~", b">", b"|", b"_", b"#", b",", b"=", b"(", b"!"):
        return 1 - direction
    if b"\n" not in said and len(said) < 2048:
        return -1
    return direction if _is_inline(said) else 0


def _is_inline(data: bytes) -> bool:
    found = _INLINE.match(data, 0, MAX_INLINE_BYTES)
    return found is not None and found[1].decode("ascii").upper() in COMMANDS


def _begins(word: str) -> bool:
    return any(name.startswith(word) for name in _NAMES)
