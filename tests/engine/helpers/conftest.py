"""A work folder, and streams to copy from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.helpers.file import File
from engine.helpers.folder import WorkFolder
from engine.helpers.replies import LastCall
from engine.helpers.streams import Streams
from engine.helpers.view import Reading
from engine.segments.reader import SegmentReader
from tests.support.broker import LIMIT, WALL_NS, store_streams
from tests.support.packets import EPOCH_NS, TcpConversation


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Streams 144 and 145, their packets interleaved in time."""
    first = TcpConversation(("10.0.0.1", 1), ("10.0.0.2", 80)).handshake().client_says(b"x" * 100)
    second = TcpConversation(("10.0.0.1", 2), ("10.0.0.2", 80), start_ns=EPOCH_NS + 500_000).handshake()
    store_streams(tmp_path, {144: first.packets, 145: second.packets})
    return tmp_path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The folder of one script."""
    return tmp_path / "scripts" / "top.py"


@pytest.fixture
def folder(home: Path) -> Iterator[WorkFolder]:
    opened = WorkFolder(home, LIMIT)
    yield opened
    opened.close()


@pytest.fixture
def streams(data: Path) -> Iterator[Streams]:
    reader = SegmentReader(data)
    yield Streams(reader)
    reader.close()


@pytest.fixture
def reading(folder: WorkFolder, streams: Streams) -> Reading:
    return Reading(folder, streams)


@pytest.fixture
def file(folder: WorkFolder, reading: Reading, home: Path) -> File:
    return File(folder, reading, LastCall(home, 1, taken_over=False), lambda: WALL_NS)
