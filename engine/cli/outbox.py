"""`remora outbox list`, `retry`, `drop`: what waits for its upload, and what was refused for good."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import click

from engine import clock, controlsocket
from engine.cli import arguments
from engine.cli.tables import Table
from engine.cli.terminal import say, write_json
from engine.counters import Counters
from engine.errors import ConfigError, RemoraError
from engine.shipping.queue import DEAD, READY, Waiting, bring_back, chosen, json_line, waiting
from engine.shipping.queue import drop as delete
from engine.units import format_bytes, format_duration, parse_duration_s

STEP_S = 0.25

names = click.argument("entries", nargs=-1, metavar="ENTRY...")


@click.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="A JSON line per entry.")
@arguments.data
def list_entries(as_json: bool, data: Path) -> None:
    """Say what waits in the outbox, for how long, and what keeps it there.

    \b
    Example: remora outbox list --data /var/lib/remora
    """
    entries = waiting(_outbox(data))
    if as_json:
        for entry in entries:
            write_json(json_line(entry))
        return
    if not entries:
        say(f"nothing waits in {data / 'outbox'}")
        return
    table = Table("entry", "state", "recording", "size", "age", "tried", "next", "destination")
    for entry in entries:
        table.add(*_cells(entry))
    table.show(fold=False)
    for reason in dict.fromkeys(entry.reason for entry in entries if entry.reason):
        say(f"{sum(entry.reason == reason for entry in entries)} × {reason}")
    say(_summary(entries))


def _cells(entry: Waiting) -> list[str]:
    age_s = max(clock.wall_ns() - entry.since_ns, 0) / clock.NS_PER_S
    due = "" if entry.state == DEAD else "soon" if not entry.due_in_s else format_duration(max(entry.due_in_s, 0.0))
    shown = entry.recording or entry.kind
    size, age = format_bytes(entry.bytes), format_duration(round(age_s))
    return [entry.entry, entry.state, shown, size, age, str(entry.failures), due, entry.destination]


def _summary(entries: list[Waiting]) -> str:
    parts = []
    for state, what in ((READY, "waiting"), (DEAD, "dead")):
        those = [entry for entry in entries if entry.state == state]
        if those:
            parts.append(f"{len(those)} {what} ({format_bytes(sum(entry.bytes for entry in those))})")
    return ", ".join(parts) + ("; 'remora outbox retry' or 'drop' them" if len(parts) > 1 or DEAD in parts[0] else "")


@click.command()
@names
@click.option("--dead", is_flag=True, help="Everything that was refused for good.")
@arguments.config_file
@arguments.sets
@click.option("--grace", default="30s", show_default=True, help="With nothing running: how long to upload.")
@arguments.data
def retry(
    entries: tuple[str, ...], dead: bool, config_file: Path | None, sets: tuple[str, ...], grace: str, data: Path
) -> None:
    """Try to upload now what waits; entries that were refused for good, if they are named, or with --dead.

    A running instance is told; where nothing runs, this command uploads by itself, and needs the same configuration.

    \b
    Example: remora outbox retry --dead --data /var/lib/remora
    """
    outbox, grace_s = _outbox(data), parse_duration_s("--grace", grace)
    there = waiting(outbox)
    named = chosen(there, entries)
    if dead:
        named += [entry for entry in there if entry.state == DEAD and entry not in named]
    prepared = None if _runs(data) else _Prepared(config_file, sets)  # while files of the operator can be read
    with _owner_of(outbox) as inside:
        for entry in named:
            if entry.state == DEAD:
                bring_back(inside, entry.entry)
                say(f"{entry.entry}: waits for its upload again")
        if not any(entry.state == READY for entry in waiting(inside)):
            say("nothing to retry; name dead entries, or use --dead" if there else "nothing waits")
            return
        if prepared is not None:
            prepared.ship(data, grace_s)
            return
    controlsocket.ask(outbox.parent / "control.sock", controlsocket.HURRY, {})
    say("the running instance tries now; see 'remora outbox list'")


class _Prepared:
    """Everything an upload needs beside the outbox."""

    def __init__(self, config_file: Path | None, sets: tuple[str, ...]) -> None:
        from engine.shipper import client_environment, load_credentials, sendable  # 0.3 s that others do not pay
        from engine.shipping.choose import Destinations
        from engine.shipping.shipper import Shipper
        from engine.shipping.web import Web

        configuration = arguments.load(config_file, sets)
        self._options, self._secrets = configuration.settings.shipping, configuration.secrets
        os.environ.update(client_environment(self._secrets))
        self._destinations = Destinations()
        load_credentials(self._destinations, self._options, self._secrets)
        self._web = Web(self._options.egress, sendable(self._secrets))
        self._make = Shipper

    def ship(self, data: Path, grace_s: float) -> None:
        """Upload until nothing is left or the time is over; the working directory is the data folder.

        Raises:
            RemoraError: something is left, or somebody else ships.
        """
        options, counters = self._options, Counters()
        limit_bytes = options.dead_limit_bytes
        shipper = self._make(
            Path("outbox"),
            options.parallel,
            self._destinations,
            self._web,
            self._secrets,
            counters,
            random.random,
            limit_bytes,
        )
        until_s = clock.monotonic_s() + grace_s
        shipper.step(clock.monotonic_s())
        while shipper.pending and clock.monotonic_s() < until_s:
            time.sleep(STEP_S)
            shipper.step(clock.monotonic_s())
        stored = counters.get("shipper_batches_total") + counters.get("shipper_requests_total")
        say(f"{stored} of {counters.get('shipper_entries_total')} were stored")
        if left := shipper.pending:
            raise RemoraError(
                f"{left} remain in {data / 'outbox' / READY}; last error: {shipper.trouble or 'none, it is slow'}"
            )
        if refused := counters.get("shipper_dead_total"):
            raise RemoraError(f"{refused} were refused for good; see remora outbox list")


def _runs(data: Path) -> bool:
    try:
        controlsocket.ask(data / "control.sock", "status", {})
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    return True


@contextlib.contextmanager
def _owner_of(outbox: Path) -> Iterator[Path]:
    """The outbox from inside the data folder, as its owner: what root makes there, the instance could not move."""
    owner = outbox.stat()
    os.chdir(outbox.parent)
    if os.getuid() or not owner.st_uid:
        yield Path(outbox.name)
        return
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield Path(outbox.name)
    finally:
        os.seteuid(0)
        os.setegid(0)


@click.command()
@names
@click.option("--dead", is_flag=True, help="Everything that was refused for good.")
@click.option("--yes", is_flag=True, help="Also what no destination has: it is lost.")
@arguments.data
def drop(entries: tuple[str, ...], dead: bool, yes: bool, data: Path) -> None:
    """Delete entries for good. What still waits for its upload exists nowhere else: that needs --yes.

    \b
    Example: remora outbox drop --dead --data /var/lib/remora
    """
    if not entries and not dead:
        raise ConfigError("ENTRY", "names of entries or --dead", "nothing", "see remora outbox list")
    outbox = _outbox(data)
    there = waiting(outbox)
    named = chosen(there, entries)
    unsent = [entry.entry for entry in named if entry.state == READY]
    if unsent and not yes:
        raise ConfigError("drop", "--yes for entries that were not uploaded yet", unsent[0], "nothing was deleted")
    if dead:
        named += [entry for entry in there if entry.state == DEAD and entry not in named]
    with _owner_of(outbox) as inside:
        for entry in named:
            delete(inside, entry.state, entry.entry)
            say(f"{entry.entry}: deleted ({format_bytes(entry.bytes)})")
    if not named:
        say("nothing is dead")


def _outbox(data: Path) -> Path:
    if not (data / "instance.json").is_file():
        raise ConfigError("--data", "a data folder of Remora", str(data), "remora run makes one")
    return (data / "outbox").absolute()
