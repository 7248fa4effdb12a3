"""`remora query` and `remora streams`: answers from captures, on standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Annotated

import typer

from engine import kfl
from engine.cli.arguments import ConfigFile, Sets, Sources, all_sources, load
from engine.items.encoding import json_line
from engine.query import Query

LINES_AT_ONCE = 256


def query(
    sources: Sources = None,
    text: Annotated[str, typer.Option("--kfl", help="Only items that this filter matches.")] = "",
    config: ConfigFile = None,
    sets: Sets = None,
) -> None:
    """Print items as JSON Lines.

    Example: remora query capture.pcap --kfl 'http and response.status >= 500' | jq .request.path
    """
    configuration = load(config, sets)
    wanted = kfl.compile(text) if text else None
    found = Query(all_sources(sources, None, None), configuration.settings, _warn)
    _print(json_line(item) for item in found.items(wanted))


def streams(sources: Sources = None, config: ConfigFile = None, sets: Sets = None) -> None:
    """Print one JSON line per stream.

    Example: remora streams capture.pcap | jq -s 'sort_by(-.bytes)[:10]'
    """
    configuration = load(config, sets)
    found = Query(all_sources(sources, None, None), configuration.settings, _warn)
    _print(json_line(row) for row in found.streams())


def _print(lines: Iterable[bytes]) -> None:
    """A write per 256 lines: one per line costs more than making it."""
    pending: list[bytes] = []
    for line in lines:
        pending.append(line)
        if len(pending) >= LINES_AT_ONCE:
            sys.stdout.buffer.write(b"".join(pending))
            pending.clear()
    sys.stdout.buffer.write(b"".join(pending))
    sys.stdout.buffer.flush()


def _warn(text: str) -> None:
    print(f"remora: warning: {text}", file=sys.stderr)
