"""What this machine gives: a process that is confined as a script's would be, and tries to get out.

``python -m engine.jail.probe MODE USER`` prints one JSON object; ``ask`` runs that.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass

from engine.errors import ConfigError
from engine.jail.confine import JailBroken, confine
from engine.jail.layers import Jail
from engine.jail.limits import close_descriptors

MEMORY_BYTES = 512 << 20
PATIENCE_S = 30.0
REPORT_FD = 3


@dataclass(frozen=True, slots=True)
class Probe:
    """What became of one confined process."""

    layers: list[str]
    missing: dict[str, str]
    """Layer -> why."""
    broken: str
    """Why the mode cannot be had here; nothing where it can."""
    tried: dict[str, str]
    """What it tried -> what came of it: ``done`` is a hole in the jail."""


def ask(mode: str, user: int) -> Probe:
    """Confine a process of its own and hear what came of it. Takes about 50 ms.

    Raises:
        ConfigError: this user may not run the interpreter at all.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "engine.jail.probe", mode, str(user)],
            env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            stdout=subprocess.PIPE, timeout=PATIENCE_S, check=True,
        )  # fmt: skip
    except PermissionError:
        hint = "install Remora where this user may read it"
        raise ConfigError("python", "an interpreter that this user may run", sys.executable, hint) from None
    return Probe(**json.loads(done.stdout))


def main(mode: str, user: int) -> None:
    """Print the report of a child that is confined."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _inside(Jail(MEMORY_BYTES, user, os.getppid(), mode), write)
        finally:
            os._exit(70)
    os.close(write)
    with open(read) as lines:
        told = [json.loads(line) for line in lines]
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    report = {"layers": [], "missing": {}, "broken": "", "tried": {}, **told[0]}
    for line in told[1:]:
        report["tried"] |= line
    if "seccomp" in report["layers"]:
        report["tried"]["make a socket"] = "ended by SIGSYS" if status == -signal.SIGSYS else "done"
    print(json.dumps(report))


def _inside(jail: Jail, report_fd: int) -> None:
    os.dup2(report_fd, REPORT_FD)
    close_descriptors(REPORT_FD + 1)
    try:
        confined = confine(jail)
    except JailBroken as error:
        _say({"broken": str(error)})
        os._exit(0)
    _say({"layers": confined.layers, "missing": confined.missing})
    for name, attempt in ATTEMPTS.items():
        _say({name: _outcome(attempt)})
    if "seccomp" in confined.layers:
        socket.socket()
    os._exit(0)


def _outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except (OSError, RuntimeError, MemoryError) as error:
        return f"refused ({getattr(error, 'strerror', None) or str(error) or type(error).__name__})"
    return "done"


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


ATTEMPTS: dict[str, Callable[[], object]] = {
    "read a file": lambda: os.open("/etc/passwd", os.O_RDONLY),
    "look at its parent": lambda: os.kill(os.getppid(), 0),
    "start a process": _fork,
    "start a thread": lambda: threading.Thread(target=int).start(),
    "run memory as code": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC),
    "use 1 GiB of memory": lambda: bytes(1 << 30),
}


def _say(message: dict[str, object]) -> None:
    os.write(REPORT_FD, json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
