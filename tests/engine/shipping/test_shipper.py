from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import engine.shipping.gcs as gcs
from engine.errors import StorageError
from engine.shipping.outbox import Upload, UploadFile, publish
from engine.shipping.queue import drop, waiting
from engine.shipping.request import checked_request, enqueue_request
from engine.shipping.shipper import Shipper
from engine.shipping.web import Web
from tests.support.audit import crc32c, objects_in
from tests.support.gcs_server import Store, serve
from tests.support.harbour import FILES, Harbour
from tests.support.receiver import receiving


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Harbour]:
    made = Harbour(tmp_path)
    yield made
    made.shipper.close()
    made.destinations.close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    with serve("forensics") as (address, store):
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", address)
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        quick = gcs._RETRY.with_delay(initial=0.001, maximum=0.002, multiplier=1).with_timeout(0.02)
        monkeypatch.setattr(gcs, "_RETRY", quick)
        yield store


def expected(*batches: str) -> dict[str, bytes]:
    return {f"{file}/{batch}": f"{file} of {batch}".encode() for batch in batches for file in FILES}


def test_everything_in_ready_is_stored_and_then_gone(harbour: Harbour, tmp_path: Path) -> None:
    batches = [f"b{number:02d}" for number in range(20)]
    for batch in batches:
        harbour.add(batch, str(tmp_path / "recordings"))
    harbour.until(lambda: not harbour.shipper.pending)
    assert objects_in(tmp_path / "recordings") == expected(*batches)
    assert harbour.names() == harbour.names("tmp") == []
    totals = harbour.counters.snapshot()
    assert (totals["shipper_entries_total"], totals["shipper_batches_total"]) == (20, 20)
    assert (totals["shipper_objects_total"], totals["shipper_pending"]) == (80, 0)
    assert totals["shipper_bytes_total"] == sum(map(len, expected(*batches).values()))


def test_the_manifest_comes_last_whatever_fails_before(harbour: Harbour, server: Store) -> None:
    harbour.add("b", "gs://forensics")
    for failing in range(3):
        server.fault("status", status=400, skip=failing, method="POST")
        harbour.step()
        assert "manifest/b" not in server.objects("forensics")
        server.faults.clear()
        harbour.now_s += 61
    harbour.step()
    assert server.objects("forensics") == expected("b")
    assert server.created == dict.fromkeys(expected("b"), 1)
    assert harbour.counters.get("shipper_retries_total") == 3
    assert server.requests["POST"] == 4 + 3, "what is stored is not sent again"


