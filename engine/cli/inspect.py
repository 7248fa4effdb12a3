"""`remora config`, `remora scripts check`: what would happen, without doing it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from engine import kfl
from engine.cli import arguments, terminal
from engine.cli.tables import Table, paint
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
    table = Table("key", "value", "from")
    for stage, attribute, key, _ in all_keys():
        value = getattr(getattr(configuration.settings, stage), attribute)
        if key.name == "scripting.env":
            value = dict(configuration.script_env)
        table.add(key.name, _shown(key, value), configuration.origins[key.name])
    table.show(fold=False)
    for doubt in configuration.doubts:
        paint(doubt, "yellow")
    for name in configuration.without_effect:
        paint(f"{name}: a key of Kubeshark, without effect here", "yellow")


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
        terminal.tell(f"{file}: expected a readable script, got {error.strerror}")
        raise SystemExit(1) from None
    except ScriptRejected as error:
        terminal.tell_lines(str(error))
        raise SystemExit(1) from None
    for warning in report.warnings:
        terminal.say(f"warning: {warning}")
    terminal.say(f"valid; hooks: {', '.join(report.hooks) or 'none'}")
    if report.header.title:
        terminal.say(report.header.title)
    for name, value in report.header.about.items():
        indent = "\n" + " " * 9
        terminal.say_lines(f"{name + ':':<9}" + value.replace("\n", indent))
