"""What lines of memcached say (its ``doc/protocol.txt``). Total: odd words end in a section that has less."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from engine.dissect.message import Problem

STORES = frozenset((b"set", b"add", b"replace", b"append", b"prepend", b"cas"))
"""Requests with a block of data, whose length is the fifth word."""
ASKS = frozenset((b"get", b"gets"))
TOUCHES = frozenset((b"gat", b"gats"))
COMMANDS = (
    STORES
    | ASKS
    | TOUCHES
    | frozenset(b"delete incr decr touch flush_all version verbosity stats quit mg ms md ma mn me".split())
)
ANSWERS = frozenset(
    b"VALUE END STORED NOT_STORED EXISTS NOT_FOUND DELETED TOUCHED OK ERROR CLIENT_ERROR SERVER_ERROR VERSION STAT "
    b"RESET BUSY VA HD EN NS EX NF MN ME".split()
)
MANY = frozenset((b"VALUE", b"STAT"))
"""Lines that more lines of the same answer follow."""
ERRORS = frozenset((b"ERROR", b"CLIENT_ERROR", b"SERVER_ERROR"))


def block_bytes(words: list[bytes]) -> int:
    """How long the block behind a line is; -1: there is none."""
    place = 4 if words[0] in STORES else 3 if words[0] == b"VALUE" else 2 if words[0] == b"ms" else 1
    if words[0] not in STORES | {b"VALUE", b"ms", b"VA"} or len(words) <= place:
        return -1
    size = words[place]
    return int(size) if size.isdigit() and len(size) < 10 else -1


class MemcachedPayload:
    """One request or response: its lines, and the block behind each that has one."""

    __slots__ = ("blocks", "fault", "is_request", "lines")

    def __init__(self, is_request: bool) -> None:
        self.is_request = is_request
        self.lines: list[bytes] = []
        self.blocks: list[bytes] = []
        """As many as there are lines; empty where a line has none."""
        self.fault: Problem | None = None

    def problem(self) -> Problem | None:
        """What is missing of it."""
        return self.fault

    def section(self) -> dict[str, Any]:
        """``request`` or ``response`` of the item."""
        return self._request() if self.is_request else self._response()

    def _request(self) -> dict[str, Any]:
        command, *rest = self.lines[0].split()
        words = [word.decode("utf-8", "replace") for word in rest]
        section: dict[str, Any] = {"command": command.decode("utf-8", "replace"), "arguments": words}
        keys = words[1:] if command in TOUCHES else words if command in ASKS else words[:1]
        section["key"], section["keys"] = keys[0] if keys else "", keys
        if self.blocks[0] or command in STORES:
            section["value"], section["encoding"] = as_text(self.blocks[0])
        return section

    def _response(self) -> dict[str, Any]:
        status, _, rest = self.lines[-1].partition(b" ")
        values = []
        for line, block in zip(self.lines, self.blocks, strict=True):
            words = line.split()
            if words[0] in (b"VALUE", b"VA") and len(words) > 1:
                text, encoding = as_text(block)
                key = words[1].decode("utf-8", "replace") if words[0] == b"VALUE" else ""
                values.append({"key": key, "value": text, "encoding": encoding, "size": len(block)})
        stats = [line.split(b" ", 2) for line in self.lines if line.startswith(b"STAT ")]
        return {
            "status": status.decode("utf-8", "replace"),
            "message": rest.decode("utf-8", "replace"),
            "values": values,
            "stats": {words[1].decode("utf-8", "replace"): words[-1].decode("utf-8", "replace") for words in stats},
            "failed": status in ERRORS,
        }


def as_text(data: bytes) -> tuple[str, str]:
    """``(text, "")`` where ``data`` is UTF-8, else ``(base64, "base64")``."""
    try:
        return data.decode(), ""
    except UnicodeDecodeError:
        return b64encode(data).decode(), "base64"
