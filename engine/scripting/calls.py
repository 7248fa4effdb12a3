"""The host's line to the broker: one helper call at a time, console lines, and what the broker asks for meanwhile."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from engine.errors import ProtocolViolation
from engine.frames.endpoint import MAX_MESSAGE_BYTES, Endpoint
from engine.frames.host import Call, JobDone, Lines, Log, Reply, Resend, RunJob, Shutdown, ToHost
from engine.scripting.plain import NotPlain, plain

MAX_ARGUMENT_BYTES = MAX_MESSAGE_BYTES - 1024
MAX_LINE_CHARACTERS = 2048


class HelperError(Exception):
    """A helper could not do what a script asked for; its text is for the author of the script."""


class Calls:
    """Owns the broker socket of a host. When the other side is gone for good, so is this process."""

    def __init__(self, endpoint: Endpoint[ToHost]) -> None:
        self._endpoint = endpoint
        self._encoder = msgspec.msgpack.Encoder()
        self._sequence = 0
        self._waiting: Call | None = None
        self._job_done: JobDone | None = None
        self.broker_is_new = False
        """The broker was replaced, and knows nothing that was not on disk."""
        self.requests: deque[RunJob | Shutdown | Lines] = deque()
        """What the broker asked for; served between hooks."""
        self.on_delay: Callable[[], None] = lambda: None
        """Told of each call that had to wait for ``scripting.calls``."""
        self.quiet = False
        """Console lines that are written now are told to no script."""

    def fileno(self) -> int:
        """For ``poll``."""
        return self._endpoint.fileno()

    def call(self, helper: str, *arguments: Any) -> Any:
        """Ask the broker and wait for its answer.

        Raises:
            HelperError: the arguments cannot be sent, or the broker refused.
        """
        self._sequence += 1
        self._waiting = Call(self._sequence, helper, self._encode(helper, arguments))
        self._endpoint.send(self._waiting)
        while True:
            reply = self.receive()
            if reply is not None and reply.seq == self._sequence:
                self._waiting = None
                return self._answer(reply)

    def _encode(self, helper: str, arguments: tuple[Any, ...]) -> list[msgspec.Raw]:
        try:
            encoded = [msgspec.Raw(self._encoder.encode(plain(argument))) for argument in arguments]
        except NotPlain as error:
            raise HelperError(f"{helper}: {error}") from None
        except OverflowError:
            raise HelperError(f"{helper}: expected integers of at most 64 bits") from None
        size = sum(map(len, map(bytes, encoded)))
        if size > MAX_ARGUMENT_BYTES:
            raise HelperError(f"{helper}: arguments of {size} bytes exceed the limit of {MAX_ARGUMENT_BYTES}")
        return encoded

    def _answer(self, reply: Reply) -> Any:
        if reply.delayed:
            self.on_delay()
        if reply.error:
            raise HelperError(reply.error)
        return msgspec.msgpack.decode(reply.value)

    def receive(self) -> Reply | None:
        """Take one message: requests are queued, what is lost is sent again, a reply is returned."""
        try:
            received = self._endpoint.receive()
        except ProtocolViolation:
            os._exit(70)
        if received is None:
            os._exit(0)  # the instance is gone: nobody to work for
        message, _ = received
        if isinstance(message, Reply):
            return message
        if isinstance(message, Resend):
            self.broker_is_new = True
            self._send_again()
        else:
            self.requests.append(message)
        return None

    def _send_again(self) -> None:
        for message in (self._job_done, self._waiting):
            if message is not None:
                self._endpoint.send(message)

    def log(self, level: str, text: str) -> None:
        """Write a console line; not answered."""
        short = text if len(text) <= MAX_LINE_CHARACTERS else text[:MAX_LINE_CHARACTERS] + "…"
        self._endpoint.send(Log(level, short.encode(errors="backslashreplace").decode(), self.quiet))

    def send(self, message: msgspec.Struct) -> None:
        """Send one of the other messages; the last ``JobDone`` is kept, in case a new broker asks for it."""
        if isinstance(message, JobDone):
            self._job_done = message
        self._endpoint.send(message)
