"""`remora query` and `remora streams`: answers from captures, on standard output."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli import arguments
from engine.items.encoding import json_lines
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
@arguments.config_file
@arguments.sets
def query(
    sources: tuple[str, ...],
    text: str,
    data: Path | None,
    follow: bool,
    last: str,
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
    """
    configuration = arguments.load(config_file, sets)
    wanted = _compile(text) if text else None
    if follow:
        _follow(arguments.followed(sources, data, last), wanted)
        return
    last_s = parse_duration_s("--last", last) if last else None
    found = Query(arguments.offline_sources(sources, data, last), configuration.settings, _warn, last_s)
    gc.disable()  # a fifth of the time went into looking for cycles among live streams; there are none
    _print(item.as_dict() for item in found.items(wanted))
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
    found = Query(arguments.offline_sources(sources, data), configuration.settings, _warn)
    _print(found.streams())


def _follow(data: Path, wanted: Filter | None) -> None:
    listener = Listener(data, _warn)
    try:
        for items in listener.batches(wanted):
            sys.stdout.buffer.write(json_lines(items))
            sys.stdout.buffer.flush()
    except KeyboardInterrupt:
        pass  # the way to end it
    finally:
        listener.close()


def _compile(text: str) -> Filter:
    from engine import kfl  # here and not above: its grammar takes 0.04 s to load, and most queries have no filter

    return kfl.compile(text)


def _print(rows: Iterable[Mapping[str, Any]]) -> None:
    """Some rows are made, then encoded, then written together: one after the other costs a tenth more."""
    pending: list[Mapping[str, Any]] = []
    for row in rows:
        pending.append(row)
        if len(pending) >= ROWS_AT_ONCE:
            sys.stdout.buffer.write(json_lines(pending))
            pending.clear()
    sys.stdout.buffer.write(json_lines(pending))
    sys.stdout.buffer.flush()


def _warn(text: str) -> None:
    print(f"remora: warning: {text}", file=sys.stderr)
