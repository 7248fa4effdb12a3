"""`remora config`, `remora scripts check`: what would happen, without doing it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from engine import kfl
from engine.cli import arguments
from engine.config import all_keys
from engine.errors import ScriptRejected
from engine.options import Key
from engine.scripting.loading import check_script
from engine.units import format_bytes, format_duration


@click.command()
@arguments.config_file
@arguments.sets
def config(config_file: Path | None, sets: tuple[str, ...]) -> None:
    """Print the configuration in force and where each value came from.

    \b
    Example: remora config --set tap.misc.pcapTTL=30s
    """
    configuration = arguments.load(config_file, sets)
    table = Table(box=None, pad_edge=False)
    for heading in ("key", "value", "from"):
        table.add_column(heading, overflow="fold")
    for stage, attribute, key, _ in all_keys():
        value = getattr(getattr(configuration.settings, stage), attribute)
        if key.name == "scripting.env":
            value = dict(configuration.script_env)
        table.add_row(key.name, _shown(key, value), configuration.origins[key.name])
    console = Console(soft_wrap=True)
    console.print(table)
    for name in configuration.without_effect:
        console.print(f"{name}: a key of Kubeshark, without effect here", style="yellow", markup=False)


def _shown(key: Key, value: Any) -> str:
    if key.secret:
        return "(set)" if value else ""
    if key.kind == "duration":
        return format_duration(value)
    if key.kind == "size":
        return format_bytes(value)
    if key.kind == "scripts":
        return ", ".join(f"{script}.{name}={part}" for script, own in value.items() for name, part in own.items())
    if key.kind == "jobs":
        return ", ".join(str(job.get("name", "")) for job in value)
    if key.kind == "map":
        return ", ".join(f"{name}={part}" for name, part in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value).lower() if key.kind == "flag" else str(value)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@arguments.config_file
@arguments.sets
def scripts_check(file: Path, config_file: Path | None, sets: tuple[str, ...]) -> None:
    """Say everything that is wrong with a script, without running it.

    \b
    Example: remora scripts check scripts/top.py
    """
    filters = arguments.load(config_file, sets).settings.filters
    read_filter = partial(kfl.compile, dialect=filters.dialect, macros=filters.macros)
    try:
        report = check_script(file.read_text(errors="replace"), file.name, read_filter)
    except OSError as error:
        click.echo(f"{file}: expected a readable script, got {error.strerror}", err=True)
        raise SystemExit(1) from None
    except ScriptRejected as error:
        click.echo(str(error), err=True)
        raise SystemExit(1) from None
    for warning in report.warnings:
        click.echo(f"warning: {warning}")
    click.echo(f"valid; hooks: {', '.join(report.hooks) or 'none'}")
    if report.header.title:
        click.echo(report.header.title)
    for name, value in report.header.about.items():
        indent = "\n" + " " * 9
        click.echo(f"{name + ':':<9}" + value.replace("\n", indent))
