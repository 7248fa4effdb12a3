"""Arguments that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from engine.configure import Configuration, configure
from engine.errors import ConfigError
from engine.units import ALWAYS, Span, parse_moment_ms

sources = click.argument("sources", nargs=-1, metavar="SOURCE...")
config_file = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="YAML file of keys; a Kubeshark config.yaml works.",
)
sets = click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Set one key; may be repeated.")
data = click.option(
    "--data",
    type=click.Path(path_type=Path),
    default="remora-data",
    show_default=True,
    metavar="DIR",
    help="The data folder.",
)
stored = click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=None,
    metavar="DIR",
    help="Read the segments of this data folder, of a running instance or a stopped one.",
)


as_stored = click.option(
    "--as-stored", is_flag=True, help="Show items as they are stored, whatever scripts with onItemQueried would show."
)


def span(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--from`` and ``--to``."""
    example = "such as 2026-11-30T14:00 (UTC)"
    since = click.option(
        "--from", "since", default="", metavar="TIME", help=f"Only items that began then or later, {example}."
    )
    until = click.option("--to", "until", default="", metavar="TIME", help="Only items that began before.")
    return since(until(command))


def span_of(since: str, until: str) -> Span:
    """The span that ``--from`` and ``--to`` name.

    Raises:
        ConfigError: one of them is no time, or they are the wrong way round.
    """
    named = Span(
        parse_moment_ms("--from", since) if since else ALWAYS.since_ms,
        parse_moment_ms("--to", until) - 1 if until else ALWAYS.until_ms,
    )
    if named.since_ms > named.until_ms:
        raise ConfigError("--to", f"a time after --from {since}", until)
    return named


def load(config: Path | None, given: tuple[str, ...], **run: Any) -> Configuration:
    """The configuration of this command."""
    return configure(config, given, os.environ, **run)


def absolute(spec: str) -> str:
    """A SOURCE that means the same in another working directory."""
    if spec == "-" or spec.startswith(("iface:", "gs://")):
        return spec
    prefix = "data:" if spec.startswith("data:") else ""
    return prefix + str(Path(spec.removeprefix(prefix)).absolute())


def check_follow(follow: bool, captures: tuple[str, ...], interfaces: tuple[str, ...]) -> None:
    """Raises ``ConfigError`` where ``--follow`` would never get to the end of something, or to its beginning."""
    if follow and (interfaces or len(captures) != 1 or captures[0].startswith(("iface:", "data:", "-"))):
        raise ConfigError("--follow", "one capture file or one folder", " ".join([*captures, *interfaces]))


def all_sources(given: tuple[str, ...], interfaces: tuple[str, ...] = ()) -> tuple[str, ...]:
    """SOURCE arguments and their aliases, as one list.

    Raises:
        ConfigError: none at all, a mix of captures and interfaces, or an interface twice.
    """
    specs = [*given, *(f"iface:{name}" for name in interfaces)]
    if not specs:
        expected = "a capture file, a folder, a tar, a recording, gs://…, -, data:DIR or iface:NAME"
        raise ConfigError("SOURCE", expected, "nothing", "see --help")
    if 0 < sum(spec.startswith("iface:") for spec in specs) < len(specs):
        raise ConfigError("SOURCE", "captures or interfaces, not both", " ".join(specs), "start one instance for each")
    live = [spec for spec in specs if spec.startswith("iface:")]
    if len(set(live)) < len(live) or ("iface:any" in live and len(live) > 1):
        raise ConfigError("SOURCE", "each interface once, and 'any', which is all of them, alone", " ".join(specs))
    return tuple(absolute(spec) for spec in specs)


def offline_sources(given: tuple[str, ...], data: Path | None, last: str = "") -> tuple[str, ...]:
    """SOURCE arguments of an offline command, or the data folder that ``--data`` names.

    Raises:
        ConfigError: both, none, or ``--last`` of something that is no data folder.
    """
    specs = all_sources((*given, *([f"data:{data}"] if data else [])))
    if data and given:
        raise ConfigError("--data", "no SOURCE beside it", " ".join(given), "its streams keep their numbers")
    if last and not specs[0].startswith("data:"):
        raise ConfigError("--last", "--data DIR", " ".join(given), "a capture has kfl: timestamp >= …")
    return specs


def check_scripts(scripts: Path | None, *, follow: bool, as_stored: bool) -> None:
    """Raises ``ConfigError`` where ``query --scripts`` stands beside what leaves them nothing to do."""
    if scripts is not None and follow:
        raise ConfigError("--scripts", "no --follow beside it", str(scripts), "give them to the running instance")
    if scripts is not None and as_stored:
        raise ConfigError("--scripts", "no --as-stored beside it", str(scripts), "it shows what no script has changed")


def followed(given: tuple[str, ...], data: Path | None, last: str) -> Path:
    """The data folder whose instance ``query --follow`` connects to.

    Raises:
        ConfigError: there is none, or something that does not go with it.
    """
    beside = " ".join([*given, *(["--last"] if last else [])])
    if data is None or beside:
        raise ConfigError("--follow", "--data DIR and no other source of items", beside or "nothing")
    return data
