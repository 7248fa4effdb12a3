"""`remora recordings …`: recording jobs of a running instance, or of a data folder on which nothing runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from engine import clock, controlsocket
from engine.cli import arguments
from engine.cli.data import existing
from engine.cli.tables import Table
from engine.cli.terminal import say, tell, tell_lines, write_json
from engine.config import Settings
from engine.errors import RemoraError
from engine.items.encoding import json_lines
from engine.recording.ledger import Standing
from engine.recording.names import component
from engine.recording.service import KEPT_BY_SCRIPTS, Answer, Service
from engine.segments.folder import lock_instance
from engine.shipping.address import checked, destination_text
from engine.shipping.queue import waiting as entries_of
from engine.units import format_bytes, format_duration

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
WIDTH = 160
"""Of a table that goes into a file or a pipe."""
name_argument = click.argument("name")


@click.command()
@name_argument
@click.option("--kfl", default="", metavar="TEXT", help="What to record; empty: every stream, dissected or not.")
@click.option("--dialect", default="", metavar="kfl|kfl2", help="Language of --kfl; default: kfl.dialect.")
@click.option("--start", default="", metavar="TIME", help="HH:MM in UTC, or an ISO time; default: now.")
@click.option("--iterations", default="", metavar="DAYS", help="On how many days; 0: every day.  [default: 1]")
@click.option("--duration", default="", metavar="TIME", help="Of each run: minutes, 2h, 90s …; default: until stopped.")
@click.option("--expiration", default="", metavar="TIME", help="Local data is deleted so long after it was recorded.")
@click.option("--destination", default="", metavar="PLACE", help="gs://bucket/prefix or a folder; default: as all.")
@click.option("--redact", multiple=True, metavar="PATH", help="Hide this in items; may be repeated.")
@click.option("--packets/--items-only", default=None, help="Record packets.  [default: yes, unless it redacts]")
@click.option("--format", default="", metavar="pcap|pcapng", help="Of its packets; default: recording.format.")
@click.option(
    "--with-secrets/--without-secrets",
    "withSecrets",
    default=None,
    help="Put the TLS keys of its sessions into its pcapng; default: recording.withSecrets.",
)
@click.option("--from-start", is_flag=True, help="Keep streams from their first stored packet, not from the match.")
@arguments.data
@arguments.config_file
@arguments.sets
@as_json
def create(name: str, data: Path, config_file: Path | None, sets: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Make a recording job. It records while an instance runs, by its own schedule, and survives restarts.

    \b
    Example: remora recordings create slow --kfl 'http and elapsedTime > 500' --duration 60

    \b
    Example: remora recordings create nightly --start 02:30 --iterations 0 --duration 2h --expiration 7d
    """
    job = {"name": name, "fromStart": "true" if given.pop("from_start") else "", **given}
    for flag in ("packets", "withSecrets"):
        job[flag] = {True: "true", False: "false", None: ""}[job[flag]]
    if job["destination"] and "://" not in job["destination"]:
        job["destination"] = str(Path(job["destination"]).absolute())
    job["redact"] = list(job["redact"])
    asked = {key: value for key, value in job.items() if value not in (None, "", [])}
    rows, done = ask(data, "create", {"job": asked}, arguments.load(config_file, sets).settings)
    if as_json:
        _print_json(rows)
    else:
        (row,) = rows
        say(f"recording {name!r} was created: {_when(row)}")
    for note in done.get("notes", []):
        tell_lines(f"note: {note}")


@click.command(name="list")
@click.argument("text", default="")
@arguments.data
@as_json
def list_recordings(text: str, data: Path, as_json: bool) -> None:
    """List recording jobs, and what scripts keep; with TEXT, those that mention it.

    \b
    Example: remora recordings list
    """
    rows, done = ask(data, "list", {"text": text})
    if as_json:
        _print_json(rows)
        return
    if not rows:
        say(f"no recording mentions {text!r}" if text else "no recordings; remora recordings create makes one")
        return
    table = Table("name", "state", "kfl", "when", numbers=["streams", "packets", "bytes", "items"])
    for row in rows:
        got = row["recorded"]
        counts = (str(got["streams"]), str(got["packets"]), format_bytes(got["bytes"]), str(got["items"]))
        table.add(row["name"], row["state"], _chooses(row), _when(row), *counts)
    table.show(WIDTH)
    if not done.get("running", True):
        tell(f"nothing runs on {data}: nothing is recorded")


@click.command()
@click.argument("text")
@arguments.data
@as_json
@click.pass_context
def search(context: click.Context, text: str, data: Path, as_json: bool) -> None:
    """List the recordings that mention TEXT in their name, filter, state, author or destination.

    \b
    Example: remora recordings search payments
    """
    context.invoke(list_recordings, text=text, data=data, as_json=as_json)


@click.command()
@name_argument
@arguments.data
@as_json
def show(name: str, data: Path, as_json: bool) -> None:
    """Show a recording: its job, its runs, what is missing of them, and what it has got.

    \b
    Example: remora recordings show nightly
    """
    rows, _ = ask(data, "show", {"name": name})
    if as_json:
        _print_json(rows)
        return
    for key, value in _shown(rows[0]):
        say(f"{key + ':':<13}{value}")


@click.command()
@name_argument
@arguments.data
def stop(name: str, data: Path) -> None:
    """Stop a recording: no further stream is kept and no run begins. Streams that are kept are followed to their end.

    \b
    Example: remora recordings stop slow
    """
    _, done = ask(data, "stop", {"name": name})
    say(f"recording {name!r} was stopped" if done["stopped"] else f"recording {name!r} was over already")


