"""`remora pcapdump`: the rolling window as one file, as a person or a cron job asks for it."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

import click

from engine import clock
from engine.cli.terminal import say, tell, warn
from engine.clock import NS_PER_S, rfc3339
from engine.dissect.tls_keylog import KeyRing
from engine.errors import ConfigError, RemoraError
from engine.pcapdump import Dumped, KeyLog, Node, dump
from engine.recording.names import component
from engine.segments.replay import Replay
from engine.units import format_bytes, parse_duration_s

NOTHING = 3
"""Exit code where no packet is in the window."""


@click.command()
@click.option("--time", "last", default="", metavar="TIME", help="Only the last 5m, 30s, 1h … Default: all there is.")
@click.option(
    "--dest",
    type=click.Path(path_type=Path),
    default=Path(),
    metavar="DIR",
    help="Where the file goes; default: the working directory.",
)
@click.option(
    "--data",
    "datas",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Data folder; several become one file.  [default: remora-data]",
)
@click.option("--node", "nodes", multiple=True, metavar="NAME", help="Only data folders of this node; may be repeated.")
@click.option(
    "--key-log",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="SSLKEYLOGFILE; its keys of exactly the sessions in the file go into it.",
)
def pcapdump(last: str, dest: Path, datas: tuple[Path, ...], nodes: tuple[str, ...], key_log: Path | None) -> None:
    """Write the rolling window of captured packets to one file, in time order.

    Works while an instance captures and after it ended. The file is pcap, or pcapng where packets have several link
    types or --key-log is given. Exit code 3: there was nothing to write.

    \b
    Example: remora pcapdump --time 5m --dest /tmp
    """
    last_s = parse_duration_s("--time", last) if last else None
    folders = _chosen(datas or (Path("remora-data"),), nodes)
    _check_destination(dest)
    ring = None if key_log is None else _keys(key_log)
    stamp = time.strftime("%Y-%m-%d_%H-%M-%S", time.gmtime(clock.wall_ns() // NS_PER_S))
    name = f"remora-{component('_'.join(dict.fromkeys(folders.values()))[:100])}-{stamp}"
    try:
        done = dump([Node(data, _since_ns(data, last_s)) for data in folders], dest, name, ring)
    except OSError as error:
        raise RemoraError(f"--dest {dest}: expected room for the file, got {error.strerror or error}") from error
    _tell(done, last)


def _chosen(datas: Sequence[Path], nodes: Sequence[str]) -> dict[Path, str]:
    """Data folder -> its node."""
    found = {}
    for data in datas:
        if not (data / "instance.json").is_file():
            raise ConfigError("--data", "a data folder of Remora", str(data), "remora run makes one")
        found[data] = _node_of(data)
    for node in nodes:
        if node not in found.values():
            raise ConfigError("--node", " or ".join(sorted(set(found.values()))), node)
    return {data: node for data, node in found.items() if not nodes or node in nodes}


def _node_of(data: Path) -> str:
    try:
        return str(json.loads((data / "instance.json").read_bytes())["node"]) or "node"
    except (ValueError, TypeError, KeyError):
        raise ConfigError("--data", "a data folder of Remora", f"a damaged {data / 'instance.json'}") from None


def _check_destination(dest: Path) -> None:
    if not dest.is_dir():
        raise ConfigError("--dest", "a folder that is there", str(dest), "make it, or leave --dest out")
    if not os.access(dest, os.W_OK | os.X_OK):
        raise ConfigError("--dest", "a folder that you may write to", str(dest))


def _keys(path: Path) -> KeyLog:
    ring = KeyRing()
    try:
        added = ring.add(path.read_bytes())
    except OSError as error:
        raise ConfigError("--key-log", "a file that can be read", str(path), error.strerror or "") from error
    if not added:
        raise ConfigError("--key-log", "lines of an NSS key log (SSLKEYLOGFILE)", f"none in {path}")
    return ring.lines_of


def _since_ns(data: Path, last_s: float | None) -> int:
    """Where the window begins: so long before now, or before the last packet where nothing captures any more."""
    if last_s is None:
        return 0
    newest_ns = Replay(data).newest_ns()
    return newest_ns + (_silence_ns(data) if _runs(data) else 0) - int(last_s * NS_PER_S)


def _silence_ns(data: Path) -> int:
    """How long ago a packet was written last; by the clock of the machine, since that of the packets may be another."""
    written_ns = max((path.stat().st_mtime_ns for path in (data / "segments").glob("*.pcap")), default=0)
    return max(clock.wall_ns() - written_ns, 0) if written_ns else 0


def _runs(data: Path) -> bool:
    try:
        with (data / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _tell(done: Dumped, last: str) -> None:
    if done.gone:
        warn(f"{done.gone} segments expired before they were read; raise pcapdump.maxTime")
    if done.path is None:
        within = f"of the last {last} " if last else ""
        hint = (
            "longer: --time, pcapdump.maxTime, pcapdump.maxSize"
            if last
            else "is pcapdump.enabled, did anything capture?"
        )
        tell(f"remora: no packets {within}to write; {hint}")
        raise SystemExit(NOTHING)
    keys = f", keys of {done.sessions} TLS sessions" if done.sessions else ""
    say(
        f"{done.path}: {done.packets} packets, {format_bytes(done.bytes)}, "
        f"{rfc3339(done.first_ns)} to {rfc3339(done.last_ns)}{keys}"
    )
