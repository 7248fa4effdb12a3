"""`remora query` and `remora streams`: answers from captures, on standard output."""

from __future__ import annotations

import gc
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine import clock
from engine.cli import arguments
from engine.config import FilterOptions
from engine.cycles import Cycles
from engine.fetching import Onlookers
from engine.items.encoding import json_lines
from engine.items.item import LazyItem
from engine.listening import Listener
from engine.query import Query
from engine.units import parse_duration_s

if TYPE_CHECKING:
    from engine.kfl import Filter

ROWS_AT_ONCE = 32
"""As many as stay in the processor's cache with all that belongs to them."""


@click.command()
@arguments.sources
@click.option("--kfl", "text", default="", metavar="TEXT", help="Only items that this filter matches.")
@arguments.stored
@click.option("--follow", is_flag=True, help="With --data: items of the running instance as they come, until Ctrl-C.")
@click.option("--last", default="", metavar="TIME", help="With --data: only items of the last 5m, 30s, … of traffic.")
@arguments.as_stored
@arguments.config_file
@arguments.sets
def query(
    sources: tuple[str, ...],
    text: str,
    data: Path | None,
    follow: bool,
    last: str,
    as_stored: bool,
    config_file: Path | None,
    sets: tuple[str, ...],
) -> None:
    """Print items as JSON Lines.

    SOURCE is a capture file, a folder of them, or - for standard input; --data DIR takes what lies in a data folder.

    \b
    Example: remora query capture.pcap --kfl 'http and response.status >= 500' | jq .request.path

    \b
    Example: remora query --data ./remora-data --last 5m --kfl 'dns'

    \b
    Example: remora query --data ./remora-data --follow

    \b
    Example: remora query --data ./remora-data --kfl 'record("incident") and response.status >= 500'
    """
    configuration = arguments.load(config_file, sets)
    options = configuration.settings.filters
    if follow:
        _follow(arguments.followed(sources, data, last), _compile(text, options) if text else None, as_stored)
        return
    last_s = parse_duration_s("--last", last) if last else None
    found = Query(arguments.offline_sources(sources, data, last), configuration.settings, arguments.warn, last_s)
    wanted = _compile(text, options, found.now_ms) if text else None
    found.ask_recordings(wanted)
    cycles = Cycles(found.counters)
    items = itertools.chain(found.recorded(wanted), found.items(wanted))
    rows: Iterable[Mapping[str, Any]] = _rows(items, wanted, found.recordings_of)
    if data is not None and not as_stored:
        rows = Onlookers(data, arguments.warn).past(rows)
    _print(rows, lambda: cycles.tick(clock.monotonic_s()))
    gc.freeze()  # the collection at the end of the process looks at nothing any more: 20 ms


@click.command()
@arguments.sources
@arguments.stored
@arguments.config_file
@arguments.sets
def streams(sources: tuple[str, ...], data: Path | None, config_file: Path | None, sets: tuple[str, ...]) -> None:
    """Print one JSON line per stream.

    SOURCE is a capture file, a folder of them, or - for standard input; --data DIR takes what lies in a data folder.

    \b
    Example: remora streams capture.pcap | jq -s 'sort_by(-.bytes)[:10]'
    """
    configuration = arguments.load(config_file, sets)
    found = Query(arguments.offline_sources(sources, data), configuration.settings, arguments.warn)
    _print(found.streams())


def _follow(data: Path, wanted: Filter | None, as_stored: bool) -> None:
    left = wanted.limit if wanted is not None and wanted.limit is not None else sys.maxsize
    listener, onlookers = Listener(data, arguments.warn), Onlookers(data, arguments.warn)
    try:
        listener.ask_recordings(wanted)
        for items in listener.batches(wanted):
            rows: Sequence[Mapping[str, Any]] = items[:left]
            rows = rows if wanted is None else [wanted.apply(item, listener.of(item))[1] for item in items[:left]]
            rows = rows if as_stored else onlookers.shown(rows)
            sys.stdout.buffer.write(json_lines(rows))
            sys.stdout.buffer.flush()
            left -= len(rows)
            if left <= 0:
                break
    except KeyboardInterrupt:
        pass  # the way to end it
    finally:
        listener.close()


def _compile(text: str, options: FilterOptions, now_ms: Callable[[], int] | None = None) -> Filter:
    from engine import kfl  # here and not above: its grammar takes 0.04 s to load, and most queries have no filter

    return kfl.compile(text, options.dialect, options.macros, clock=now_ms or kfl.filters.wall_ms)


def _rows(
    items: Iterator[Mapping[str, Any]], wanted: Filter | None, recordings_of: Callable[[Mapping[str, Any]], set[str]]
) -> Iterator[Mapping[str, Any]]:
    """What is printed of ``items``, which ``wanted`` matches: as many as its ``limit()`` says, ``redact()`` obeyed."""
    for item in itertools.islice(items, None if wanted is None else wanted.limit):
        shown = item if wanted is None else wanted.apply(item, recordings_of(item))[1]
        yield item.whole() if isinstance(item, LazyItem) and shown is item else shown


def _print(rows: Iterable[Mapping[str, Any]], rest: Callable[[], None] = lambda: None) -> None:
    """Some rows are made, then encoded, then written together: one after the other costs a tenth more.

    ``rest`` is called in between.
    """
    pending: list[Mapping[str, Any]] = []
    for row in rows:
        pending.append(row)
        if len(pending) >= ROWS_AT_ONCE:
            sys.stdout.buffer.write(json_lines(pending))
            pending.clear()
            rest()
    sys.stdout.buffer.write(json_lines(pending))
    sys.stdout.buffer.flush()
