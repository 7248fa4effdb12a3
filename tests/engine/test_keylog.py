from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine import keylog
from engine.dissect.options import TlsOptions
from engine.dissect.tls_keylog import MASTER, KeyRing
from engine.errors import ConfigError
from engine.keylog import KeyLogFile, follow, read_once


def line(number: int) -> bytes:
    return f"{MASTER} {number:064x} {number:096x}\n".encode()


def known(ring: KeyRing, *numbers: int) -> list[bool]:
    return [bool(ring.secrets_of(number.to_bytes(32, "big"))) for number in numbers]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.log"


def test_a_log_is_followed_as_it_grows(path: Path) -> None:
    path.write_bytes(line(1))
    ring = KeyRing()
    file = KeyLogFile(path, ring)
    assert known(ring, 1, 2) == [True, False]
    with path.open("ab") as log:
        log.write(line(2)[:90])
        log.flush()
        assert file.refresh(0.0) == ""
        assert known(ring, 1, 2) == [True, False]
        log.write(line(2)[90:])
    file.refresh(0.0)
    assert known(ring, 1, 2) == [True, True]
    file.close()


def test_a_log_may_come_later(path: Path) -> None:
    ring = KeyRing()
    file = KeyLogFile(path, ring)
    assert file.refresh(0.0) == ""
    path.write_bytes(line(1))
    file.refresh(0.5)
    assert known(ring, 1) == [False], "looked at once a second"
    file.refresh(1.0)
    file.refresh(1.0)
    assert known(ring, 1) == [True]
    file.close()


def test_a_log_that_is_rotated_is_read_to_its_end_and_then_the_next(path: Path) -> None:
    path.write_bytes(line(1))
    ring = KeyRing()
    file = KeyLogFile(path, ring)
    file.refresh(0.0)
    with path.open("ab") as log:
        path.rename(path.with_suffix(".1"))
        path.write_bytes(line(3))
        log.write(line(2))
    file.refresh(5.0)
    file.refresh(5.0)
    assert known(ring, 1, 2, 3) == [True, True, True]
    file.close()


def test_a_log_that_is_written_anew_is_read_anew(path: Path) -> None:
    path.write_bytes(line(1) + line(2))
    ring = KeyRing()
    file = KeyLogFile(path, ring)
    path.write_bytes(line(3))
    file.refresh(0.0)
    assert known(ring, 1, 2, 3) == [True, True, True]
    file.close()


def test_a_line_without_end_fills_no_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keylog, "READ_BYTES", 4096)
    path.write_bytes(b"x" * 1_000_000 + b"\n" + line(1))
    ring = KeyRing()
    file = KeyLogFile(path, ring)
    assert known(ring, 1) == [True]
    assert file._tail == b""
    file.close()


def test_of_a_long_log_the_newest_part_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keylog, "NEWEST_BYTES", 2 * len(line(1)))
    path.write_bytes(b"".join(map(line, range(5))))
    ring = KeyRing()
    KeyLogFile(path, ring).close()
    assert known(ring, 2, 3, 4) == [False, True, True]


def test_what_goes_wrong_later_is_told_once(path: Path) -> None:
    path.write_bytes(line(1))
    ring = KeyRing()
    file = KeyLogFile(path, ring)
    path.unlink()
    path.mkdir()
    assert "no regular file; secrets that were read stay known" in file.refresh(10.0)
    assert file.refresh(20.0) == ""
    assert known(ring, 1) == [True]
    file.close()


def test_a_query_needs_the_file_and_takes_a_last_line_without_end(path: Path) -> None:
    ring = KeyRing()
    with pytest.raises(ConfigError, match=r"tls\.keyLog: .*keys\.log: expected a file that can be read, got 'no such"):
        read_once(TlsOptions(str(path)), ring)
    path.write_bytes(line(1) + line(2)[:-1])
    read_once(TlsOptions(str(path)), ring)
    assert known(ring, 1, 2) == [True, True]
    assert not ring.growing
    read_once(TlsOptions(), ring)


def test_an_instance_needs_the_folder(tmp_path: Path, path: Path) -> None:
    ring = KeyRing()
    file = follow(TlsOptions(str(path)), ring)
    assert file is not None
    file.close()
    assert ring.growing
    assert follow(TlsOptions(), KeyRing()) is None
    with pytest.raises(ConfigError, match="No such file or directory"):
        follow(TlsOptions(str(tmp_path / "missing" / "keys.log")), ring)


def test_a_pipe_is_refused_and_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(ConfigError, match="no regular file"):
        KeyLogFile(path, KeyRing())


def test_no_descriptor_is_left(path: Path) -> None:
    path.write_bytes(line(1))
    before = len(os.listdir("/proc/self/fd"))
    KeyLogFile(path, KeyRing()).close()
    with pytest.raises(ConfigError):
        KeyLogFile(path.parent, KeyRing())
    assert len(os.listdir("/proc/self/fd")) == before
