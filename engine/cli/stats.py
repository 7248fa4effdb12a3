"""`remora stats`: what there is, how often it failed and how long it took, as tables."""

from __future__ import annotations

from pathlib import Path

import click

from engine.archive.seen import Seen
from engine.cli import arguments, terminal
from engine.cli.offline import compiled
from engine.cli.tables import Table
from engine.items.encoding import json_line
from engine.items.tally import Row, Tally
from engine.query import Query
from engine.units import format_bytes, parse_duration_s

WIDTH = 200
"""Of a table that is not shown on a terminal."""
TABLES = ("protocol", "status", "endpoint")


@click.command()
@arguments.sources
@click.option("--kfl", "text", default="", metavar="TEXT", help="Only items that this filter matches.")
@click.option("--by", "by", type=click.Choice(TABLES), multiple=True, help="Only this table; may be repeated.")
@click.option(
    "--top", type=click.IntRange(min=0), default=20, show_default=True, metavar="N", help="Rows of a table; 0: all."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON line per row, of all rows.")
@arguments.stored
@click.option("--last", default="", metavar="TIME", help="With --data: only items of the last 5m, 30s, … of traffic.")
@arguments.span
@arguments.config_file
@arguments.sets
def stats(
    sources: tuple[str, ...],
    text: str,
    by: tuple[str, ...],
    top: int,
    as_json: bool,
    data: Path | None,
    last: str,
    since: str,
    until: str,
    config_file: Path | None,
    sets: tuple[str, ...],
) -> None:
    """Count items by protocol, status and endpoint, with their latencies.

    SOURCE is what `remora query` takes.

    \b
    Example: remora stats gs://bucket/prefix --from 2026-11-30T14:00 --kfl 'http' --by endpoint
    """
    configuration = arguments.load(config_file, sets)
    found = Query(
        arguments.offline_sources(sources, data, last),
        configuration.settings,
        terminal.warn,
        parse_duration_s("--last", last) if last else None,
        span=arguments.span_of(since, until),
    )
    tally, seen = Tally(), Seen() if found.recordings > 1 else None
    for item in found.matching(compiled(text, configuration.settings.filters, found.now_ms) if text else None):
        if seen is None or seen.is_new(item):
            tally.add(item)
    if seen is not None and seen.full:
        terminal.warn("more items than can be told apart: some that are in several recordings are counted for each")
    for table in by or TABLES:
        rows = tally.rows(table)
        _print_json(table, rows) if as_json else _print_table(table, rows, top or len(rows))


def _print_json(table: str, rows: list[Row]) -> None:
    for row in rows:
        p50, p90, p99, longest = row.latency_ms or (None,) * 4
        named = {"by": table, "protocol": row.key[0], **({table: row.key[1]} if table != "protocol" else {})}
        sums = {"items": row.items, "errors": row.errors}
        sizes = {"requestBytes": row.request_bytes, "responseBytes": row.response_bytes}
        latencies = {"p50Ms": p50, "p90Ms": p90, "p99Ms": p99, "maxMs": longest}
        terminal.write_json(json_line({**named, **sums, **sizes, **latencies}))


def _print_table(name: str, rows: list[Row], top: int) -> None:
    numbers = ("items", "errors", "requests", "responses", "p50 ms", "p90 ms", "p99 ms", "max ms")
    table = Table(*(("protocol",) if name == "protocol" else ("protocol", name)), numbers=numbers)
    for row in rows[:top]:
        latencies = row.latency_ms or ("",) * 4
        sizes = format_bytes(row.request_bytes), format_bytes(row.response_bytes)
        table.add(*row.key, f"{row.items:,}", f"{row.errors:,}", *sizes, *latencies)
    table.show(WIDTH)
    if len(rows) > top:
        terminal.say(f"… and {len(rows) - top:,} more; --top 0 shows all")
    terminal.say("")
