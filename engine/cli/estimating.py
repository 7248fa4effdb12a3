"""`remora recordings estimate`: what a recording would have got, before it is made."""

from __future__ import annotations

from pathlib import Path

import click

from engine import kfl
from engine.cli import arguments
from engine.cli.recordings import as_json
from engine.cli.tables import Table
from engine.cli.terminal import say, warn, write_json
from engine.items.encoding import json_line
from engine.query import Query
from engine.recording.estimate import Result, Share
from engine.units import format_bytes, format_duration, parse_duration_s


@click.command()
@arguments.sources
@click.option("--kfl", "text", default="", metavar="TEXT", help="The filter; empty: every stream.")
@click.option("--from-start", is_flag=True, help="Streams from their first packet, not from the match.")
@arguments.stored
@click.option("--last", default="", metavar="TIME", help="With --data: only what matched in the last 5m, 30s, …")
@arguments.config_file
@arguments.sets
@as_json
def estimate(
    sources: tuple[str, ...],
    text: str,
    from_start: bool,
    data: Path | None,
    last: str,
    config_file: Path | None,
    sets: tuple[str, ...],
    as_json: bool,
) -> None:
    """Say what a recording with this filter would have got of the traffic that is there, and what that is an hour.

    The traffic is what lies in the data folder now (--data DIR, tap.storageLimit says how much), or SOURCE, a capture.

    \b
    Example: remora recordings estimate --data ./remora-data --kfl 'http and response.status >= 500'
    """
    configuration = arguments.load(config_file, sets)
    options = configuration.settings.filters
    chosen = data if data or sources else Path("remora-data")
    last_s = parse_duration_s("--last", last) if last else None
    specs = arguments.offline_sources(sources, chosen, last)
    found = Query(specs, configuration.settings, warn, last_s)
    wanted = kfl.compile(text, options.dialect, options.macros, clock=found.now_ms)
    found.ask_recordings(wanted)
    result = found.estimate(wanted, from_start)
    if as_json:
        write_json(json_line(_plain(result)))
    else:
        _print(result)


def _plain(result: Result) -> dict[str, object]:
    shares = {name: share._asdict() for name, share in result.by_protocol.items()}
    fields = {name: getattr(result, name)._asdict() for name in ("seen", "kept", "per_hour")}
    return {"window_s": result.window_s, "matched": result.matched, **fields, "by_protocol": shares}


def _print(result: Result) -> None:
    table = Table("", numbers=["streams", "packets", "bytes", "items"])
    _row(table, f"seen in {format_duration(result.window_s)}", result.seen)
    _row(table, "would be kept", result.kept)
    for name, share in result.by_protocol.items():
        _row(table, f"  {name}", share)
    _row(table, "an hour of this", result.per_hour)
    table.show()
    if "(no items)" not in result.by_protocol:
        say(f"the filter matched {result.matched} items" if result.matched else "nothing matched")


def _row(table: Table, name: str, share: Share) -> None:
    table.add(name, str(share.streams), str(share.packets), format_bytes(share.bytes), str(share.items))
