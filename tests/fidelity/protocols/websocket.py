"""WebSocket messages beside tshark's frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

QUANTITY = "WebSocket messages"
RULE = """\
- **WebSocket** messages: who sent it to whom, type, frames, mask, text (inflated), close code. tshark tells frames:
  those of one message are joined, and a control frame between them is a message of its own."""
_OPCODES = {1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}


def ours(items: list[dict[str, Any]]) -> Iterable[tuple[object, ...]]:
    """Each message."""
    for item in items:
        if item["protocol"]["name"] == "ws":
            said = item["request"]
            text = said["text"] if said["type"] == "text" else None
            ends = (_end(item["src"]), _end(item["dst"]))
            yield said["type"], said["fragments"], said["masked"], text, said.get("closeCode"), *ends


def theirs(expected: Mapping[str, Any], capture: str) -> Iterable[tuple[object, ...]]:
    """Frames joined to messages, by stream and direction."""
    arriving: dict[tuple[object, ...], tuple[int, str | None, int]] = {}
    for one in expected.get("websocket", ()):
        opcode, ends = one["opcode"], (one["src"], one["dst"])
        masked, code = bool(one["masked"]), one["close_code"]
        if opcode >= 8:
            yield _OPCODES[opcode], 1, masked, None, code, *ends
            continue
        first, text, frames = arriving.pop((one["tcp_stream"], *ends), (opcode, "", 0))
        text = None if text is None or one["text"] is None else text + one["text"]
        if one["fin"]:
            yield _OPCODES[first], frames + 1, masked, text if first == 1 else None, None, *ends
        else:
            arriving[(one["tcp_stream"], *ends)] = first, text, frames + 1


def _end(end: Mapping[str, str]) -> str:
    return f"[{end['ip']}]:{end['port']}" if ":" in end["ip"] else f"{end['ip']}:{end['port']}"
