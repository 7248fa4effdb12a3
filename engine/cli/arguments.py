"""Arguments that several commands share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from engine.configure import Configuration, configure
from engine.errors import ConfigError

DEFAULT_DATA = Path("remora-data")

Sources = Annotated[
    list[str] | None,
    typer.Argument(
        help="A capture file, a folder of them, - for standard input, iface:NAME, or data:DIR.", show_default=False
    ),
]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="YAML file of keys; a Kubeshark config.yaml works.")]
Sets = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set one key; may be repeated.")]
Data = Annotated[Path, typer.Option("--data", help="The data folder.")]


def load(config: Path | None, sets: list[str] | None, **run: object) -> Configuration:
    """The configuration of this command."""
    return configure(config, sets or [], os.environ, **run)


def absolute(spec: str) -> str:
    """A SOURCE that means the same in another working directory."""
    if spec == "-" or spec.startswith("iface:"):
        return spec
    prefix = "data:" if spec.startswith("data:") else ""
    return prefix + str(Path(spec.removeprefix(prefix)).absolute())


def all_sources(sources: list[str] | None, pcap: list[str] | None, interface: list[str] | None) -> tuple[str, ...]:
    """SOURCE arguments and their two aliases, as one list.

    Raises:
        ConfigError: none at all, or a mix of captures and interfaces.
    """
    specs = [*(sources or []), *(pcap or []), *(f"iface:{name}" for name in interface or [])]
    if not specs:
        raise ConfigError("SOURCE", "a capture file, a folder, - or iface:NAME", "nothing", "see remora run --help")
    if 0 < sum(spec.startswith("iface:") for spec in specs) < len(specs):
        raise ConfigError("SOURCE", "captures or interfaces", specs, "start one instance for each")
    return tuple(absolute(spec) for spec in specs)
