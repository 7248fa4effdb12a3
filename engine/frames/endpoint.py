"""One end of a message socket between two processes of one instance.

AF_UNIX SOCK_SEQPACKET: the kernel keeps messages whole, so a reader that is killed leaves no half message to its
successor, and descriptors travel beside them. The supervisor keeps a copy of both ends, so that the death of one
process does not close the channel for the other.
"""

from __future__ import annotations

import os
import socket
from array import array
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import msgspec

from engine.errors import ProtocolViolation

MAX_MESSAGE_BYTES = 64 * 1024
"""The largest message; the default socket buffer of Linux (208 KiB) holds some of them."""
MAX_DESCRIPTORS = 32

In = TypeVar("In")


_ANCILLARY_BYTES = socket.CMSG_LEN(MAX_DESCRIPTORS * array("i").itemsize)


def _descriptors(beside: list[tuple[int, int, bytes]]) -> list[int]:
    found = array("i")
    for level, kind, data in beside:
        assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS), "nothing else is asked of the kernel"
        found.frombytes(data[: len(data) - len(data) % found.itemsize])
    return list(found)


def message_pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends; neither survives an exec unless it is passed on purpose."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


class Endpoint(Generic[In]):
    """Sends any message struct, receives messages of the union ``In``."""

    def __init__(self, sock: socket.socket, incoming: Any) -> None:
        self._socket = sock
        self._decoder: msgspec.msgpack.Decoder[In] = msgspec.msgpack.Decoder(incoming)
        self._encoder = msgspec.msgpack.Encoder()

    def fileno(self) -> int:
        """For ``selectors``."""
        return self._socket.fileno()

    def send(self, message: msgspec.Struct, descriptors: Sequence[int] = ()) -> None:
        """Send one message, whole.

        Raises:
            BlockingIOError: the socket does not block and the other side does not read.
            BrokenPipeError, ConnectionResetError: the other side is gone.
            ProtocolViolation: our own message is larger than the cap.
        """
        data = self._encoder.encode(message)
        if len(data) > MAX_MESSAGE_BYTES:
            raise ProtocolViolation(
                f"{type(message).__name__}: {len(data)} bytes exceed the cap of {MAX_MESSAGE_BYTES}"
            )
        if descriptors:
            socket.send_fds(self._socket, [data], list(descriptors))
        else:
            self._socket.send(data)

    def receive(self) -> tuple[In, list[int]] | None:
        """The next message and the descriptors beside it; ``None`` when the other side is gone.

        Raises:
            BlockingIOError: nothing there and the socket does not block.
            ProtocolViolation: oversize, not msgpack, an unknown type or field.
        """
        try:
            # Not ``socket.recv_fds``: it takes 1.5 us more, also where no descriptor comes.
            data, beside, flags, _ = self._socket.recvmsg(MAX_MESSAGE_BYTES + 1, _ANCILLARY_BYTES)
        except ConnectionResetError:
            return None
        descriptors = _descriptors(beside) if beside else []
        if not data:
            return None
        try:
            if len(data) > MAX_MESSAGE_BYTES or flags & socket.MSG_TRUNC:
                raise ProtocolViolation(f"a message of more than {MAX_MESSAGE_BYTES} bytes")
            return self._decoder.decode(data), descriptors
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ProtocolViolation) as error:
            for descriptor in descriptors:
                os.close(descriptor)
            raise ProtocolViolation(f"expected one of our messages, got {str(error)[:200]}") from None

    def set_blocking(self, blocking: bool) -> None:
        """Whether ``send`` and ``receive`` wait."""
        self._socket.setblocking(blocking)

    def close(self) -> None:
        """Close this end."""
        self._socket.close()
