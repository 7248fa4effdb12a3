"""`remora scripts list`, `run`, `console`: scripts of an instance, one script on a capture, what scripts wrote."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import click

from engine import controlsocket
from engine.cli import arguments, terminal
from engine.cli.running import start
from engine.cli.tables import Table
from engine.configure import Configuration
from engine.errors import ConfigError, RemoraError
from engine.items.encoding import json_line
from engine.shipping.address import DEFAULT_FOLDER

POLL_S = 0.2
COLUMNS = ("script", "state", "title", "hooks", "delivered", "waiting", "dropped", "errors", "reasons")


@click.command(name="list")
@arguments.data
def list_scripts(data: Path) -> None:
    """Say which scripts a running instance has, how they are, and why one is out.

    \b
    Example: remora scripts list --data ./remora-data
    """
    try:
        rows, _ = controlsocket.ask(data / "control.sock", "status", {})
    except OSError as error:
        hint = error.strerror or str(error)
        raise ConfigError("--data", "the data folder of a running instance", str(data), hint) from None
    scripts = [row for row in rows if "script" in row]
    if not scripts:
        terminal.say("no scripts")
        return
    columns = [name for name in COLUMNS if any(row.get(name) for row in scripts)]
    table = Table(*columns)
    for row in scripts:
        table.add(*(_shown(row.get(name, "")) for name in columns))
    table.show(fold=False)


def _shown(value: object) -> str:
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)


@click.command(name="run")
@click.argument("file", type=click.Path(path_type=Path))
@arguments.sources
@arguments.config_file
@arguments.sets
@click.option(
    "--data", type=click.Path(path_type=Path), metavar="DIR", help="Keep what it leaves here; default: nothing is kept."
)
def run_script(
    file: Path,
    sources: tuple[str, ...],
    config_file: Path | None,
    sets: tuple[str, ...],
    data: Path | None,
) -> None:
    """Run one script on captures, in its jail, and show what it writes.

    \b
    Example: remora scripts run scripts/top_talkers.py capture.pcap --set scripting.env.TOP=3
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="remora-")))
        scripts = folder / "scripts"
        scripts.mkdir()
        try:
            shutil.copyfile(file, scripts / file.name)
        except OSError as error:
            raise ConfigError("FILE", "a script", str(file), error.strerror or str(error)) from None
        configuration = arguments.load(
            config_file,
            (*sets, "scripting.watchScripts=false", f"scripting.source={scripts}"),
            sources=arguments.all_sources(sources),
            data=str((data or folder / "data").absolute()),
        )
        start(configuration if data else _keeping_nothing(configuration), kept=data is not None)


def _keeping_nothing(configuration: Configuration) -> Configuration:
    """Batches stay in the data folder, which goes with the run; a bucket in the environment is no wish to keep them."""
    if configuration.origins.get("recording.destination") == "--set":
        return configuration
    shipping = replace(configuration.settings.shipping, destination=DEFAULT_FOLDER)
    return replace(configuration, settings=replace(configuration.settings, shipping=shipping))


@click.command()
@click.option("--follow", "-f", is_flag=True, help="Go on with what scripts write from now on, until Ctrl-C.")
@click.option("--lines", default=50, show_default=True, metavar="N", help="How many of the last lines to begin with.")
@click.option("--json", "as_json", is_flag=True, help="A JSON line per line: node, script, level, time, text.")
@arguments.data
def console(follow: bool, lines: int, as_json: bool, data: Path) -> None:
    """Show what scripts wrote.

    \b
    Example: remora scripts console -f --data ./remora-data
    """
    path = data / "console.log"
    if not (data / "instance.json").is_file():
        raise ConfigError("--data", "a data folder of Remora", str(data), "remora run makes one")
    try:
        older = path.with_name("console.log.1")
        before = older.read_bytes() if older.exists() else b""
        file = path.open("rb") if path.exists() else None
        text = (before + (file.read() if file else b"")).decode(errors="replace")
        show = Parser(node_of(data)).show if as_json else terminal.say_part
        show("".join(f"{line}\n" for line in text.removesuffix("\n").split("\n")[-lines:] if text and lines > 0))
        if file is not None and not follow:
            file.close()
        for grown in growth(path, file) if follow else ():
            show(grown)
    except KeyboardInterrupt:
        return
    except OSError as error:
        raise RemoraError(f"{path}: expected a readable file, got {error.strerror or error}") from None


class Parser:
    """Lines of ``console.log`` as JSON: ``[node-script:LEVEL] date: text``, where LEVEL is missing for LOG."""

    def __init__(self, node: str) -> None:
        """``node``: without it nobody could say where its name ends and that of a script begins."""
        self._form = re.compile(
            rf"\[{re.escape(node)}-(.*?)(?::(ERROR))?\] (\w+, \d+ \w+ \d+ [\d:]+ GMT): (.*)", re.DOTALL
        )
        self._node, self._rest = node, ""

    def show(self, text: str) -> None:
        """Print each line that is whole."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            match = self._form.fullmatch(line)
            script, level, date, said = match.groups() if match else ("", None, "", line)
            row = {"node": self._node, "script": script, "level": level or "LOG", "time": date, "text": said}
            terminal.write_json(json_line(row))
        sys.stdout.flush()


def node_of(data: Path) -> str:
    """The node that a data folder belongs to."""
    return str(json.loads((data / "instance.json").read_text())["node"])


def growth(path: Path, file: BinaryIO | None) -> Iterator[str]:
    """What is appended behind where ``file`` stands, also when another takes its place at ``path``; for ever."""
    while True:
        if file is not None and (data := file.read()):
            yield data.decode(errors="replace")
        elif path.exists() and _is_another(path, file):
            if file is not None:
                file.close()
            file = path.open("rb")
        else:
            time.sleep(POLL_S)


def _is_another(path: Path, file: BinaryIO | None) -> bool:
    try:
        return file is None or os.fstat(file.fileno()).st_ino != path.stat().st_ino
    except FileNotFoundError:  # moved away; its successor is made next
        return False
