"""A disk that is full, read-only or slow, and a budget that is used up: what was recorded stays, and is told."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.audit import Recorded, audit, objects_in
from tests.support.gcs_server import serve
from tests.support.instance import PATIENCE_S, SHOP, Instance, remora
from tests.support.mounted import NEEDED, Mounted, mounted
from tests.support.packets import Packet, TcpConversation, pcap_bytes

pytestmark = pytest.mark.slow
SCRIPT = """
waiting = []

def onItemCaptured(data):
    waiting.append(data.stream)
    while waiting:
        try:
            pcap.record(waiting[0], "all")
        except Exception:  # the disk takes nothing: it is said, and tried again with the next item
            return
        waiting.pop(0)
"""
SETS = ("recording.batchInterval=500ms", "tap.storageLimit=32Mi", "tap.misc.pcapTTL=10m")
START_NS = 1_700_000_000_000_000_000


def capture(first: int, conversations: int) -> list[Packet]:
    """HTTP exchanges; no two packets of all captures are the same."""
    packets = []
    for number in range(first, first + conversations):
        start_ns = START_NS + number * 1_000_000
        talk = TcpConversation((f"10.1.{number >> 8}.{number & 255}", 40_000), ("10.0.0.2", 80), start_ns=start_ns)
        body = b"%06d " % number * 700
        talk.handshake().client_says(b"GET /%d HTTP/1.1\r\nHost: shop\r\n\r\n" % number)
        talk.server_says(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body).finish()
        packets += talk.packets
    return sorted(packets, key=lambda packet: packet.timestamp_ns)


def frames(packets: list[Packet]) -> list[tuple[int, bytes]]:
    return sorted((packet.timestamp_ns, packet.frame) for packet in packets)


class Place:
    """An instance that follows a folder of captures, on a disk of its own."""

    def __init__(self, folder: Path, disk: Mounted) -> None:
        self.disk, self.source = disk, folder / "in"
        self.source.mkdir()
        self.sent: list[Packet] = []
        self.recordings = folder / "recordings"
        self.recordings.mkdir()
        self.recordings.chmod(0o777)
        sets = (*SETS, f"recording.destination={self.recordings}")
        self.instance = Instance(
            folder, str(self.source), "--follow", scripts={"keep.py": SCRIPT}, sets=sets, grace="20s"
        )

    def send(self) -> None:
        """One more capture."""
        packets = capture(len(self.sent), 100)
        self.sent += packets
        name = f"{len(self.sent):06d}.pcap"
        (self.source / f".{name}").write_bytes(pcap_bytes(packets))
        (self.source / f".{name}").rename(self.source / name)

    def until_taken(self) -> None:
        self.instance.until(lambda status: status["counters"].get("capture_packets_total", 0) >= len(self.sent))

    def until_told(self, words: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while words not in self.instance.output():
            assert time.monotonic() < deadline, self.instance.output()
            time.sleep(0.05)

    def deaths(self) -> int:
        status = self.instance.until(lambda status: status["processes"])
        return sum(row["deaths"] for row in status["processes"].values())

    def recorded(self) -> list[tuple[int, bytes]]:
        return audit(objects_in(self.recordings)).get("all", Recorded()).packets


def on_a_disk(test: Any) -> Any:
    """Skipped, with the reason, where a disk cannot be made."""
    for mark in NEEDED:
        test = mark(test)
    return test


@contextmanager
def everybodys() -> Iterator[Path]:
    """A folder that is reached without root's rights."""
    folder = Path(tempfile.mkdtemp(prefix="remora-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def place() -> Iterator[Place]:
    with everybodys() as folder, mounted(folder / "image", folder / "data", 96 << 20) as disk:
        made = Place(folder, disk)
        try:
            yield made
        finally:
            made.instance.close()


def thaw_late(disk: Mounted) -> None:
    time.sleep(4)
    disk.thaw()


CASES: dict[str, tuple[Callable[[Mounted], None], Callable[[Mounted], None], str]] = {
    "full": (Mounted.fill, Mounted.empty, "free disk space"),
    "answers nothing for 4 s": (Mounted.freeze, thaw_late, ""),
}


@on_a_disk
@pytest.mark.parametrize("case", CASES)
def test_everything_arrives_once_the_disk_takes_it_again(place: Place, case: str) -> None:
    hurt, heal, words = CASES[case]
    place.send()
    place.until_taken()
    hurt(place.disk)
    place.send()
    if words:
        place.until_told(words)
        time.sleep(1.5)  # it goes on to fail for a while
        assert place.deaths() == 0, place.instance.output()
    heal(place.disk)
    place.send()
    place.until_taken()
    assert place.instance.stop() == 0, place.instance.output()
    assert place.recorded() == frames(place.sent), place.instance.output()


@on_a_disk
def test_a_destination_that_is_read_only_is_named_and_waited_for() -> None:
    with everybodys() as folder, mounted(folder / "image", folder / "archive", 16 << 20) as disk:
        (disk.folder / "deep").mkdir(mode=0o777)
        (disk.folder / "deep").chmod(0o777)
        sets = (*SETS, f"recording.destination={disk.folder}/deep")
        disk.read_only()
        instance = Instance(folder, str(SHOP), scripts={"keep.py": SCRIPT}, sets=sets, grace="2s")
        assert instance.wait() == 1, instance.output()
        assert "let this user write there, or name another folder" in instance.output()
        instance.close()
        assert objects_in(disk.folder / "deep") == {}
        disk.writable()
        result = remora("outbox", "retry", "--data", str(instance.data))
        assert result.returncode == 0, result.stderr
        assert len(audit(objects_in(disk.folder / "deep"))["all"].packets) > 1000


def test_a_budget_that_is_used_up_refuses_new_streams_and_says_so(tmp_path: Path) -> None:
    sets = ("recording.limit=200Ki", "recording.batchInterval=200ms", "scripting.queue=64")
    with serve("forensics") as (address, store):
        environment = {"STORAGE_EMULATOR_HOST": address, "GCS_BUCKET": "forensic"}
        script = SCRIPT.replace("    waiting.append", "    time.sleep(0.001)\n    waiting.append")
        instance = Instance(tmp_path, str(SHOP), scripts={"keep.py": script}, sets=sets, environment=environment)
        try:
            status = instance.until(
                lambda status: status["counters"].get("recorder_dropped_total{reason=storage_full}", 0) > 0
            )
            assert status["counters"]["capture_packets_total"] > 0
            store.buckets["forensic"] = {}
            exit_code, output = instance.wait(), instance.output()
            assert exit_code == 0, output
        finally:
            instance.close()
        found = audit(store.objects("forensic"))["all"]
    assert "recording_limit_reached" in output
    assert found.packets
