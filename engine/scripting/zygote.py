"""The process that script hosts are forked from: everything imported, no secrets, one thread, no environment.

``python -m engine.scripting.zygote`` with the supervisor's control socket as descriptor 3. A fork takes 5 ms where a
fresh interpreter would take 45, and shares its memory.
"""

from __future__ import annotations

import codecs
import contextlib
import encodings
import fcntl
import gc
import os
import pkgutil
import random
import select
import signal
import socket
import sys
import time
from typing import NoReturn

from engine import kfl
from engine.frames.control import HostExited, HostStarted, Quit, SpawnHost, ToZygote
from engine.frames.endpoint import Endpoint
from engine.frames.host import host_fds
from engine.jail.limits import close_descriptors
from engine.scripting import host
from engine.scripting.loading import check_script
from hooks.items import Item

CONTROL_FD = 3
FIRST_PARKED_FD = 64
NO_CODECS = ("aliases", "mbcs", "oem")
"""Modules among the codecs that are none here: a table of names, and two of Windows."""
EXIT_CRASHED = 70
EXIT_NO_PROCESS = 71


class Zygote:
    """Owns the hosts' pids. Each has a pidfd that becomes readable when it ends."""

    def __init__(self, control: Endpoint[ToZygote]) -> None:
        self._control = control
        self._hosts: dict[int, tuple[int, int]] = {}
        """pidfd -> (host, pid)."""
        self._poll = select.poll()
        self._poll.register(control.fileno(), select.POLLIN)

    def run(self) -> None:
        """Until ``Quit``, or until the supervisor is gone; no host outlives it."""
        try:
            while True:
                for descriptor, _ in self._poll.poll():
                    if descriptor in self._hosts:
                        self._reap(descriptor)
                    elif not self._obey():
                        return
        except (BrokenPipeError, ConnectionResetError):
            return
        finally:
            self._end_all()

    def _obey(self) -> bool:
        received = self._control.receive()
        if received is None:
            return False
        message, descriptors = received
        if isinstance(message, Quit):
            return False
        self._spawn(message, descriptors)
        return True

    def _spawn(self, message: SpawnHost, descriptors: list[int]) -> None:
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError:  # no memory or no pid left: the supervisor treats it like a crash and tries again later
            pid = -1
        if pid == 0:
            _become_host(message, descriptors, parent)
        for descriptor in descriptors:
            os.close(descriptor)
        if pid < 0:
            self._control.send(HostExited(message.host, EXIT_NO_PROCESS))
            return
        pidfd = os.pidfd_open(pid)
        self._hosts[pidfd] = (message.host, pid)
        self._poll.register(pidfd, select.POLLIN)
        self._control.send(HostStarted(message.host, pid))

    def _reap(self, pidfd: int) -> None:
        self._poll.unregister(pidfd)
        os.close(pidfd)
        number, pid = self._hosts.pop(pidfd)
        _, status = os.waitpid(pid, 0)
        self._control.send(HostExited(number, os.waitstatus_to_exitcode(status)))

    def _end_all(self) -> None:
        for _, pid in self._hosts.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for _, pid in self._hosts.values():
            os.waitpid(pid, 0)


def _become_host(message: SpawnHost, descriptors: list[int], parent: int) -> NoReturn:
    """The child's side of the fork: nothing gets past this function."""
    try:
        _place(descriptors, host_fds(message.workers))
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        host.main(message, parent)
    except BaseException:
        os._exit(EXIT_CRASHED)


def _place(descriptors: list[int], targets: tuple[int, ...]) -> None:
    """Put the received descriptors where a host expects them and close all others, ours included."""
    parked = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, FIRST_PARKED_FD) for descriptor in descriptors]
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    for source, target in zip(parked, targets, strict=True):
        os.dup2(source, target, inheritable=False)
    close_descriptors(max(targets) + 1)


def _warm_up() -> None:
    """Use once what is built or loaded on first use, so that hosts have it."""
    for module in pkgutil.iter_modules(encodings.__path__):  # 33 ms and 3 MB, which all hosts share
        if module.name not in NO_CODECS:
            codecs.lookup(module.name)
    random.Random("text")  # asks for SHA-512 when it is first given text, since Python 3.13
    time.localtime()  # the C library reads the time zone of the machine once
    check_script("def onItemCaptured(data):\n    return kfl.match('http', data)\n", "warm-up")
    for filter_text in ("http and response.status == 500", "http && status_code == 500"):
        kfl.compile(filter_text).matches({})
    Item.decode(b"\x80")


def main() -> None:
    """Serve the supervisor."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor decides
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.environ.clear()
    os.environ["TZ"] = "UTC"
    time.tzset()  # a host may not read the machine's
    _warm_up()
    gc.set_threshold(50_000, 20, 100)
    gc.collect()
    gc.freeze()
    Zygote(Endpoint(socket.socket(fileno=CONTROL_FD), ToZygote)).run()


if __name__ == "__main__":
    main()
    sys.exit(0)
