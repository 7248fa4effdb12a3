"""Calls that take long run beside the loop, so that one script's tar is not every script's pause.

At most one call of a script runs at a time, so its folder has one user at any moment. CPython hands the interpreter
over every 0.5 ms instead of 5: the other scripts' calls wait for that (measured in ``benchmarks/rpc.py``).
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

from engine.errors import ProtocolViolation
from engine.frames.host import Call, Reply
from engine.helpers.calls import answer
from engine.helpers.script import Host

_THREADS = 64
"""Made when they are needed. One call of a script runs at a time, so that many scripts never wait for each other: with
fewer, that many scripts which pack archives would keep every other script's ``pcap.record`` waiting.
"""
_SWITCH_INTERVAL_S = 0.0005


class SlowCalls:
    """Owned by the loop; ``fileno`` becomes readable when something is done."""

    def __init__(self) -> None:
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        self._pool = ThreadPoolExecutor(_THREADS, "slow-call")
        self._done: SimpleQueue[tuple[Host, Call, Reply | ProtocolViolation]] = SimpleQueue()
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)

    def fileno(self) -> int:
        """For ``selectors``."""
        return self._woken.fileno()

    def start(self, host: Host, call: Call) -> None:
        """Run a call beside the loop."""
        self._pool.submit(self._run, host, call)

    def _run(self, host: Host, call: Call) -> None:
        try:
            result: Reply | ProtocolViolation = answer(host.methods, call)
        except ProtocolViolation as violation:
            result = violation
        self._done.put((host, call, result))
        try:
            self._wake.send(b"\0")
        except BlockingIOError:
            return  # so many bytes wait that the loop wakes up anyway

    def take_done(self, finish: Callable[[Host, Call, Reply | ProtocolViolation], None]) -> None:
        """Hand over everything that is done."""
        try:
            self._woken.recv(4096)
        except BlockingIOError:
            return
        while not self._done.empty():
            finish(*self._done.get())

    def close(self) -> None:
        """Wait for what runs."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._wake.close()
        self._woken.close()