@click.command()
@name_argument
@click.option("--force", is_flag=True, help="Although it records now.")
@arguments.data
@arguments.config_file
@arguments.sets
def delete(name: str, force: bool, data: Path, config_file: Path | None, sets: tuple[str, ...]) -> None:
    """Delete a recording: its job, what is open of it, and its local data. Objects in a bucket stay.

    \b
    Example: remora recordings delete slow
    """
    settings = arguments.load(config_file, sets).settings
    _, done = ask(data, "delete", {"name": name, "force": force}, settings)
    say(f"recording {name!r} was deleted; {format_bytes(done['removed_bytes'])} removed")
    if waiting := sum(entry.recording == component(name) for entry in entries_of(data / "outbox")):
        say(f"{waiting} of its batches still wait for their upload: remora outbox list, drop")
    if not done["local"]:
        folder = f"{done['destination'].rstrip('/')}/recording={name}"
        say(f"its objects stay: gcloud storage rm --recursive '{folder}'")


# ---- asking ---------------------------------------------------------------------------------------------------------


def ask(data: Path, operation: str, given: Mapping[str, Any], settings: Settings | None = None) -> Answer:
    """The answer of the running instance, or of the files where nothing runs.

    Raises:
        RemoraError: it is refused.
    """
    folder = existing(data)
    try:
        return controlsocket.ask(
            folder / "control.sock", controlsocket.RECORDINGS + operation, given, controlsocket.LATER_S
        )
    except (FileNotFoundError, ConnectionRefusedError):
        return _on_files(folder, operation, given, settings or Settings())
    except OSError as error:
        raise RemoraError(f"{folder / 'control.sock'}: expected an answer, got {error}") from None


def _on_files(data: Path, operation: str, given: Mapping[str, Any], settings: Settings) -> Answer:
    now_ns = clock.wall_ns()
    with lock_instance(data):
        service = Service(
            data,
            "",
            now_ns,
            _notice,
            dialect=settings.filters.dialect,
            macros=settings.filters.macros,
            check_destination=checked,
            default_destination=destination_text(settings.shipping),
            dissects=settings.dissect.enabled,
        )
        service.totals = lambda: Standing.read(data).totals
        try:
            return service.answer(operation, given, now_ns)
        finally:
            service.close()
            _give_to_owner(data)


def _notice(level: str, text: str) -> None:
    if level != "log":
        tell(text)


def _give_to_owner(data: Path) -> None:
    """What root wrote belongs to whom the folder belongs."""
    if os.getuid() == 0:
        owner = data.stat()
        for path in (data / "keep").iterdir():
            os.chown(path, owner.st_uid, owner.st_gid)


# ---- printing -------------------------------------------------------------------------------------------------------


def _print_json(rows: list[dict[str, Any]]) -> None:
    write_json(json_lines(rows))


def _chooses(row: Mapping[str, Any]) -> str:
    """Who or what says which streams are kept."""
    return str(row["kfl"]) or ("(scripts)" if row["state"] == KEPT_BY_SCRIPTS else "(everything)")


def _when(row: Mapping[str, Any]) -> str:
    """``until 2026-12-01T10:00:00Z``, ``from 2026-12-01T08:45:00Z every day``."""
    if row["state"] == KEPT_BY_SCRIPTS:
        return ""
    if row["state"] in ("recording", "waits for an instance"):
        ends = f"until {_second(row['ends'])}" if row["ends"] else "until it is stopped"
        return f"{row['state']} {ends}" if row["state"] == "recording" else f"records when an instance runs, {ends}"
    if row["next"]:
        lasts = f" for {format_duration(row['duration_s'])}" if row["duration_s"] else " until it is stopped"
        days = {0: ", every day", 1: ""}.get(row["iterations"], f", {row['iterations']} days in all")
        return f"from {_second(row['next'])}{lasts}{days}"
    return str(row["state"])


def _second(time: str) -> str:
    return time[:19] + "Z" if time else ""


def _shown(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    got = row["recorded"]
    lines = [("name", row["name"]), ("state", row["state"]), ("kfl", _chooses(row))]
    if "destination" in row:
        lines += [
            ("when", _when(row)),
            ("destination", row["destination"]),
            ("writes", _writes(row)),
            ("redacts", ", ".join(row["redact"]) or "what redact() in its filter names, if anything"),
            ("streams", "from their start" if row["fromStart"] else "from the first match"),
            ("expiration", format_duration(row["expiration_s"]) if row["expiration_s"] else "never"),
        ]
    streams = f"{got['streams']} streams ({got['refused']} refused), {got['packets']} packets"
    recorded = f"{streams}, {format_bytes(got['bytes'])}, {got['items']} items, {got['batches']} batches sealed"
    lines += [("made by", row["by"]), ("recorded", recorded)]
    for run in row.get("runs", []):
        ended = _clock(run["ended"]) if run["ended"] else "now" if row["state"] == "recording" else _clock(run["seen"])
        lines.append(("run", f"{_clock(run['began'])} to {ended}"))
    for gap in row.get("gaps", []) if isinstance(row.get("gaps"), list) else []:
        lines.append(("missing", f"{_clock(gap['from'])} to {_clock(gap['until'])} ({gap['why']})"))
    return lines


def _writes(row: Mapping[str, Any]) -> str:
    """``packets (pcapng, with TLS keys) and items``; what is left to the configuration is not said."""
    if not row["packets"]:
        return "items only"
    keys = {True: "with TLS keys", False: "without TLS keys", None: ""}[row.get("withSecrets")]
    form = ", ".join(part for part in (row.get("format", ""), keys) if part)
    return f"packets ({form}) and items" if form else "packets and items"


def _clock(timestamp_ns: int) -> str:
    return clock.rfc3339(timestamp_ns)[:19] + "Z"
