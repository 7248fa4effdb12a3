"""A dissection to feed with chunks, and an exchange to feed it with."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from engine.counters import Counters
from engine.dissect.options import DissectOptions
from engine.dissect.registry import load_rows
from engine.dissect.table import ProtocolRow
from engine.dissect.tls_keylog import KeyRing
from engine.items.dissection import Dissection
from engine.items.item import LazyItem
from engine.resolve.resolver import Resolver
from engine.resolve.static import NoNames
from engine.streams.chunk import Chunk

GET = b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"
OK = b"HTTP/1.1 %d OK\r\nContent-Length: 5\r\n\r\nhello"


def dissection(
    resolver: Resolver | None = None, counters: Counters | None = None, keys: KeyRing | None = None, **options: Any
) -> Dissection:
    """Of the built-in protocols, on node ``n1``; ``options`` are those of ``DissectOptions``."""
    rows = _rows(keys)
    return Dissection(rows, DissectOptions(**options), resolver or NoNames(), "n1", "10.0.0.9", counters or Counters())


@lru_cache(8)
def _rows(keys: KeyRing | None) -> tuple[ProtocolRow, ...]:
    """Loaded once: 0.4 ms, as much as a stream of the fuzzers takes."""
    return load_rows(installed=False, keys=keys)


def feed(into: Dissection, chunks: Iterable[Chunk]) -> list[LazyItem]:
    """The items that these chunks complete."""
    return [item for chunk in chunks for item in into.feed(chunk)]
