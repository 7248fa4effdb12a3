"""What a worker does with a capture, without scripts: ``python -m benchmarks.engine_run CAPTURE [--output FILE]``.

Everything of ``engine.worker`` from the file to the item: packets and extents to segments, stream log, reassembly,
each item dissected, built whole, encoded as msgpack and stored in item segments; and, which a worker does not do, each
item written as a line of JSON, because peers write text too. The parts are those that ``engine.worker`` joins, with
default options but for the TTLs: they are zero, so that segments go as soon as ``storageLimit`` asks for room and the
file never waits for a clock. Cyclic garbage is looked for as a worker does. The data folder is new and lies
on tmpfs.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from engine import clock
from engine.capture.batch import Batch
from engine.capture.sources import open_source
from engine.config import Settings
from engine.counters import Counters
from engine.cycles import Cycles
from engine.dissect.registry import load_rows
from engine.items.encoding import json_lines
from engine.items.item import LazyItem
from engine.kfl.patterns import compile_pattern
from engine.pipeline import Node, Pipeline
from engine.resolve.static import open_resolver
from engine.resolve.targets import Targets
from engine.segments.folder import StreamIds, open_folder
from engine.segments.items import ItemShelf
from engine.segments.shelf import Shelf
from engine.streamlog import ends_of, seen_by_id

READ_BYTES = 4 << 20
"""More than one batch: what must be free on the shelf before the next is read, as in the worker."""
EXPIRY_STEP_S = 0.5


class Run:
    """One capture from end to end."""

    def __init__(
        self, data: Path, output: BinaryIO | None, settings: Settings | None = None, *, wanted: bool = True
    ) -> None:
        """``data``: a folder that is not there yet; without ``output`` items are stored and not written as text.

        ``wanted``: somebody wants items; else packets go to segments and nothing behind that runs.
        """
        settings = settings or Settings()
        self._wanted = wanted
        resolver = open_resolver(settings.resolve)
        storage = replace(settings.storage, pcap_ttl_s=0.0, pcap_error_ttl_s=0.0, json_ttl_s=0.0)
        open_folder(data, "bench", clock.wall_ns())
        self.counters = Counters()
        self._output = output
        self._due_s, self._cycles = clock.monotonic_s(), Cycles(self.counters)
        self._shelf = Shelf(data, storage, self.counters, self._due_s)
        self._items = ItemShelf(data, storage, self.counters)
        self._pipeline = Pipeline(
            settings.streams,
            settings.dissect,
            load_rows(),
            resolver,
            Node("bench", settings.node.ip),
            self.counters,
            StreamIds(data).next,
            Targets(settings.targets, resolver, compile_pattern(".*")) if settings.targets.chosen else None,
        )

    def capture(self, path: Path) -> None:
        """Read it to its end."""
        source = open_source(str(path), 0)
        while not source.ended:
            self.make_room()
            batch = source.read()
            if batch is not None:
                self.take(batch)
        source.close()
        self.finish()

    def finish(self) -> None:
        """The end of input."""
        left, items = self._pipeline.finish()
        self._deliver(items)
        self._shelf.log(ends_of(left))
        self._shelf.close()
        self._items.close()

    def take(self, batch: Batch) -> None:
        """``Worker._take``."""
        step = self._pipeline.packets(batch)
        assigned = step.assigned
        seen = seen_by_id(assigned.records)
        self._shelf.append(batch, assigned.stream_ids, step.columns.timestamp_ns, seen, clock.monotonic_s())
        if not self._wanted:
            self._pipeline.skip(batch, step)
        for items in self._pipeline.items(batch, step) if self._wanted else ():
            self._deliver(items)
        self._shelf.log(ends_of(assigned.ended.records))
        ended, items = self._pipeline.expire()
        self._deliver(items)
        self._shelf.log(ends_of(ended))

    def _deliver(self, items: list[LazyItem]) -> None:
        """To the item segment, then as text."""
        if items:
            entries = [(item.stream.id, item.index, item.timestamp_ns, item.encode()) for item in items]
            self._items.append(entries, clock.monotonic_s())
            if self._output:
                self._output.write(json_lines([item.whole() for item in items]))

    def make_room(self) -> None:
        """Let segments go twice a second, and whenever the next batch would not fit."""
        now_s = clock.monotonic_s()
        self._cycles.tick(now_s)
        if now_s >= self._due_s or not self._shelf.has_room(READ_BYTES, now_s):
            self._due_s = now_s + EXPIRY_STEP_S
            wall_ns, packet_bytes = clock.wall_ns(), self._shelf.size_bytes
            self._shelf.expire(now_s, None, {}, wall_ns=wall_ns, extra_bytes=self._items.size_bytes)
            self._items.expire(now_s, wall_ns=wall_ns, extra_bytes=packet_bytes)


def main() -> None:
    """Run, and say what was counted if asked to."""
    parser = argparse.ArgumentParser(description="what a worker does with a capture, without scripts")
    parser.add_argument("capture", type=Path)
    parser.add_argument("--output", type=Path, default=Path("/dev/null"), help="where the lines of JSON go")
    parser.add_argument("--tmpfs", type=Path, default=Path("/dev/shm"), help="where the data folder is made")
    parser.add_argument("--counters", action="store_true", help="print all counters at the end")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.tmpfs) as folder, options.output.open("wb") as output:
        run = Run(Path(folder, "data"), output)
        run.capture(options.capture)
    if options.counters:
        for name, value in sorted(run.counters.snapshot().items()):
            print(f"{name} {value}")


if __name__ == "__main__":
    main()
