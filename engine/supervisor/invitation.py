"""What a query tells the instance that runs beside it, by a pipe that stays open behind it."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from engine.config import Settings
from engine.configure import Configuration
from engine.controlsocket import LENGTH
from engine.errors import RemoraError


class Invitation(msgspec.Struct):
    """Scripts, and what the query was told.

    ::

        +---------+------------------+
        | len u32 | this, as msgpack |
        +---------+------------------+
    """

    scripts: str
    """Absolute path of a folder or of one script."""
    settings: Settings
    secrets: dict[str, str]
    script_env: dict[str, str]


def written(scripts: Path, configuration: Configuration) -> bytes:
    """The bytes of an invitation."""
    secrets, visible = dict(configuration.secrets), dict(configuration.script_env)
    data = msgspec.msgpack.encode(Invitation(str(scripts.absolute()), configuration.settings, secrets, visible))
    return LENGTH.pack(len(data)) + data


def read(descriptor: int) -> Invitation:
    """An invitation, and nothing of what comes behind it.

    Raises:
        RemoraError: the query ended before it had told.
    """
    (size,) = LENGTH.unpack(_exactly(descriptor, LENGTH.size))
    return msgspec.msgpack.decode(_exactly(descriptor, size), type=Invitation)


def _exactly(descriptor: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = os.read(descriptor, size - len(data))
        if not part:
            raise RemoraError("the query ended before it had begun")
        data += part
    return data
