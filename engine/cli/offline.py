"""`remora query` and `remora streams`: answers from captures, on standard output."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine import clock
from engine.cli import arguments, terminal
from engine.config import FilterOptions
from engine.configure import Configuration
from engine.cycles import Cycles
from engine.items.encoding import json_lines
from engine.query import Query
from engine.units import parse_duration_s

if TYPE_CHECKING:
    from engine.cli.invited import Invited
    from engine.kfl import Filter

ROWS_AT_ONCE = 32
"""As many as stay in the processor's cache with all that belongs to them."""


@click.command()
@arguments.sources
@click.option("--kfl", "text", default="", metavar="TEXT", help="Only items that this filter matches.")
@arguments.stored
@click.option("--follow", is_flag=True, help="With --data: items of the running instance as they come, until Ctrl-C.")
@click.option("--last", default="", metavar="TIME", help="With --data: only items of the last 5m, 30s, … of traffic.")
@arguments.span
@click.option("--dissect", is_flag=True, help="Of a recording: make items from its packets, not those it has.")
@arguments.as_stored
@click.option(
    "--scripts",
    type=click.Path(path_type=Path),
    metavar="DIR|FILE",
    help="Load these scripts, and show what their onItemQueried makes of each item.",
)
@arguments.config_file
@arguments.sets
def query(
    sources: tuple[str, ...],
    text: str,
    data: Path | None,
    follow: bool,
    last: str,
    since: str,
    until: str,
    dissect: bool,
    as_stored: bool,
    scripts: Path | None,
    config_file: Path | None,
    sets: tuple[str, ...],
) -> None:
    """Print items as JSON Lines.

    SOURCE is a capture file, a folder of them, a tar, - for standard input, or a recording: its folder, or
    gs://bucket/prefix, of which only batches are read that can match. --data DIR takes what lies in a data folder.

    \b
    Example: remora query capture.pcap --kfl 'http and response.status >= 500' | jq .request.path

    \b
    Example: remora query gs://bucket/prefix --from 2026-11-30T14:00 --kfl 'dst.port == "443"'

    \b
    Example: remora query --data ./remora-data --last 5m --kfl 'dns'

    \b
    Example: remora query --data ./remora-data --follow

    \b
    Example: remora query --data ./remora-data --kfl 'record("incident") and response.status >= 500'

    \b
    Example: remora query gs://bucket/prefix --scripts ./verdicts --kfl 'http'
    """
    arguments.check_scripts(scripts, follow=follow, as_stored=as_stored)
    configuration = arguments.load(config_file, sets)
    options = configuration.settings.filters
    if follow:
        _follow(arguments.followed(sources, data, last), compiled(text, options) if text else None, as_stored)
        return
    last_s = parse_duration_s("--last", last) if last else None
    chosen, span = arguments.offline_sources(sources, data, last), arguments.span_of(since, until)
    with _invited(scripts, configuration) as invited:
        found = Query(chosen, configuration.settings, terminal.warn, last_s, span=span, dissect=dissect)
        wanted = compiled(text, options, found.now_ms) if text else None
        cycles = Cycles(found.counters)
        rows: Iterable[Mapping[str, Any]] = found.rows(wanted)
        if data is not None and not as_stored:
            from engine.fetching import Onlookers  # here and not above: with what it takes along it loads for 10 ms

            rows = Onlookers(data, terminal.warn).past(rows)
        rows = invited.past(rows) if invited is not None else rows
        _print(rows, lambda: cycles.tick(clock.monotonic_s()))
    gc.freeze()  # the collection at the end of the process looks at nothing any more: 20 ms


@click.command()
@arguments.sources
@arguments.stored
@arguments.config_file
@arguments.sets
def streams(sources: tuple[str, ...], data: Path | None, config_file: Path | None, sets: tuple[str, ...]) -> None:
    """Print one JSON line per stream.

    SOURCE is a capture file, a folder of them, a tar, - for standard input, or a recording: its folder, or
    gs://bucket/prefix; --data DIR takes what lies in a data folder.

    \b
    Example: remora streams capture.pcap | jq -s 'sort_by(-.bytes)[:10]'
    """
    configuration = arguments.load(config_file, sets)
    found = Query(arguments.offline_sources(sources, data), configuration.settings, terminal.warn)
    _print(found.streams())


def _invited(scripts: Path | None, configuration: Configuration) -> AbstractContextManager[Invited | None]:
    """Scripts of this query; they load while its sources are opened."""
    if scripts is None:
        return nullcontext()
    from engine.cli.invited import Invited  # here and not above: few queries have scripts

    return Invited(scripts, configuration)


def _follow(data: Path, wanted: Filter | None, as_stored: bool) -> None:
    from engine.fetching import Onlookers  # here and not above, as in query
    from engine.listening import Listener

    left = wanted.limit if wanted is not None and wanted.limit is not None else sys.maxsize
    listener, onlookers = Listener(data, terminal.warn), Onlookers(data, terminal.warn)
    try:
        listener.ask_recordings(wanted)
        for items in listener.batches(wanted):
            rows: Sequence[Mapping[str, Any]] = items[:left]
            rows = rows if wanted is None else [wanted.apply(item, listener.of(item))[1] for item in items[:left]]
            rows = rows if as_stored else onlookers.shown(rows)
            terminal.write_json(json_lines(rows))
            sys.stdout.flush()
            left -= len(rows)
            if left <= 0:
                break
    except KeyboardInterrupt:
        pass  # the way to end it
    finally:
        listener.close()


def compiled(text: str, options: FilterOptions, now_ms: Callable[[], int] | None = None) -> Filter:
    """The filter in ``text``; ``now_ms``: what ``now()`` says in it.

    Raises:
        KflError: it is wrong.
    """
    from engine import kfl  # here and not above: its grammar takes 0.04 s to load, and most queries have no filter

    return kfl.compile(text, options.dialect, options.macros, clock=now_ms or kfl.filters.wall_ms)


def _print(rows: Iterable[Mapping[str, Any]], rest: Callable[[], None] = lambda: None) -> None:
    """Some rows are made, then encoded, then written together: one after the other costs a tenth more.

    ``rest`` is called in between.
    """
    pending: list[Mapping[str, Any]] = []
    for row in rows:
        pending.append(row)
        if len(pending) >= ROWS_AT_ONCE:
            terminal.write_json(json_lines(pending))
            pending.clear()
            rest()
    terminal.write_json(json_lines(pending))
    sys.stdout.flush()
