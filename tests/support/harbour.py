"""An outbox, its shipper and a clock that tests move."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Mapping
from pathlib import Path

from engine.counters import Counters
from engine.shipping.choose import Destinations
from engine.shipping.outbox import Upload, UploadFile, publish
from engine.shipping.shipper import Shipper
from engine.shipping.web import Web
from tests.support.audit import crc32c

FILES = ("pcap", "streams", "items", "manifest")


class Harbour:
    """An outbox, its shipper and a clock that tests move."""

    def __init__(self, root: Path, dead_limit_bytes: int = 1 << 30, secrets: Mapping[str, str] | None = None) -> None:
        self._dead_limit_bytes, self._secrets = dead_limit_bytes, secrets or {}
        self.outbox, self.counters, self.destinations = root / "outbox", Counters(), Destinations()
        self.now_s = 0.0
        self.shipper = self.open()

    def open(self) -> Shipper:
        web, limit_bytes = Web([], {}), self._dead_limit_bytes
        return Shipper(self.outbox, 4, self.destinations, web, self._secrets, self.counters, lambda: 1.0, limit_bytes)

    def add(
        self, batch: str, destination: str, files: tuple[str, ...] = FILES, credentials: str = "", padding: int = 0
    ) -> None:
        """``padding``: bytes more in the first file."""
        building = self.outbox / "tmp" / batch
        building.mkdir(parents=True)
        uploads = []
        for file in files:
            content = f"{file} of {batch}".encode() + bytes(padding if file == files[0] else 0)
            (building / file).write_bytes(content)
            uploads.append(UploadFile(file, f"{file}/{batch}", len(content), crc32c(content)))
        publish(building, self.outbox, batch, Upload(destination, credentials, uploads))

    def names(self, folder: str = "ready") -> list[str]:
        path = self.outbox / folder
        return sorted(os.listdir(path)) if path.exists() else []

    def step(self) -> None:
        """Begin what is due, and wait until all of it has ended."""
        self.shipper.step(self.now_s)
        while self.shipper._flying:
            select.select([self.shipper], [], [], 10)
            self.shipper.step(self.now_s)

    def until(self, done: Callable[[], bool], longest: int = 200) -> None:
        for _ in range(longest):
            self.step()
            if done():
                return
            self.now_s += 7
        raise AssertionError("never done")
