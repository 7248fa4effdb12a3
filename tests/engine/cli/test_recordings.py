from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from click.testing import CliRunner

from engine import controlsocket
from engine.archive.recorded import Recorded
from engine.cli import exporting
from engine.cli.recordings import create, delete
from engine.segments.folder import open_folder
from engine.shipping.outbox import UPLOAD_FILE, Upload, UploadFile
from tests.support.disk import file_size_limit


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    open_folder(folder, "node", 1)
    return folder


def ran(command: Any, *arguments: str) -> tuple[str, str]:
    found = CliRunner().invoke(command, arguments)
    assert found.exception is None, found.stderr
    return found.stdout, found.stderr


@pytest.mark.parametrize(
    ("kfl", "destination", "told"),
    [("", "gs://bucket", True), ("http", "gs://bucket", False), ("", "/srv/pcaps", False)],
)
def test_a_recording_of_everything_that_leaves_for_a_bucket_is_told_of_its_own_uploads(
    data: Path, kfl: str, destination: str, told: bool
) -> None:
    _, errors = ran(create, "r", "--kfl", kfl, "--destination", destination, "--data", str(data))
    assert ("its own uploads" in errors) == told


def test_a_note_about_a_filter_has_its_lines(data: Path) -> None:
    _, errors = ran(create, "r", "--kfl", "http", "--data", str(data))
    assert "  http\n  ^\n" in errors


def test_what_still_waits_of_a_recording_that_is_deleted_is_said(data: Path) -> None:
    later = ("--start", "2099-01-01", "--duration", "1h")
    ran(create, "gone", "--destination", "gs://bucket", *later, "--data", str(data))
    owner = data.stat()
    for number, recording in enumerate(("gone", "gone", "other")):
        entry = data / "outbox" / "ready" / f"b-{number}"
        entry.mkdir()
        upload = Upload("gs://bucket", "", [UploadFile("x", f"recording={recording}/x", 1, "")])
        (entry / UPLOAD_FILE).write_bytes(msgspec.json.encode(upload))
        os.chown(entry, owner.st_uid, owner.st_gid)
    output, _ = ran(delete, "gone", "--data", str(data))
    assert "2 of its batches still wait for their upload: remora outbox list, drop\n" in output


class _Grows:
    """A recording that goes on: what was open is sealed at the third look, and something else is open then."""

    def __init__(self) -> None:
        self.looks = 0

    def open_batches(self, name: str) -> dict[str, int]:
        self.looks += 1
        return {f"{name}-1": 5} if self.looks < 3 else {f"{name}-2": 7}


def test_an_export_waits_for_what_was_open_and_not_for_what_comes_meanwhile(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(controlsocket, "ask", lambda _, operation, *__: asked.append(operation))
    monkeypatch.setattr(exporting, "ask", lambda _, operation, given: asked.append(f"{operation} {given['name']}"))
    recorded = _Grows()
    assert exporting._seal(data, cast(Recorded, recorded), "r") == 0
    assert asked == ["status", "seal r"]
    assert recorded.looks == 4, "it did not look again and again"


def test_an_export_says_what_could_not_be_sealed(data: Path) -> None:
    assert exporting._seal(data, cast(Recorded, _Grows()), "r") == 5, "nothing runs that could seal"


def test_an_export_that_finds_no_room_leaves_no_half_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "r.items.jsonl").write_bytes(b"other")
    with file_size_limit(3000), pytest.raises(OSError, match="File too large"):
        exporting._write(tmp_path, "r.items.jsonl", [b"x" * 1000] * 100, "items")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"other"]
