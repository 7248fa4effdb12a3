from __future__ import annotations

import contextlib
import queue
import selectors
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.controlsocket import HELD, LENGTH, MAX_HELD, ControlSocket, ask, connect
from engine.errors import RemoraError


def answer(operation: str, arguments: Mapping[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    if operation == HELD:
        return [], {HELD: arguments.get("accepted", True)}
    if operation != "count":
        raise RemoraError(f"expected 'count', got {operation!r}")
    return [{"n": n} for n in range(arguments["to"])], {"total": arguments["to"]}


HELD_COUNTS: queue.Queue[int] = queue.Queue()


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    selector = selectors.DefaultSelector()
    server = ControlSocket(tmp_path / "control.sock", selector, answer, HELD_COUNTS.put)
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            for key, _ in selector.select(0.01):
                key.data()

    thread = threading.Thread(target=serve)
    thread.start()
    yield tmp_path / "control.sock"
    over.set()
    thread.join()
    server.close()
    selector.close()
    assert not (tmp_path / "control.sock").exists()


def test_rows_come_before_the_closing(path: Path) -> None:
    assert ask(path, "count", {"to": 3}) == ([{"n": 0}, {"n": 1}, {"n": 2}], {"total": 3})


def test_what_the_instance_refuses_is_an_error_with_its_words(path: Path) -> None:
    with pytest.raises(RemoraError, match="expected 'count', got 'nonsense'"):
        ask(path, "nonsense", {})


def test_only_the_owner_may_connect(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xff\xff\xff",
        LENGTH.pack(3) + b"\xc1\xc1\xc1",
        LENGTH.pack(9) + b"x",
        LENGTH.pack(5016) + b"\x82\xa2op\xa1x\xa4args\x81\xa1x" + b"\x91" * 5000 + b"\x01\x01",
    ],
    ids=["silence", "giant", "garbage", "half", "deep"],
)
def test_a_hostile_request_does_not_stop_the_next_one(path: Path, data: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as hostile:
        hostile.connect(str(path))
        hostile.sendall(data)
    assert ask(path, "count", {"to": 1})[1] == {"total": 1}


def test_a_query_counts_as_long_as_its_connection_lasts(path: Path) -> None:
    first, second = connect(path), connect(path)
    assert [HELD_COUNTS.get(timeout=30) for _ in range(2)] == [1, 2]
    assert ask(path, "count", {"to": 1})[1] == {"total": 1}, "others are answered meanwhile"
    first.close()
    assert HELD_COUNTS.get(timeout=30) == 1
    second.sendall(b"a word too many")
    assert HELD_COUNTS.get(timeout=30) == 0
    with contextlib.suppress(ConnectionResetError):  # what it said was not read
        assert second.recv(1) == b""
    second.close()
    assert HELD_COUNTS.empty()


def test_a_query_that_is_one_too_many_is_refused(path: Path) -> None:
    connections = [connect(path) for _ in range(MAX_HELD)]
    with pytest.raises(RemoraError, match=f"expected at most {MAX_HELD} connected queries"):
        connect(path)
    for connection in connections:
        connection.close()
    counts = [HELD_COUNTS.get(timeout=30) for _ in range(2 * MAX_HELD)]
    assert counts == [*range(1, MAX_HELD + 1), *reversed(range(MAX_HELD))]


def test_who_is_connected_notices_the_end(tmp_path: Path) -> None:
    selector = selectors.DefaultSelector()
    server = ControlSocket(tmp_path / "control.sock", selector, answer)
    found: list[socket.socket] = []
    asker = threading.Thread(target=lambda: found.append(connect(tmp_path / "control.sock")))
    asker.start()
    for key, _ in selector.select(30):
        key.data()
    asker.join()
    server.close()
    assert found[0].recv(1) == b""
    found[0].close()
    assert not list(selector.get_map())
    selector.close()


def test_a_path_longer_than_a_socket_address_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("x" * 100) / ("y" * 100)
    deep.mkdir(parents=True)
    monkeypatch.chdir("/")
    selector = selectors.DefaultSelector()
    server = ControlSocket(deep / "control.sock", selector, answer)
    asker = threading.Thread(target=lambda: answers.append(ask(deep / "control.sock", "count", {"to": 1})))
    answers: list[Any] = []
    asker.start()
    for key, _ in selector.select(30):
        key.data()
    asker.join()
    assert answers == [([{"n": 0}], {"total": 1})]
    server.close()
    selector.close()
