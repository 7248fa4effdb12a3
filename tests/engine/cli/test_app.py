from __future__ import annotations

import os
import signal
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from tests.support.instance import SHOP, clean, command, remora
from tests.support.packets import EPOCH_NS, Packet, write_pcap

pytestmark = pytest.mark.slow


def test_a_terminal_obeys_nothing_in_a_message() -> None:
    found = remora("query", "/nowhere\x1b[31mred\x9b")
    assert found.returncode == 1
    assert "/nowhere\\x1b[31mred\\x9b: expected a capture file" in found.stderr
    assert found.stderr.count("\n") == 1


def test_what_the_machine_refuses_is_one_message() -> None:
    found = remora("stats", "x" * 5000)
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.startswith("remora: ")
    assert found.stderr.endswith("File name too long\n")
    assert found.stderr.count("\n") == 1


def test_many_captures_may_be_open_at_once(tmp_path: Path) -> None:
    for number in range(100):
        write_pcap(tmp_path / f"{number}.pcap", [Packet(EPOCH_NS, bytes(60))])
    limited = ["sh", "-c", 'ulimit -Sn 64 && exec "$0" "$@"', *command("query", str(tmp_path))]
    found = subprocess.run(limited, env=clean(), capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")


def test_output_that_does_not_fit_is_one_message() -> None:
    with open("/dev/full", "wb") as full:
        found = subprocess.run(
            command("query", str(SHOP)), env=clean(None), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (found.returncode, found.stderr) == (1, "remora: No space left on device\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_what_was_unpacked_goes_when_the_command_is_ended(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "tmp").mkdir()
    with tarfile.open(tmp_path / "c.tar", "w") as tar:
        tar.add(SHOP / "shop.pcap.gz", "shop.pcap.gz")
    environment = clean({"TMPDIR": str(tmp_path / "tmp")})
    arguments = command("query", str(tmp_path / "c.tar"), "-")
    with subprocess.Popen(
        arguments, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        until_s = time.monotonic() + 60
        while not list((tmp_path / "tmp").rglob("*.pcap.gz")):  # then it waits for standard input
            assert time.monotonic() < until_s, process.poll()
            time.sleep(0.05)
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert os.listdir(tmp_path / "tmp") == []
    assert process.returncode == (1 if number == signal.SIGINT else 128 + number)
    assert b"Traceback" not in errors


def test_a_reader_that_has_enough_is_no_failure() -> None:
    query = subprocess.Popen(
        command("query", str(SHOP)), env=clean(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert query.stdout is not None
    assert query.stderr is not None
    assert query.stdout.readline().startswith('{"id"')
    query.stdout.close()
    assert (query.wait(60), query.stderr.read()) == (0, "")
    query.stderr.close()
