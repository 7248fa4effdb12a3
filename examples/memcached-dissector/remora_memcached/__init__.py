"""Memcached for Remora: the text protocol."""

from __future__ import annotations

from typing import Any

from engine.dissect.message import Payload
from engine.dissect.table import ProtocolRow, constant
from hooks.plugins import hookimpl
from remora_memcached.dissector import Memcached, detect

TCP = 6
PROTOCOL = constant(
    "memcached",
    "1.6",
    "MEMCACHED",
    "Memcached, text protocol",
    macro="memcached",
    colour="#3b7a57",
    reference="https://github.com/memcached/memcached/blob/master/doc/protocol.txt",
    ports=["11211"],
    layer4="tcp",
    priority=6,
)


def describe(request: Payload | None, response: Payload | None) -> dict[str, Any]:  # noqa: ARG001 - one signature for all rows
    """``protocol`` of every item."""
    return PROTOCOL


ROW = ProtocolRow("memcached", TCP, detect, frozenset((11211,)), Memcached, describe)


@hookimpl
def remora_dissectors() -> list[ProtocolRow]:
    """One row: there is one transport."""
    return [ROW]
