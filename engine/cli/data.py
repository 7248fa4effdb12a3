"""`remora show`, `remora status`, `remora data clean`: what lies in a data folder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from engine import controlsocket
from engine.cli import arguments
from engine.cli.tables import Table
from engine.cli.terminal import say, warn, write_bytes, write_json
from engine.errors import ConfigError, NoSuchStream, RemoraError
from engine.fetching import Onlookers
from engine.items.encoding import json_line, unpack
from engine.naming import stream_id_of
from engine.segments import folder
from engine.segments.packets import Stored
from engine.segments.reader import SegmentReader
from engine.segments.records import STATES, StreamRecord
from engine.streams.rows import format_endpoint
from engine.streams.stream import PROTOCOL_NAMES
from engine.units import format_bytes


@click.command()
@click.argument("name", metavar="ID|STREAM")
@click.option("--json", "as_json", is_flag=True, help="The item's JSON, or a JSON line per item of the stream.")
@arguments.as_stored
@click.option(
    "--pcap",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the stream's packets to FILE; -: standard output.",
)
@arguments.data
def show(name: str, as_json: bool, pcap: Path | None, data: Path, as_stored: bool) -> None:
    """Show an item or a stream, or write a stream's PCAP.

    Where an instance runs, its scripts with onItemQueried see the items first, and may show something else.

    \b
    Example: remora show 000000000144.pcap --pcap - | tshark -r -
    """
    reader = SegmentReader(existing(data))
    stream_id, index = _parse(name)
    if pcap is not None:
        _write_pcap(reader, stream_id, pcap)
        return
    if index is not None:
        blob = reader.item(stream_id, index)
        if blob is None:
            raise NoSuchStream(name)
        _print([blob], data, as_stored)
        return
    if as_json:
        _print(reader.items_of(stream_id), data, as_stored)
        return
    record = reader.stream(stream_id)
    if record is None:
        raise reader.why_missing(stream_id)
    write_json(json_line(_row(record, reader.stored(stream_id))))


def _write_pcap(reader: SegmentReader, stream_id: int, pcap: Path) -> None:
    """To a file; to standard output where it is ``-``, for a pipe, which cannot be written where packets stand."""
    if str(pcap) != "-":
        count = reader.materialise(stream_id, pcap)
        say(f"{pcap}: {count} packets")
        return
    with tempfile.TemporaryFile() as whole:
        reader.materialise(stream_id, whole.fileno())
        whole.seek(0)
        write_bytes("--pcap", whole)


def _print(blobs: Iterable[bytes], data: Path, as_stored: bool) -> None:
    items: Iterable[Mapping[str, Any]] = map(unpack, blobs)
    for item in items if as_stored else Onlookers(data, warn).past(items):
        write_json(json_line(item))


def _parse(name: str) -> tuple[int, int | None]:
    """``(stream, item index)`` of ``<worker>/<stream>-<index>``, ``<stream>-<index>`` or ``<stream>``."""
    last = name.rsplit("/", 1)[-1]
    stream, separator, index = last.rpartition("-")
    try:
        return (stream_id_of(stream), int(index)) if separator else (stream_id_of(last), None)
    except ValueError:
        raise NoSuchStream(name) from None


def _row(record: StreamRecord, stored: Stored) -> dict[str, Any]:
    """The stream row of docs/formats.md; packets, bytes and times are of what lies here."""
    return {
        "stream": record.name,
        "protocol": PROTOCOL_NAMES.get(record.protocol, str(record.protocol)),
        "client": format_endpoint(record.client_ip, record.client_port),
        "server": format_endpoint(record.server_ip, record.server_port),
        "packets": stored.packets,
        "bytes": stored.bytes,
        "payload_bytes": record.payload_bytes,
        "start": stored.first_ns,
        "end": stored.last_ns,
        "state": STATES[record.state],
    }


@click.command()
@arguments.data
def status(data: Path) -> None:
    """Say what runs on a data folder, and how much lies in it.

    \b
    Example: remora status --data /var/lib/remora
    """
    _print_running(existing(data))
    table = Table("folder", numbers=["size"])
    for part, size in folder.sizes(data).items():
        table.add(part, format_bytes(size))
    table.show(fold=False)


def _print_running(data: Path) -> None:
    try:
        rows, done = controlsocket.ask(data / "control.sock", "status", {})
    except (FileNotFoundError, ConnectionRefusedError):
        say(f"nothing runs on {data}")
        return
    except OSError as error:
        raise RemoraError(f"{data / 'control.sock'}: expected an answer, got {error}") from None
    say(f"{done['run_id']} is {done['phase']}")
    for row in rows:
        say("  " + "  ".join(f"{name}={value}" for name, value in row.items()))
    for name, count in sorted(done["counters"].items()):
        say(f"  {name} {count}")


@click.command()
@arguments.data
def clean(data: Path) -> None:
    """Empty a data folder: segments, items, work folders, what was not uploaded, local recordings.

    \b
    Example: remora data clean --data ./remora-data
    """
    before = sum(folder.sizes(existing(data)).values())
    folder.clean(data)
    say(f"{data}: {format_bytes(before)} removed")


def existing(data: Path) -> Path:
    """``data``, if it is a data folder.

    Raises:
        ConfigError: it is none.
    """
    if not (data / "instance.json").is_file():
        raise ConfigError("--data", "a data folder of Remora", str(data), "remora run makes one")
    return data