def test_a_batch_that_is_refused_goes_to_dead_with_its_reason_and_others_go_on(
    harbour: Harbour, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "recordings"
    (root / "streams").mkdir(parents=True)
    (root / "streams" / "b1").write_bytes(b"something else")
    for batch in ("b0", "b1", "b2"):
        harbour.add(batch, str(root))
    harbour.until(lambda: not harbour.shipper.pending)
    assert (harbour.names("dead"), harbour.names()) == (["b1"], [])
    assert "nothing was overwritten" in (harbour.outbox / "dead" / "b1" / "reason.txt").read_text()
    assert (harbour.outbox / "dead" / "b1" / "pcap").read_bytes() == b"pcap of b1"
    assert harbour.counters.get("shipper_dead_total") == 1
    assert "manifest/b1" not in objects_in(root)
    assert set(expected("b0", "b2")) < set(objects_in(root))
    assert [r.levelname for r in caplog.records if "batch_refused" in r.message] == ["ERROR"]


@pytest.mark.parametrize("damage", ["upload.json", "no upload.json", "no pcap", "pcap"])
def test_an_entry_that_was_damaged_is_put_aside(harbour: Harbour, tmp_path: Path, damage: str) -> None:
    harbour.add("b", str(tmp_path / "recordings"))
    entry = harbour.outbox / "ready" / "b"
    if damage.startswith("no "):
        (entry / damage.removeprefix("no ")).unlink()
    else:
        (entry / damage).write_bytes(b"x" * 9)
    harbour.until(lambda: not harbour.shipper.pending)
    assert harbour.names("dead") == ["b"]
    assert harbour.counters.get("shipper_entries_total") == harbour.counters.get("shipper_dead_total") == 1


def test_the_same_name_refused_twice_keeps_both(harbour: Harbour, tmp_path: Path) -> None:
    for _ in range(2):
        harbour.add("b", str(tmp_path / "recordings"))
        (harbour.outbox / "ready" / "b" / "pcap").write_bytes(b"damaged")
        harbour.until(lambda: not harbour.shipper.pending)
    assert harbour.names("dead") == ["b", "b.2"]


def test_a_destination_in_trouble_is_asked_ever_more_seldom_and_others_go_on(
    harbour: Harbour, server: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(10):
        harbour.add(f"g{number}", "gs://forensics")
    server.fault("status", status=400, times=10_000)
    harbour.step()
    asked = []
    for second in range(1, 200):
        harbour.now_s = float(second)
        harbour.step()
        asked.append(harbour.counters.get("shipper_retries_total"))
    assert asked[-1] <= 4 + 8, "about one attempt a minute in the end, however many wait"
    assert asked[-1] > asked[60]
    harbour.add("local", str(tmp_path / "recordings"))
    harbour.step()
    assert objects_in(tmp_path / "recordings") == expected("local")
    assert "400" in harbour.shipper.trouble
    lines = [record.getMessage() for record in caplog.records if "upload_failed" in record.getMessage()]
    assert len(lines) < asked[-1]
    server.faults.clear()
    harbour.until(lambda: not harbour.shipper.pending)
    assert server.created == dict.fromkeys(expected(*(f"g{number}" for number in range(10))), 1)
    assert harbour.shipper.trouble == ""


def test_a_wrong_configuration_is_tried_again_after_a_minute(harbour: Harbour, server: Store) -> None:
    harbour.add("b", "gs://forensic")
    harbour.step()
    posts = server.requests["POST"]
    for harbour.now_s in (1.0, 30.0, 59.9):
        harbour.step()
    assert server.requests["POST"] == posts == 1
    assert "does not exist; create it or name another" in harbour.shipper.trouble
    server.buckets["forensic"] = {}
    harbour.now_s = 60.0
    harbour.step()
    assert server.objects("forensic") == expected("b")


def test_at_the_end_everything_is_tried_once_more_at_once(harbour: Harbour, server: Store) -> None:
    harbour.add("b", "gs://forensic")
    harbour.step()
    server.buckets["forensic"] = {}
    harbour.shipper.hurry(harbour.now_s)
    harbour.step()
    assert server.objects("forensic") == expected("b")


def test_what_was_refused_does_not_fill_the_disk_and_the_newest_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    harbour = Harbour(tmp_path, dead_limit_bytes=600)
    for number in range(4):
        harbour.add(f"b{number}", str(tmp_path / "recordings"))
        (harbour.outbox / "ready" / f"b{number}" / "pcap").write_bytes(b"damaged")
        harbour.until(lambda: not harbour.shipper.pending)
        os.utime(harbour.outbox / "dead" / f"b{number}", (number, number))
    assert harbour.names("dead") == ["b3"]
    assert (harbour.counters.get("shipper_dead_total"), harbour.counters.dropped("shipper")) == (4, 3)
    assert sum("dead_batch_deleted" in record.message for record in caplog.records) == 3
    harbour.shipper.close()


def test_an_entry_that_is_dropped_while_it_is_on_its_way_is_no_error(
    harbour: Harbour, server: Store, caplog: pytest.LogCaptureFixture
) -> None:
    harbour.add("b", "gs://forensics")
    server.fault("status", status=503, times=2, method="POST")
    harbour.shipper.step(0.0)
    drop(harbour.outbox, "ready", "b")
    harbour.step()
    assert (harbour.shipper.pending, harbour.names(), harbour.names("dead")) == (0, [], [])
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]


def test_how_attempts_fare_is_told_while_they_fail_and_no_longer(harbour: Harbour, server: Store) -> None:
    harbour.add("b", "gs://forensics")
    server.fault("status", status=503, times=10_000)
    harbour.step()
    harbour.now_s += 0.5
    harbour.step()
    (row,) = waiting(harbour.outbox)
    assert (row.entry, row.state, row.kind, row.files, row.failures) == ("b", "ready", "batch", 4, 1)
    assert row.due_in_s is not None
    assert "503" in row.reason
    server.faults.clear()
    harbour.until(lambda: not harbour.shipper.pending)
    harbour.now_s += 2
    harbour.step()
    assert sorted(os.listdir(harbour.outbox)) == ["lock", "ready", "tmp"]


def test_an_outbox_has_one_shipper(harbour: Harbour) -> None:
    with pytest.raises(StorageError, match="expected no other shipper"):
        harbour.open()
    harbour.shipper.close()
    harbour.shipper = harbour.open()


def test_an_entry_that_somebody_takes_away_is_forgotten(harbour: Harbour, server: Store) -> None:
    harbour.add("b", "gs://forensic")
    harbour.step()
    (harbour.outbox / "ready" / "b").rename(harbour.outbox / "b")
    harbour.now_s = 61
    harbour.step()
    assert harbour.shipper.pending == 0


def test_credentials_are_taken_by_name_from_what_the_supervisor_gave(tmp_path: Path, server: Store) -> None:
    harbour = Harbour(tmp_path)
    harbour.shipper.close()
    secrets = {"TEAM_KEY": json.dumps({"type": "nonsense", "private_key": "very secret"})}
    harbour.shipper = Shipper(
        harbour.outbox, 4, harbour.destinations, Web([], {}), secrets, harbour.counters, lambda: 1.0
    )
    building = harbour.outbox / "tmp" / "x"
    building.mkdir(parents=True)
    (building / "content").write_bytes(b"1")
    file = UploadFile("content", "name", 1, crc32c(b"1"))
    publish(building, harbour.outbox, "put-1", Upload("gs://forensics", "TEAM_KEY", [file]))
    harbour.step()
    assert "'type' is not 'service_account'" in harbour.shipper.trouble
    assert "very secret" not in harbour.shipper.trouble
    harbour.shipper.close()
    harbour.destinations.close()


def test_a_request_is_sent_again_until_it_is_taken_and_then_gone(tmp_path: Path) -> None:
    harbour = Harbour(tmp_path)
    with receiving() as receiver:
        harbour.shipper.close()
        harbour.shipper = Shipper(
            harbour.outbox, 4, harbour.destinations, Web([receiver.url], {}), {}, harbour.counters, lambda: 1.0
        )
        receiver.answers += [503, 429]
        request = checked_request("POST", f"{receiver.url}/x", {}, [receiver.url])
        entry = enqueue_request(harbour.outbox, request, b"hello", 7)
        harbour.until(lambda: not harbour.names())
    assert [(got.body, got.headers["Idempotency-Key"]) for got in receiver.got] == [(b"hello", entry)] * 3
    assert (harbour.counters.get("shipper_requests_total"), harbour.counters.get("shipper_batches_total")) == (1, 0)


def test_a_request_that_is_refused_lies_with_its_reason(tmp_path: Path) -> None:
    harbour = Harbour(tmp_path)
    with receiving() as receiver:
        request = checked_request("POST", f"{receiver.url}/x", {}, [receiver.url])
        entry = enqueue_request(harbour.outbox, request, b"hello", 7)
        harbour.until(lambda: not harbour.names())
        assert not receiver.got  # no longer allowed
    assert "scripting.egress" in (harbour.outbox / "dead" / entry / "reason.txt").read_text()
