"""Run every attempt of ``tests.hostile.processes`` under each stack of layers; print JSON: stack -> attempt -> outcome.

``python -m tests.hostile.run`` as root. A process of its own, with one thread: it forks for each attempt.
"""

from __future__ import annotations

import errno
import json
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from engine.jail.confine import confine
from engine.jail.layers import LAYERS, Jail
from engine.jail.limits import close_descriptors
from tests.hostile.processes import ATTEMPTS, Attack, Target

NOBODY = 65534
MEMORY_BYTES = 512 << 20
PIPE_FD = 3
PATIENCE_S = 10.0


def only(*names: str) -> Callable[[Jail], None]:
    """Put on these layers and no other."""

    def put_on(jail: Jail) -> None:
        for layer in LAYERS:
            if layer.name in names:
                layer.put_on(jail)

    return put_on


def everything(jail: Jail) -> None:
    """As a host does where ``scripting.sandbox`` is strict."""
    confine(jail)


def as_nobody(jail: Jail) -> None:
    """The same where the instance was started by a user without capabilities."""
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    confine(jail)


NEVER_SURE = ("net", "ipc", "uts", "landlock")
STACKS: dict[str, Callable[[Jail], None]] = {
    "none": only(),
    "limits": only("limits"),
    "namespaces": only("net", "ipc", "uts"),
    "user": only("user", "processes"),
    "capabilities": only("capabilities"),
    "Landlock": only("no_new_privs", "landlock"),
    "seccomp": only("no_new_privs", "seccomp"),
    "all but Landlock, namespaces": only(*(layer.name for layer in LAYERS if layer.name not in NEVER_SURE)),
    "all": everything,
    "all, begun as nobody": as_nobody,
}
BECOME_NOBODY = {"user", "all but Landlock, namespaces", "all", "all, begun as nobody"}


class Scene:
    """What there is to attack, and where."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="remora-hostile-"))
        self.folder.chmod(0o755)
        self._sockets = [socket.create_server(("127.0.0.1", 0), backlog=1000)]
        self.port = int(self._sockets[0].getsockname()[1])
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", self.port))
        self.abstract = f"\0{self.folder.name}".encode()
        for name in (str(self.folder / "sock"), self.abstract):
            self._sockets.append(socket.socket(socket.AF_UNIX))
            self._sockets[-1].bind(name)
            self._sockets[-1].listen(1000)
        (self.folder / "sock").chmod(0o666)
        self._sockets.append(udp)
        self.victims = {user: victim(user) for user in (0, NOBODY)}
        self._numbers = 0

    def target(self, user: int) -> Target:
        """A fresh folder for one attempt of ``user``."""
        self._numbers += 1
        folder = self.folder / str(self._numbers)
        folder.mkdir()
        folder.chmod(0o777)
        for name in ("old", "mine"):
            (folder / name).write_text("text")
            (folder / name).chmod(0o666)
        os.chown(folder / "mine", user, user)
        (folder / "empty").mkdir()
        (folder / "empty").chmod(0o777)
        (folder / "link").symlink_to("/etc/passwd")
        return Target(self.victims[user], str(folder), self.port, self.abstract, PIPE_FD, os.getpid())

    def close(self) -> None:
        """End the victims, remove the folder."""
        for pid in self.victims.values():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        for sock in self._sockets:
            sock.close()
        shutil.rmtree(self.folder)


def victim(user: int) -> int:
    """A process of ``user`` that waits to be attacked."""
    pid = os.fork()
    if pid == 0:
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        while True:
            signal.pause()
    return pid


def outcome(scene: Scene, stack: str, attack: Attack) -> str:
    """``done``, or what it ended in: the name of an errno, of an exception, of a signal."""
    target = scene.target(NOBODY if stack in BECOME_NOBODY else 0)
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(theirs.fileno(), PIPE_FD)
            close_descriptors(PIPE_FD + 1)
            STACKS[stack](Jail(MEMORY_BYTES, -1 if stack.endswith("as nobody") else NOBODY, target.parent, "strict"))
            os.write(PIPE_FD, b"ready\n" + tell(attack, target).encode())
        finally:
            os._exit(70)
    theirs.close()
    if not select.select([ours], [], [], PATIENCE_S)[0]:
        os.kill(pid, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with ours:
        ours.setblocking(False)
        told = everything_told(ours)
    if "ready" in told:
        return told.strip().removeprefix("ready").strip()
    if status < 0:
        return signal.Signals(-status).name
    return "done" if status == 0 else f"exit status {status}"


def everything_told(sock: socket.socket) -> str:
    """Until its end, or until nothing more is there."""
    told = b""
    while select.select([sock], [], [], 0)[0] and (more := sock.recv(1000)):
        told += more
    return told.decode()


def tell(attack: Attack, target: Target) -> str:
    """Attempt it, and name what came of it."""
    try:
        attack(target)
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    except (RuntimeError, MemoryError, AssertionError, ValueError) as error:
        return type(error).__name__
    return "done"


def main() -> None:
    """Everything."""
    scene = Scene()
    try:
        found = {
            stack: {
                f"{category}: {name}": outcome(scene, stack, attack)
                for category, attacks in ATTEMPTS.items()
                for name, attack in attacks.items()
            }
            for stack in STACKS
            if len(sys.argv) < 2 or stack in sys.argv[1:]
        }
    finally:
        scene.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
