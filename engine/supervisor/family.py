"""The children of an instance: started, told how to begin, heard, buried, started again; what hangs is ended."""

from __future__ import annotations

import os
import selectors
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from engine import clock
from engine.capture.sources import LIVE
from engine.children import ChildProcess, Mailbox
from engine.config import Settings
from engine.frames.control import FromChild, FromZygote, Quit, Start
from engine.supervisor.loglines import LogLines
from engine.supervisor.packetsockets import PacketSockets

QUIT_S = 3.0
ASLEEP_S = 5.0
"""A turn of the loop that took longer: we were stopped ourselves, so that nobody could be heard."""
MAX_INLINE_BYTES = 32 * 1024
"""What of a message (64 KiB) settings may take, else they go by a file."""
MODULES = {
    "broker": "engine.broker",
    "recorder": "engine.recorder",
    "shipper": "engine.shipper",
    "zygote": "engine.scripting.zygote",
}


class Family:
    """Iterates over all children. Workers are called ``worker-0``, ``worker-1`` …, the only one ``worker``."""

    def __init__(
        self,
        settings: Settings,
        workers: int,
        shipper_secrets: Mapping[str, str],
        handle_key: bytes,
        run_id: str,
        selector: selectors.BaseSelector,
        tell: Callable[[str], None],
    ) -> None:
        self._settings, self._secrets, self._run_id = settings, shipper_secrets, run_id
        self._handle_key = handle_key
        self._selector, self._tell = selector, tell
        names = ["worker"] if workers == 1 else [f"worker-{index}" for index in range(workers)]
        self.workers = [ChildProcess(name, "engine.worker", FromChild) for name in names]
        self._others = {
            name: ChildProcess(name, module, FromZygote if name == "zygote" else FromChild)
            for name, module in MODULES.items()
        }
        live = [source.removeprefix(LIVE) for source in settings.sources if source.startswith(LIVE)]
        self._packets = PacketSockets(live, settings.capture, workers, tell)
        self._log = LogLines(tell)
        self._turned_s = clock.monotonic_s()
        selector.register(self._log, selectors.EVENT_READ, self._log.take)
        self.on_message: Callable[[ChildProcess, Any], None] = lambda _child, _message: None
        self.on_death: Callable[[ChildProcess, int], None] = lambda _child, _status: None
        """Called with its exit status, after it was buried."""

    def __iter__(self) -> Iterator[ChildProcess]:
        return iter([*self.workers, *self._others.values()])

    def mailbox(self, name: str) -> Mailbox:
        """Of the only process of that name."""
        return self._others[name].mailbox

    @property
    def all_up(self) -> bool:
        """Every process but the zygote, which says nothing, and workers that are not to run any more."""
        retired = [child for child in self.workers if not child.alive and child.restart_s is None]
        return all(child.up for child in self if child.name != "zygote" and child not in retired)

    def start(self, child: ChildProcess) -> None:
        """Start it and send it ``Start``; where no process is left, it is tried again later.

        Raises:
            CaptureError: the interfaces of a worker cannot be opened; it is not tried again.
        """
        index = self.workers.index(child) if child in self.workers else -1
        child.restart_s = None
        packets = self._packets.take(index) if index >= 0 else {}
        try:
            child.start(clock.monotonic_s(), self._log.descriptor, stdin=index == 0 and "-" in self._settings.sources)
        except OSError as error:
            for opened in packets.values():
                opened.close()
            self._tell(f"{child.name} cannot be started ({error.strerror}); it is tried again")
            return
        self._selector.register(child.endpoint, selectors.EVENT_READ, lambda: self._hear(child))
        if child.name != "zygote":
            descriptors = {f"packets:{name}": opened.detach() for name, opened in packets.items()}
            self._send_start(child, max(index, 0), descriptors)

    def _send_start(self, child: ChildProcess, index: int, descriptors: dict[str, int]) -> None:
        """``Start`` with its descriptors, which are closed here."""
        settings = msgspec.msgpack.encode(self._settings.without_secrets())
        if len(settings) > MAX_INLINE_BYTES:
            descriptors["settings"] = _as_file(settings)
            settings = msgspec.msgpack.encode(None)
        start = Start(
            msgspec.Raw(settings),
            dict(self._secrets) if child.name == "shipper" else {},
            self._run_id,
            self._settings.node.name,
            list(descriptors),
            index,
            len(self.workers),
            self._handle_key if child.name == "broker" else b"",
        )
        child.mailbox.send(start, tuple(descriptors.values()))
        for descriptor in descriptors.values():
            os.close(descriptor)

    def turn(self, now_s: float) -> list[ChildProcess]:
        """Send what waits, end what hangs; the children that are due to start again."""
        asleep = now_s - self._turned_s > ASLEEP_S
        self._turned_s = now_s
        for child in self:
            child.mailbox.flush()
            if asleep:
                child.heard_s = now_s
            if child.hangs(now_s):
                self._tell(f"{child.name} has not answered for {now_s - child.heard_s:.0f} s; it is ended")
                child.kill()
        return [child for child in self if child.restart_s is not None and child.restart_s <= now_s]

    def _hear(self, child: ChildProcess) -> None:
        if not child.alive:
            return
        messages = child.receive(clock.monotonic_s())
        if messages is None:
            self._selector.unregister(child.endpoint)
            self.on_death(child, child.bury(clock.monotonic_s()))
            return
        for message in messages:
            self.on_message(child, message)

    def end(self) -> None:
        """The end of the instance: ask all to quit, then make sure of it."""
        for child in self:
            child.mailbox.send(Quit())
        quit_s = clock.monotonic_s() + QUIT_S
        for child in self:
            child.wait(max(quit_s - clock.monotonic_s(), 0.0))
            self._log.take()
        self._packets.close()
        self._selector.unregister(self._log)
        self._log.close()


def _as_file(data: bytes) -> int:
    """A descriptor to read ``data`` from."""
    descriptor = os.memfd_create("settings")
    os.write(descriptor, data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
