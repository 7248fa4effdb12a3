"""AMQP frames as pamqp writes them; it shares nothing with the dissector."""

from __future__ import annotations

import re
from typing import Any

from pamqp import body, commands, frame, header, heartbeat

HELLO = b"AMQP\0\0\x09\1"
HEARTBEAT = frame.marshal(heartbeat.Heartbeat(), 0)
RENAMED = {"exchangeType": "type", "nowait": "noWait", "global_": "global"}
RESERVED = frozenset(("ticket", "capabilities", "insist", "known_hosts", "out_of_band", "channel_id", "cluster_id"))
SECRET = frozenset(
    (
        ("connection start-ok", "response"),
        ("connection secure-ok", "response"),
        ("connection update-secret", "newSecret"),
    )
)


def method(what: Any, channel: int = 1) -> bytes:
    """One frame."""
    return frame.marshal(what, channel)


def content(what: Any, data: bytes = b"", channel: int = 1, cut: int = 4096, **properties: Any) -> bytes:
    """A method with content: its frame, one of properties, and as many of the body as there are cuts."""
    return b"".join(content_frames(what, data, channel, cut, **properties))


def content_frames(what: Any, data: bytes = b"", channel: int = 1, cut: int = 4096, **properties: Any) -> list[bytes]:
    """The same, one by one."""
    head = header.ContentHeader(0, len(data), commands.Basic.Properties(**properties))
    bodies = [body.ContentBody(data[at : at + cut]) for at in range(0, len(data), cut)]
    return [frame.marshal(each, channel) for each in (what, head, *bodies)]


def publish(key: str = "k", data: bytes = b"hello", channel: int = 1, **more: Any) -> bytes:
    """One message to the exchange ``orders``."""
    return content(commands.Basic.Publish(exchange="orders", routing_key=key), data, channel, **more)


def plain(command: Any) -> Any:
    """A method of the library with nothing in it."""
    kinds = {name: command.amqp_type(name) for name in command.attributes() if name not in RESERVED}
    empty: dict[str, Any] = {"table": {}, "bit": False, "shortstr": "", "longstr": ""}
    return command(**{name: "/" if name == "virtual_host" else empty.get(kind, 0) for name, kind in kinds.items()})


def raw(kind: int, channel: int, payload: bytes, end: bytes = b"\xce") -> bytes:
    """A frame by hand."""
    return bytes([kind]) + channel.to_bytes(2, "big") + len(payload).to_bytes(4, "big") + payload + end


def camel(name: str) -> str:
    """``routing_key`` as ``routingKey``, as items have it."""
    found = re.sub("_(.)", lambda match: match[1].upper(), name)
    return RENAMED.get(found, RENAMED.get(name, found))
