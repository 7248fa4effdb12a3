"""`remora doctor`: what this machine gives the processes of scripts."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import click

from engine.cli import arguments
from engine.cli.tables import Table
from engine.cli.terminal import say
from engine.jail import probe
from engine.jail.layers import LAYERS, insisted, wanted
from engine.jail.numbers import PROCESSORS
from engine.process import nobody
from engine.scripting.sandbox import checked_mode


@click.command()
@arguments.config_file
@arguments.sets
def doctor(config_file: Path | None, sets: tuple[str, ...]) -> None:
    """Say which protections this machine gives scripts, and whether they hold. Exit code 1: not those of the mode.

    \b
    Example: remora doctor --set scripting.sandbox=strict
    """
    mode = checked_mode(arguments.load(config_file, sets).settings.scripts.sandbox)
    user = nobody()[0] if os.getuid() == 0 else -1
    found = probe.ask(mode if mode == "off" else "standard", user)
    say(_machine(user))
    _layers(found, mode).show(fold=False)
    for attempt, outcome in found.tried.items():
        say(f"tried from inside: {attempt}: {outcome}")
    verdict = _verdict(found, mode)
    say(f"scripting.sandbox={mode}: {verdict or 'scripts run'}")
    raise SystemExit(1 if verdict else 0)


def _machine(user: int) -> str:
    machine = platform.machine()
    processor = PROCESSORS.get(machine)
    note = "" if processor and processor.verified else " (its table of system calls is unverified)"
    note = note if processor else " (without a table of system calls, so without seccomp)"
    who = f"as root; scripts run as uid {user}" if user >= 0 else f"as uid {os.getuid()}"
    return f"Linux {platform.release()} {machine}{note}, Python {platform.python_version()}, {who}"


def _layers(found: probe.Probe, mode: str) -> Table:
    table = Table("layer", "given", "without it, a script that left its language could")
    table.add("descriptors", _given("descriptors", found), "use files and sockets of others")
    for layer in LAYERS:
        if layer.name in wanted(mode):
            table.add(layer.name, _given(layer.name, found), layer.takes)
    return table


def _given(name: str, found: probe.Probe) -> str:
    return "yes" if name in found.layers else f"no: {found.missing.get(name, 'not tried')}"


def _verdict(found: probe.Probe, mode: str) -> str:
    """What is wrong; nothing where scripts may run."""
    if found.broken:
        return found.broken
    holes = [attempt for attempt, outcome in found.tried.items() if outcome == "done"]
    if holes and mode != "off":
        return f"does not hold: from inside it could {', '.join(holes)}"
    lacking = [layer.name for layer in LAYERS if layer.name in found.missing and insisted(mode, layer)]
    return f"expected every layer, {', '.join(lacking)} cannot be had" if lacking else ""
