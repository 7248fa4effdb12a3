"""Packet sockets of the workers: opened here, where the right to do so is, and handed over."""

from __future__ import annotations

import socket
from collections.abc import Callable

from engine.capture.options import CaptureOptions
from engine.capture.packetsocket import ANY, group_of, interfaces, open_packet_sockets
from engine.errors import CaptureError


class PacketSockets:
    """One for each interface and worker. All are opened before the first worker starts, so that none captures alone."""

    def __init__(self, names: list[str], options: CaptureOptions, workers: int, tell: Callable[[str], None]) -> None:
        self._names, self._options, self._workers, self._tell = names, options, workers, tell
        self._groups: dict[str, int] = {}
        self._waiting: list[dict[str, socket.socket]] = []
        self._opened = False

    def take(self, worker: int) -> dict[str, socket.socket]:
        """By interface, for a worker that starts; a successor's join those of the others.

        Raises:
            CaptureError: they cannot be opened; of a successor: no interface is left.
        """
        if not self._opened:
            self._open_all()
        if self._waiting[worker]:
            taken, self._waiting[worker] = self._waiting[worker], {}
            return taken
        return self._open_again()

    def _open_all(self) -> None:
        self._waiting = [{} for _ in range(self._workers)]
        try:
            for name in self._names:
                opened = open_packet_sockets(name, self._options, self._workers)
                for sockets, packets in zip(self._waiting, opened, strict=True):
                    sockets[name] = packets
                if self._workers > 1:
                    self._groups[name] = group_of(opened[0])
        except CaptureError:
            self.close()
            raise
        self._opened = True

    def _open_again(self) -> dict[str, socket.socket]:
        left = [name for name in self._names if name == ANY or name in interfaces()]
        gone = [name for name in self._names if name not in left]
        if gone and left:
            self._tell(f"capture goes on without {', '.join(gone)}: gone since it began")
        found: dict[str, socket.socket] = {}
        for name in left or self._names:
            (found[name],) = open_packet_sockets(name, self._options, 1, self._groups.get(name))
        return found

    def close(self) -> None:
        """Those that nobody took."""
        for sockets in self._waiting:
            for packets in sockets.values():
                packets.close()
            sockets.clear()
