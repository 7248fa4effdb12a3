"""`remora recordings export`: what lies here of a recording, as files for other tools."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

import click

from engine import controlsocket
from engine.archive.recorded import Recorded
from engine.cli import arguments
from engine.cli.data import existing
from engine.cli.recordings import ask
from engine.cli.terminal import say, tell, warn
from engine.errors import CaptureError, ConfigError, RemoraError
from engine.items.encoding import json_line
from engine.pcapdump import Dumped, Files, dump
from engine.recording.names import component
from engine.shipping.address import destination_text
from engine.units import format_bytes

SEAL_S = 30.0
"""How long it is waited for a running instance to seal what is open."""
NOTHING = 3
"""Exit code where nothing of the recording lies here."""


@click.command()
@click.argument("name")
@click.option(
    "--dest",
    type=click.Path(path_type=Path),
    default=Path(),
    metavar="DIR",
    help="Where the files go; default: the working directory.",
)
@arguments.data
@arguments.config_file
@arguments.sets
def export(name: str, dest: Path, data: Path, config_file: Path | None, sets: tuple[str, ...]) -> None:
    """Write what lies here of a recording: NAME.pcap in time order, NAME.items.jsonl, NAME.streams.jsonl.

    Several link types make it a pcapng; a stream has a row for each batch it is in. Here means the local destination,
    and what is on its way to another. A running instance seals first what it has open. Files that are there already
    stay, and a number goes behind the name. Exit code 3: nothing of it lies here.

    \b
    Example: remora recordings export incident --dest /tmp
    """
    folder = existing(data)
    if not dest.is_dir():
        raise ConfigError("--dest", "a folder that is there", str(dest), "make it, or leave --dest out")
    shipping = arguments.load(config_file, sets).settings.shipping
    recorded = Recorded(folder, [name], destination_text(shipping))
    left = _seal(folder, recorded, name)
    for warning in recorded.warnings():
        warn(warning)
    batches = recorded.batches(name)
    if left:
        warn(f"{left} packets are in an open batch and not in the export")
    if not batches:
        tell(f"remora: nothing of recording {name!r} lies in {folder}")
        raise SystemExit(NOTHING)
    try:
        done = _dump(recorded, name, dest)
        if done.path is not None:
            say(f"{done.path}: {done.packets} packets, {format_bytes(done.bytes)}")
        items = (json_line(item) for item, _ in recorded.items())
        _write(dest, f"{component(name)}.items.jsonl", items, "items")
        rows = (json_line(row) for batch in batches for row in recorded.rows(batch))
        _write(dest, f"{component(name)}.streams.jsonl", rows, "rows")
    except OSError as error:
        raise RemoraError(f"--dest {dest}: expected room for the files, got {error.strerror or error}") from error


def _seal(data: Path, recorded: Recorded, name: str) -> int:
    """Have sealed what is open now, where an instance runs; how many packets of that are open all the same.

    What begins meanwhile, in a recording that goes on, is not waited for.
    """
    opened = recorded.open_batches(name)
    with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
        controlsocket.ask(data / "control.sock", "status", {})
        ask(data, "seal", {"name": name})
        until_s = time.monotonic() + SEAL_S
        while opened.keys() & recorded.open_batches(name).keys() and time.monotonic() < until_s:
            time.sleep(0.1)
    still = recorded.open_batches(name)
    return sum(packets for batch, packets in still.items() if batch in opened)


def _dump(recorded: Recorded, name: str, dest: Path) -> Dumped:
    """All packets; begun again where a batch was shipped while it was to be read."""
    while True:
        paths = recorded.packets(name)
        try:
            return dump([Files(paths)], dest, component(name))
        except CaptureError:
            if all(path.exists() for path in paths):
                raise


def _write(folder: Path, name: str, lines: Iterable[bytes], what: str) -> None:
    """Never over another file."""
    stem, kind, ending = name.rsplit(".", 2)
    number, path = 1, folder / name
    while True:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            break
        except FileExistsError:
            number += 1
            path = folder / f"{stem}-{number}.{kind}.{ending}"
    count = 0
    try:
        with os.fdopen(descriptor, "wb") as file:
            for line in lines:
                count += 1
                file.write(line)
    except BaseException:  # no half of it stays, whoever ended it
        path.unlink(missing_ok=True)
        raise
    say(f"{path}: {count} {what}")
