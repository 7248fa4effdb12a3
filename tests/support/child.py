"""Recorder and shipper as the supervisor runs them: a real process, its control socket in the hands of a test."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from engine.config import Settings
from engine.frames.control import FromChild, Quit, Report, Start, Up
from engine.frames.endpoint import Endpoint, message_pair

PATIENCE_S = 30.0
"""When a test gives up; no test waits for this."""
RUN_ID = "20261120T103000Z-a1b2c3d4"
NOBODY = 65534

Message = TypeVar("Message", bound=msgspec.Struct)

_ON_DESCRIPTOR_3 = """
import os, runpy, sys
os.dup2(int(sys.argv[1]), 3)
runpy.run_module(sys.argv[2], run_name="__main__", alter_sys=True)
"""


class RunningChild:
    """``python -m engine.<name>``."""

    def __init__(self, name: str, settings: Settings, secrets: Mapping[str, str] | None = None) -> None:
        self.notes: list[str] = []
        self.counters: dict[str, int] = {}
        ours, theirs = message_pair()
        self._socket, self.control = ours, Endpoint[FromChild](ours, FromChild)
        command = [sys.executable, "-c", _ON_DESCRIPTOR_3, str(theirs.fileno()), f"engine.{name}"]
        clean = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
        with as_root():
            self.process = subprocess.Popen(command, pass_fds=(theirs.fileno(),), env=clean)
        theirs.close()
        packed = msgspec.Raw(msgspec.msgpack.encode(settings))
        self.control.send(Start(packed, dict(secrets or {}), RUN_ID, "n1", []))

    def send(self, message: msgspec.Struct) -> None:
        """As the supervisor."""
        self.control.send(message)

    def hear(self, kind: type[Message]) -> Message:
        """The next message of this kind; reports are remembered."""
        poll = select.poll()
        poll.register(self.control.fileno(), select.POLLIN)
        while True:
            assert poll.poll(PATIENCE_S * 1000), "no message"
            received = self.control.receive()
            assert received is not None, "the process is gone"
            message = received[0]
            if isinstance(message, Report):
                self.counters = message.counters
                self.notes += [message.note] * bool(message.note)
            if isinstance(message, kind):
                return message

    def up(self) -> None:
        """Wait until it works."""
        self.hear(Up)

    def until(self, counter: str, at_least: int) -> None:
        """Wait until it has counted so many."""
        while self.counters.get(counter, 0) < at_least:
            self.hear(Report)

    def stop(self) -> int:
        """``Quit``; the exit code."""
        with contextlib.suppress(OSError):
            self.send(Quit())
        code = self.process.wait(PATIENCE_S)
        self._socket.close()
        return code

    def kill(self) -> None:
        """SIGKILL, where it lives."""
        with as_root():
            self.process.kill()
        self.process.wait(PATIENCE_S)
        self._socket.close()

    def hang_up(self) -> int:
        """Close the control socket, as a supervisor does that dies; the exit code."""
        self._socket.close()
        return self.process.wait(PATIENCE_S)


@contextlib.contextmanager
def running(name: str, settings: Settings, secrets: Mapping[str, str] | None = None) -> Iterator[RunningChild]:
    """A child that is up, gone afterwards."""
    child = RunningChild(name, settings, secrets)
    try:
        child.up()
        yield child
    finally:
        child.kill()


@contextlib.contextmanager
def folder_of_nobody() -> Iterator[Path]:
    """A folder that children can use after they dropped root's rights; as root, the test itself works as nobody."""
    folder = Path(tempfile.mkdtemp(prefix="remora-"))
    is_root = os.getuid() == 0
    if is_root:
        os.chown(folder, NOBODY, NOBODY)
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
    try:
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
            os.setegid(0)
        shutil.rmtree(folder)


@contextlib.contextmanager
def as_root() -> Iterator[None]:
    """Inside ``folder_of_nobody``: root again, where the test is run by root."""
    before: Any = os.geteuid(), os.getegid()
    if os.getuid() == 0:
        os.seteuid(0)
        os.setegid(0)
    try:
        yield
    finally:
        if os.getuid() == 0:
            os.setegid(before[1])
            os.seteuid(before[0])
