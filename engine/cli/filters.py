"""`remora kfl …`: what a filter means, what is odd about it, what it matches and what it costs."""

from __future__ import annotations

import json
import sys
import timeit
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast, get_args

import click

from engine import kfl
from engine.cli import arguments, terminal
from engine.config import Dialect
from engine.errors import ConfigError, KflError
from engine.items.encoding import json_line
from engine.kfl.explaining import explained
from engine.kfl.samples import SAMPLES
from engine.kfl.translating import translated

ROUNDS, ROUND_S = 5, 0.1
"""Of `bench`: the fastest round counts."""

_dialect = click.option(
    "--dialect", type=click.Choice(get_args(Dialect)), default=None, help="The language; default: kfl.dialect."
)


def _compile(text: str, dialect: str | None, config_file: Path | None, sets: tuple[str, ...]) -> kfl.Filter:
    """The filter, or its mistake on standard error and exit code 1."""
    options = arguments.load(config_file, sets).settings.filters
    try:
        return kfl.compile(text, cast(Dialect, dialect or options.dialect), options.macros)
    except KflError as error:
        terminal.tell_lines(str(error))
        raise SystemExit(1) from None


@click.command()
@click.argument("text")
@_dialect
@arguments.config_file
@arguments.sets
def check(text: str, dialect: str | None, config_file: Path | None, sets: tuple[str, ...]) -> None:
    """Say whether a filter is valid, what it can match, and what about it may not be meant so.

    \b
    Example: remora kfl check 'http and response.status >= 500'
    """
    checked = _compile(text, dialect, config_file, sets)
    protocols = "any protocol" if checked.protocols is None else ", ".join(sorted(checked.protocols)) or "nothing"
    terminal.say(f"valid {checked.dialect.upper()}; can match {protocols}")
    for remark in checked.diagnostics:
        terminal.say("")
        terminal.say_lines(f"note: {remark}")


@click.command()
@click.argument("text")
@_dialect
@arguments.config_file
@arguments.sets
def explain(text: str, dialect: str | None, config_file: Path | None, sets: tuple[str, ...]) -> None:
    """Say in words what a filter asks, as it is read.

    \b
    Example: remora kfl explain 'http and dns or src.name == r"cata.*"'
    """
    checked = _compile(text, dialect, config_file, sets)
    terminal.say_lines("\n".join(explained(checked.text, checked.dialect, dict(checked.macros))))


@click.command()
@click.option("--kfl", "text", required=True, metavar="TEXT", help="The filter.")
@_dialect
@arguments.config_file
@arguments.sets
def match(text: str, dialect: str | None, config_file: Path | None, sets: tuple[str, ...]) -> None:
    """Print those of the items on standard input (JSON Lines) that a filter matches; limit() and redact() are obeyed.

    \b
    Example: remora query capture.pcap > items.jsonl; remora kfl match --kfl 'dns' < items.jsonl
    """
    wanted = _compile(text, dialect, config_file, sets)
    left = wanted.limit if wanted.limit is not None else sys.maxsize
    for item in _items():
        if left <= 0:
            break
        matched, shown = wanted.apply(item)
        if matched:
            left -= 1
            terminal.write_json(json_line(shown))
    sys.stdout.flush()


def _items() -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(sys.stdin.buffer, 1):
        if line.strip():
            try:
                item = json.loads(line)
            except (ValueError, RecursionError):
                item = None
            if not isinstance(item, dict):
                shown = line.strip()[:60].decode(errors="replace")
                raise ConfigError(f"standard input, line {number}", "an item, one JSON object", shown)
            yield item


@click.command()
@click.argument("text")
@_dialect
@arguments.config_file
@arguments.sets
def bench(text: str, dialect: str | None, config_file: Path | None, sets: tuple[str, ...]) -> None:
    """Measure a filter on one item of each protocol: nanoseconds per item, and whether it matches.

    \b
    Example: remora kfl bench 'http and response.status == 500'
    """
    wanted = _compile(text, dialect, config_file, sets)
    matches = wanted.matches
    empty = _best_ns(lambda: None)
    for name, item in SAMPLES.items():
        cost = max(_best_ns(lambda item=item: matches(item)) - empty, 0)  # type: ignore[misc] # the default binds
        terminal.say(f"{cost:7.0f} ns  {name:8} {'matches' if matches(item) else ''}".rstrip())


def _best_ns(call: Callable[[], object]) -> float:
    timer = timeit.Timer(call)
    count = max(1, int(ROUND_S / max(timer.timeit(1000) / 1000, 1e-9)))
    return min(timer.repeat(ROUNDS, count)) / count * 1e9


@click.command()
@click.argument("text")
@arguments.config_file
@arguments.sets
def translate(text: str, config_file: Path | None, sets: tuple[str, ...]) -> None:
    """Write a filter of KFL in KFL2, or say what in it has no counterpart there.

    \b
    Example: remora kfl translate 'http and response.status >= 500'
    """
    checked = _compile(text, "kfl", config_file, sets)
    try:
        terminal.say_lines(translated(checked.text, dict(checked.macros)))
    except KflError as error:
        terminal.tell_lines(str(error))
        raise SystemExit(1) from None
