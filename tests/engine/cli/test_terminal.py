"""What comes from the wire, a bucket or somebody else's folder is shown, and obeyed by no terminal."""

from __future__ import annotations

import ast
import io
import json
import os
import sys
from pathlib import Path

import click
import msgspec
import pytest
from click.testing import CliRunner

from engine.cli.outbox import drop, list_entries
from engine.cli.recordings import create, list_recordings, search, show
from engine.cli.scripts import console
from engine.cli.stats import stats
from engine.cli.tables import Table, paint
from engine.cli.terminal import lines, say, shown, warn, write_json
from engine.segments.folder import open_folder
from engine.shipping.outbox import UPLOAD_FILE, Upload, UploadFile
from tests.support.packets import TcpConversation, write_pcap

ROOT = Path(__file__).resolve().parents[3]
PRINTERS = ("terminal.py", "tables.py", "progress.py")
"""The only files of commands that write to the terminal themselves."""
HOSTILE = "red\x1b[31m\x9b31m\x07 one\ntwo\r \u202eback\u2066 \u2028 [bold] :warning: \udc9b"
ESCAPED = "red\\x1b[31m\\x9b31m\\x07 one\\ntwo\\r \\u202eback\\u2066 \\u2028 [bold] :warning: \\udc9b"
WIRE, WIRE_ESCAPED = HOSTILE.removesuffix(" \udc9b"), ESCAPED.removesuffix(" \\udc9b")
"""As much of it as JSON can hold."""


def harmless(text: str) -> bool:
    return all(char.isprintable() or char == "\n" for char in text)


def test_all_that_is_not_printable_is_escaped() -> None:
    assert shown(HOSTILE) == ESCAPED
    assert lines(f"one\n\ttwo {HOSTILE}") == "one\n\ttwo " + ESCAPED.replace("\\n", "\n")


def test_lines_tables_and_warnings_obey_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    say(HOSTILE)
    warn(HOSTILE)
    paint(HOSTILE)
    table = Table("name", numbers=["count"])
    table.add(HOSTILE, HOSTILE)
    table.show()
    found = capsys.readouterr()
    assert found.out.splitlines()[0] == ESCAPED
    assert found.out.count(ESCAPED) == 3
    assert found.err.splitlines()[0] == f"remora: warning: {ESCAPED}"
    assert harmless(found.out)
    assert harmless(found.err)


@pytest.mark.parametrize("terminal", [True, False])
def test_json_means_the_same_on_a_terminal(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    rows = [{"name": "\x9b31m \u202e \x7f 𝄞 é \U000e0001", "other": 1}]
    data = msgspec.json.encode(rows[0]) + b"\n"
    written = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(written, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stdout", written)
    write_json(data)
    found = written.buffer.getvalue()
    assert (found == data) != terminal
    assert harmless(found.decode()) == terminal
    assert [json.loads(line) for line in found.split(b"\n")[:-1]] == rows


def writers(path: Path) -> set[str]:
    """Names by which a file of commands would write past the escaping."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names if name.name.split(".")[0] == "rich"}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "rich":
            found.add(str(node.module))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "click.echo", "click.secho"):
            found.add(ast.unparse(node.func))
        elif isinstance(node, ast.Attribute) and ast.unparse(node).startswith(("sys.stdout.", "sys.stderr.")):
            found |= {name for name in [ast.unparse(node)] if name.endswith((".write", ".writelines", ".buffer"))}
    return found


COMMANDS = sorted((ROOT / "engine/cli").glob("*.py"))


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: str(path.name))
def test_no_command_writes_past_the_escaping(path: Path) -> None:
    assert path.name in PRINTERS or not writers(path)


# ---- each command, with the worst it may find ------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    open_folder(folder, "node", 1)
    return folder


def ran(command: click.Command, *arguments: object) -> str:
    """What it printed, which is harmless."""
    found = CliRunner().invoke(command, [str(argument) for argument in arguments])
    assert found.exception is None, found.stderr
    assert harmless(found.stdout + found.stderr), found.stdout
    return found.stdout + found.stderr


def waits(data: Path, state: str, name: str) -> None:
    """An entry of the outbox whose every text is hostile."""
    folder = data / "outbox" / state / name
    folder.mkdir(parents=True)
    upload = Upload(f"/nowhere{WIRE}", "", [UploadFile("items", f"recording={WIRE}/x", 1, "")])
    (folder / UPLOAD_FILE).write_bytes(msgspec.json.encode(upload))
    (folder / "reason.txt").write_text(f"403: {WIRE}")
    owner = data.stat()
    os.chown(folder, owner.st_uid, owner.st_gid)


def test_the_outbox(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits(data, "dead", "one\x1b[31m")
    found = ran(list_entries, "--data", data)
    assert found.count(WIRE_ESCAPED) == 2
    assert "1 × 403: red\\x1b[31m\\x9b31m\\x07 one\\ntwo" in found
    monkeypatch.chdir(data)
    assert "one\\x1b[31m: deleted" in ran(drop, "--dead", "--data", data)


def test_recordings(data: Path) -> None:
    on_a_line = WIRE.replace("\n", "").replace("\r", "").replace("\u2028", "")
    kfl = f'http and request.path == "{on_a_line}"'
    ran(create, "odd", "--kfl", kfl, "--destination", f"/nowhere{WIRE}", "--data", data)
    for command, argument in ((list_recordings, "odd"), (search, "odd"), (show, "odd")):
        found = ran(command, argument, "--data", data)
        assert "red\\x1b[31m" in "".join(found.split())
    assert WIRE_ESCAPED in ran(show, "odd", "--data", data)


def test_stats(tmp_path: Path) -> None:
    talk = TcpConversation(("10.0.0.1", 51234), ("10.0.0.2", 80)).handshake()
    talk.client_says(b"GET /\x1b[31m\xc2\x9b\xe2\x80\xaered HTTP/1.1\r\nHost: [bold]\r\n\r\n")
    talk.server_says(b"HTTP/1.1 204 No Content\r\n\r\n").finish()
    write_pcap(tmp_path / "odd.pcap", talk.packets)
    assert "GET [bold]/\\x1b[31mÂ\\x9bâ\\x80®red" in ran(stats, tmp_path / "odd.pcap", "--by", "endpoint")


def test_what_scripts_wrote(data: Path) -> None:
    (data / "console.log").write_text(f"[node-top.py] Tue, 01 Dec 2026 00:00:00 GMT: {WIRE}\n")
    assert WIRE_ESCAPED.partition("\\n")[0] in ran(console, "--data", data)
