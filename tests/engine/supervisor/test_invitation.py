from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from engine.configure import configure
from engine.errors import RemoraError
from engine.supervisor.invitation import read, written

SETS = ("scripting.env.GCS_TOKEN=hush", "scripting.env.LONG=" + "x" * 200_000, "scripting.scripts.a.py.softCpu=1s")


def test_what_is_written_is_read_and_nothing_behind_it(tmp_path: Path) -> None:
    configuration = configure(None, SETS, {})
    reader, writer = os.pipe()
    data = written(tmp_path / "scripts", configuration) + b"rest"
    thread = threading.Thread(target=lambda: _write(writer, data))  # longer than a pipe holds
    thread.start()
    found = read(reader)
    thread.join()
    assert found.scripts == str(tmp_path / "scripts")
    assert found.settings == configuration.settings
    assert (found.secrets, found.script_env) == (configuration.secrets, configuration.script_env)
    assert os.read(reader, 100) == b"rest"
    os.close(reader)


def _write(descriptor: int, data: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


@pytest.mark.parametrize("length", [0, 3, 100])
def test_a_query_that_ends_in_the_middle_of_it_is_said(length: int) -> None:
    reader, writer = os.pipe()
    os.write(writer, written(Path("/scripts"), configure(None, (), {}))[:length])
    os.close(writer)
    with pytest.raises(RemoraError, match="the query ended before it had begun"):
        read(reader)
    os.close(reader)
