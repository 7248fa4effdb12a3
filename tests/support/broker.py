"""A real broker process on a real data folder, with the supervisor's and the hosts' ends in the hands of a test."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from engine.config import NodeOptions, Settings
from engine.counters import Counters
from engine.frames.control import AttachHost, FromChild, Quit, Report, Start, Up
from engine.frames.endpoint import Endpoint, message_pair
from engine.frames.host import Call, Reply, ToHost
from engine.helpers.handles import Handles
from engine.helpers.space import Room
from engine.scripting.options import ScriptOptions
from engine.segments.options import StorageOptions
from engine.segments.records import SEEN, Records, StreamRecord
from engine.segments.shelf import Shelf
from tests.support.packets import Packet, batch_of
from tests.support.segments import records_of

PATIENCE_S = 20.0
"""When a test gives up on a process; no test waits for this."""
WALL_NS = 1_795_180_150_000_000_000
"""The wall clock of helpers without a process: 2026-11-20, 13:09:10 UTC."""
LIMIT_BYTES = 1 << 20
LIMIT = Room(LIMIT_BYTES, 1000)
"""The size of a work folder in tests."""
RUN_ID = "20261120T103000Z-a1b2c3d4"
HANDLE_KEY = bytes(range(32))


def handles(script: str = "top.py", *allowed: str) -> Handles:
    """Those of one script, which may use every secret unless some are named."""
    return Handles(HANDLE_KEY, script, allowed or ["*"])


Message = TypeVar("Message", bound=msgspec.Struct)


def store_streams(data: Path, streams: dict[int, Sequence[Packet]], protocol: int = 6) -> None:
    """Put streams on disk as a worker does."""
    (data / "segments").mkdir(exist_ok=True)
    packets = sorted((p.timestamp_ns, number, p) for number, ps in streams.items() for p in ps)
    shelf = Shelf(data, StorageOptions(window=False), Counters(), 0.0)

    def describe(numbers: npt.NDArray[np.uint64]) -> Records:
        ip = bytes(10) + b"\xff\xff\x0a\0\0\x01"
        return records_of(
            StreamRecord(number, streams[number][0].timestamp_ns, 1, 60, 0, ip, ip, 1, 2, protocol, SEEN, 0)
            for number in numbers.tolist()
        )

    numbers = np.array([number for _, number, _ in packets], np.uint64)
    times = np.array([time for time, _, _ in packets], np.int64)
    shelf.append(batch_of(p for _, _, p in packets), numbers, times, describe, 0.0)
    shelf.close()


def give_to_a_user(folder: Path) -> Path:
    """As in life: where the tests run as root, the broker does not."""
    if os.getuid() == 0:
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, 65534, 65534)
    return folder


class Hosting:
    """A script host that says what a test wants, honest or not."""

    def __init__(self, sock: socket.socket, broker_end: socket.socket, number: int, script: str) -> None:
        """``broker_end`` is the copy that a supervisor keeps for a successor of the broker."""
        self.socket, self.broker_end, self.number, self.script = sock, broker_end, number, script
        self.endpoint: Endpoint[ToHost] = Endpoint(sock, ToHost)
        self._seq = 0

    def close(self) -> None:
        """Both ends."""
        self.socket.close()
        self.broker_end.close()

    def ask(self, helper: str, *args: Any) -> int:
        """Send a call; its number."""
        self._seq += 1
        self.say(Call(self._seq, helper, [msgspec.Raw(msgspec.msgpack.encode(arg)) for arg in args]))
        return self._seq

    def call(self, helper: str, *args: Any) -> Any:
        """Call and wait; an error comes as ``CallFailed``."""
        seq = self.ask(helper, *args)
        reply = self.hear(Reply)
        assert reply.seq == seq
        if reply.error:
            raise CallFailed(reply.error)
        return msgspec.msgpack.decode(reply.value)

    def say(self, message: msgspec.Struct) -> None:
        """Send any message."""
        self.endpoint.send(message)

    def hear_any(self) -> Any:
        """The next message."""
        return _next(self.endpoint)

    def hear(self, kind: type[Message]) -> Message:
        """The next message, which is of this kind."""
        message = self.hear_any()
        assert isinstance(message, kind), message
        return message


class CallFailed(Exception):
    """The broker answered with an error."""


class RunningBroker:
    """``python -m engine.broker``."""

    def __init__(self, data: Path, options: ScriptOptions) -> None:
        self.data, self.counters, self.hosts = data, {"": 0}, list[Hosting]()
        ours, theirs = message_pair()
        self.control: Endpoint[FromChild] = Endpoint(ours, FromChild)
        self._socket = ours
        self.process = subprocess.Popen(
            [sys.executable, "-c", _ON_DESCRIPTOR_3, str(theirs.fileno())], pass_fds=(theirs.fileno(),)
        )
        theirs.close()
        settings = Settings(node=NodeOptions("n1", "10.0.0.7"), scripts=options, data=str(data))
        packed = msgspec.Raw(msgspec.msgpack.encode(settings))
        self.control.send(
            Start(settings=packed, secrets={}, run_id=RUN_ID, node="n1", descriptors=[], handle_key=HANDLE_KEY)
        )
        assert isinstance(_next(self.control), Up)

    def attach(
        self, number: int = 1, script: str = "top.py", pid: int | None = None, hooks: Sequence[str] = ()
    ) -> Hosting:
        """A new host."""
        ours, theirs = message_pair()
        self.send(AttachHost(number, script, list(hooks), pid or os.getpid()), [theirs.fileno()])
        self.hosts.append(Hosting(ours, theirs, number, script))
        return self.hosts[-1]

    def take_over(self, host: Hosting, hooks: Sequence[str] = ()) -> None:
        """A host of another broker."""
        message = AttachHost(host.number, host.script, list(hooks), os.getpid(), taken_over=True)
        self.send(message, [host.broker_end.fileno()])

    def send(self, message: msgspec.Struct, descriptors: Sequence[int] = ()) -> None:
        """As the supervisor."""
        self.control.send(message, descriptors)

    def hear(self, kind: type[Message]) -> Message:
        """The next message of this kind; what else it says is passed over."""
        while True:
            message = _next(self.control)
            if isinstance(message, Report):
                self.counters = message.counters
            if isinstance(message, kind):
                return message

    def said(self) -> list[Any]:
        """What it has said by now."""
        poll = select.poll()
        poll.register(self.control.fileno(), select.POLLIN)
        found = []
        while poll.poll(0):
            found.append(_next(self.control))
        return found

    def counted(self, name: str, at_least: int) -> int:
        """Wait until a counter has reached a value; the value."""
        while self.counters.get(name, 0) < at_least:
            self.hear(Report)
        return self.counters[name]

    def stop(self) -> int:
        """``Quit``; the exit code."""
        with contextlib.suppress(OSError):
            self.send(Quit())
        code = self.process.wait(PATIENCE_S)
        self._socket.close()
        return code

    def kill(self) -> None:
        """SIGKILL, where it lives."""
        self.process.kill()
        self.process.wait(PATIENCE_S)
        self._socket.close()


_ON_DESCRIPTOR_3 = """
import os, runpy, sys
os.dup2(int(sys.argv[1]), 3)
sys.argv = ["engine.broker"]
runpy.run_module("engine.broker", run_name="__main__", alter_sys=True)
"""


@contextlib.contextmanager
def running_broker(data: Path, **options: Any) -> Iterator[RunningBroker]:
    """A broker on ``data``, gone afterwards; ``options`` are those of ``ScriptOptions``."""
    broker = RunningBroker(data, ScriptOptions(**options))
    try:
        yield broker
    finally:
        broker.kill()
        for host in broker.hosts:
            host.close()


def _next(endpoint: Endpoint[Any]) -> Any:
    poll = select.poll()
    poll.register(endpoint.fileno(), select.POLLIN)
    assert poll.poll(PATIENCE_S * 1000), "no message"
    received = endpoint.receive()
    assert received is not None, "the other side is gone"
    return received[0]
