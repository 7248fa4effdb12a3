from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import clock
from engine.config import Settings
from engine.counters import Counters
from engine.errors import RemoraError
from engine.frames.control import Finished, Flush, Seal
from engine.recorder import FINAL_ATTEMPTS, RETRY_S, Recorder, remainder, seal_everything
from engine.recording.names import ENDINGS
from engine.recording.options import RecordingOptions
from engine.recording.sealing import Origin
from engine.recording.service import Service
from tests.support.audit import audit, objects_in, objects_ready
from tests.support.child import RUN_ID, folder_of_nobody, running
from tests.support.data_folder import START_NS, DataFolder
from tests.support.disk import file_size_limit

NOW_NS = 1_795_170_600_000_000_000


@pytest.fixture
def data() -> Iterator[DataFolder]:
    with folder_of_nobody() as folder:
        made = DataFolder(folder / "data", segment_bytes=1 << 20, pcap_ttl_s=1e9, json_ttl_s=1e9)
        yield made
        made.close()


def settings(data: DataFolder, **options: float) -> Settings:
    return Settings(recording=RecordingOptions(**options), data=str(data.root))  # type: ignore[arg-type]


def recorder_of(data: DataFolder, counters: Counters) -> Recorder:
    return Recorder(data.root, RUN_ID, Origin("local", "n1"), "recordings", RecordingOptions(), counters)


@pytest.mark.slow
def test_the_process_records_what_is_kept_and_seals_when_it_is_told(data: DataFolder) -> None:
    data.capture([(1, START_NS, 60), (2, START_NS, 60)])
    data.item(1, START_NS)
    with running("recorder", settings(data)) as recorder:
        data.broker.keep(1, "r", 0, 0)
        recorder.until("recorder_packets_total", 1)
        data.capture([(1, START_NS + 1, 60)])
        recorder.send(Seal())
        assert recorder.hear(Finished) == Finished(0, "")
        counters = recorder.counters
        assert recorder.stop() == 0
    names = ("streams_wanted", "streams_kept", "packets", "items", "batches")
    assert [counters[f"recorder_{name}_total"] for name in names] == [1, 1, 2, 1, 1]
    found = audit(objects_ready(data.root / "outbox"))["r"]
    assert found.packets == data.wanted({1: 0})
    assert found.manifests[0]["node"] == "n1"


@pytest.mark.slow
def test_a_seal_entry_closes_the_batch_within_a_pass(data: DataFolder) -> None:
    with running("recorder", settings(data)) as recorder:
        data.capture([(1, START_NS, 60)])
        data.broker.keep(1, "r", 0, 0)
        data.broker.seal("r", 0)
        recorder.until("recorder_batches_total", 1)
    assert audit(objects_ready(data.root / "outbox"))["r"].packets == data.wanted({1: 0})


@pytest.mark.slow
def test_the_process_ends_when_the_supervisor_is_gone(data: DataFolder) -> None:
    with running("recorder", settings(data)) as recorder:
        assert recorder.hang_up() == 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_processes_killed_at_random_lose_and_double_nothing(data: DataFolder, seed: int) -> None:
    chance = random.Random(seed)
    kept: dict[int, int] = {}
    time_ns = START_NS
    for _ in range(4):
        with running("recorder", settings(data, batch_bytes=20_000)), running("shipper", settings(data)):
            until_s = time.monotonic() + chance.uniform(0.02, 0.7)
            while time.monotonic() < until_s:
                time_ns += 1_000_000
                streams = [chance.randrange(1, 40) for _ in range(50)]
                data.capture([(stream, time_ns + n, 100) for n, stream in enumerate(streams)])
                data.item(streams[0], time_ns)
                stream = chance.choice(streams)
                kept[stream] = min(time_ns, kept.get(stream, time_ns))
                data.worker.keep(stream, "r", time_ns, 0)
                time.sleep(0.01)
    with running("recorder", settings(data)) as recorder, running("shipper", settings(data)) as shipper:
        recorder.send(Seal())
        assert recorder.hear(Finished).remaining == 0
        shipper.send(Flush(20))
        assert shipper.hear(Finished) == Finished(0, "")
    found = audit(objects_in(data.root / "recordings"))["r"]
    assert found.packets == data.wanted(kept)
    assert sorted(item["id"] for item in found.items) == data.wanted_items(kept)
    assert len(found.packets) > 100


def test_a_full_disk_is_said_once_and_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data, counters = DataFolder(tmp_path / "data", segment_bytes=65536), Counters()
    data.capture([(1, START_NS, 900)])
    data.worker.keep(1, "r", 0, 0)
    recorder = recorder_of(data, counters)
    with file_size_limit(500):
        for attempt in range(3):
            assert not recorder.step(NOW_NS, attempt * RETRY_S)
    assert recorder.failures == 3
    recorder.step(NOW_NS, 3 * RETRY_S, everything=True)
    while recorder.unsealed:
        recorder.step(NOW_NS, 3 * RETRY_S)
    recorder.close()
    assert audit(objects_ready(data.root / "outbox"))["r"].packets == data.wanted({1: 0})
    said = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert len(said) == 1
    assert "recorder_waits_for_the_disk" in said[0].getMessage()
    data.close()


def test_a_disk_that_is_full_while_sealing_does_not_stop_the_passes(tmp_path: Path) -> None:
    data, counters = DataFolder(tmp_path / "data", segment_bytes=65536), Counters()
    data.capture([(1, START_NS, 16)])
    data.worker.keep(1, "r", 0, 0)
    recorder = recorder_of(data, counters)
    blocked = data.root / "outbox" / "tmp"
    blocked.write_bytes(b"no folder can be made here")
    recorder.step(NOW_NS, 0.0, everything=True)
    while not recorder.failures:
        recorder.step(NOW_NS, 0.0)
    data.capture([(1, START_NS + 1, 16)])
    assert recorder.step(NOW_NS, 0.1)
    assert counters.get("recorder_packets_total") == 2
    blocked.unlink()
    recorder.step(NOW_NS, RETRY_S, everything=True)
    while recorder.unsealed:
        recorder.step(NOW_NS, RETRY_S)
    recorder.close()
    assert audit(objects_ready(data.root / "outbox"))["r"].packets == data.wanted({1: 0})
    data.close()


@pytest.mark.parametrize("attempts", [1, FINAL_ATTEMPTS + 1])
def test_a_stop_after_the_disk_refused_seals_what_is_kept(tmp_path: Path, attempts: int) -> None:
    data, recorder = _kept_and_refused(tmp_path, attempts)
    seal_everything(recorder, lambda: None)
    assert (recorder.unsealed, recorder.failures) == (0, 0)
    assert audit(objects_ready(data.root / "outbox"))["r"].packets == data.wanted({1: 0})
    recorder.close()
    data.close()


def test_a_stop_while_the_disk_refuses_tries_again_and_says_that_something_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, recorder = _kept_and_refused(tmp_path, 1)
    monkeypatch.setattr("engine.recorder.RETRY_S", 0.05)
    with file_size_limit(500):
        seal_everything(recorder, lambda: None)
    assert recorder.failures == FINAL_ATTEMPTS
    assert remainder(recorder.unsealed, recorder.failures, "/data").remaining
    recorder.close()
    data.close()


def _kept_and_refused(folder: Path, attempts: int) -> tuple[DataFolder, Recorder]:
    """A stream that is kept, and a recorder whose passes the disk refused until now."""
    data = DataFolder(folder / "data", segment_bytes=65536)
    data.capture([(1, START_NS, 900)])
    data.worker.keep(1, "r", 0, 0)
    recorder = recorder_of(data, Counters())
    with file_size_limit(500):
        for attempt in range(attempts):
            recorder.step(NOW_NS, clock.monotonic_s() + attempt * RETRY_S)
    assert recorder.failures == attempts
    return data, recorder


@pytest.mark.parametrize(
    ("unsealed", "failures", "left"), [(0, 0, 0), (0, FINAL_ATTEMPTS - 1, 0), (2, 0, 2), (0, FINAL_ATTEMPTS, 1)]
)
def test_a_disk_that_refused_to_the_last_never_looks_like_success(unsealed: int, failures: int, left: int) -> None:
    finished = remainder(unsealed, failures, "/data")
    assert finished.remaining == left
    assert ("/data/outbox/open" in finished.note) == bool(left)


def test_at_the_limit_the_oldest_batches_go_where_the_operator_wants_it(
    data: DataFolder, caplog: pytest.LogCaptureFixture
) -> None:
    options = RecordingOptions(limit_bytes=30_000, when_full="oldest")
    counters = Counters()
    recorder = Recorder(data.root, RUN_ID, Origin("local", "n1"), "recordings", options, counters)
    now_ns = NOW_NS
    for step in range(6):
        data.capture([(step + 1, START_NS + step * 100 + n, 1000) for n in range(10)])
        data.broker.keep(step + 1, "my shop", 0, 0)
        now_ns += 3_000_000_000
        while recorder.step(now_ns, float(step), everything=True) or recorder.unsealed:
            time.sleep(0.001)
        for entry in (data.root / "outbox/ready").iterdir():
            (entry / "ballast").exists() or (entry / "ballast").write_bytes(bytes(10_000))
    recorder.close()
    found = audit(objects_ready(data.root / "outbox"))["my shop"]
    deleted = counters.dropped("outbox")
    assert 0 < deleted < 6
    assert counters.get("recorder_streams_kept_total") == 6, "nothing was refused"
    assert found.packets == data.wanted(dict.fromkeys(range(deleted + 1, 7), 0)), "the newest are there"
    assert sum(manifest["lost"].get("batches_deleted", 0) for manifest in found.manifests) > 0
    assert any("oldest_batches_deleted" in record.message for record in caplog.records)


def with_jobs(data: DataFolder, told: list[str], jobs: list[dict[str, object]], **options: int) -> Recorder:
    """A recorder that tells what it has to say."""
    service = Service(data.root, RUN_ID, NOW_NS, lambda level, text: told.append(f"{level}: {text}"))
    service.configure(jobs, NOW_NS)
    limits = RecordingOptions(**options)  # type: ignore[arg-type]
    origin = Origin("local", "n1")
    return Recorder(data.root, RUN_ID, origin, "recordings", limits, Counters(), service=service)


def close_both(recorder: Recorder) -> None:
    """The recorder and its jobs."""
    recorder.close()
    assert recorder._service is not None
    recorder._service.close()


def test_streams_that_find_no_room_are_told_in_the_words_of_kubeshark_once_in_a_while(tmp_path: Path) -> None:
    data, told = DataFolder(tmp_path / "data"), list[str]()
    recorder = with_jobs(data, told, [{"name": "example"}], limit_bytes=0)
    data.capture([(n, START_NS, 60) for n in range(1, 6)])
    told.clear()
    recorder.step(NOW_NS, 0.0)
    for stream, now_s in ((1, 1.0), (2, 2.0), (3, 3.0), (4, 20.0)):
        data.worker.keep(stream, "example", 0, 0)
        recorder.step(NOW_NS, now_s)
    close_both(recorder)
    assert [text.partition(": recording.limit")[0] for text in told] == [
        "error: Failed recording (example) Error: 1 streams were refused",
        "error: Failed recording (example) Error: 3 streams were refused",
    ]


def test_a_deleted_recording_loses_what_is_open_and_its_local_data(tmp_path: Path) -> None:
    data = DataFolder(tmp_path / "data")
    recorder = with_jobs(data, [], [{"name": "r"}, {"name": "s"}])
    service = recorder._service
    assert service is not None
    local = data.root / "recordings" / "recording=r" / "items"
    local.mkdir(parents=True)
    (local / "x").write_bytes(b"12345")
    data.capture([(1, START_NS, 60)])
    data.worker.keep(1, "r", 0, 0)
    data.worker.keep(1, "s", 0, 0)
    recorder.step(NOW_NS, 0.0)
    with pytest.raises(RemoraError, match="expected one that does not record now; stop it first, or give --force"):
        service.answer("delete", {"name": "r"}, NOW_NS)
    _, done = service.answer("delete", {"name": "r", "force": True}, NOW_NS)
    assert done["removed_bytes"] == 5
    data.capture([(1, START_NS + 1, 60)])
    recorder.step(NOW_NS, 1.0, everything=True)
    while recorder.unsealed:
        recorder.step(NOW_NS, 2.0)
    close_both(recorder)
    found = audit(objects_ready(data.root / "outbox"))
    assert found.keys() == {"s"}
    assert found["s"].packets == data.wanted({1: 0})
    assert not local.exists()


def test_local_batches_go_when_they_have_lain_for_their_expiration_and_no_others(tmp_path: Path) -> None:
    data = DataFolder(tmp_path / "data")
    recorder = with_jobs(data, [], [{"name": "r", "expiration": "60"}, {"name": "for-ever"}])
    paths = {}
    for name, age_s in (("r", 3601), ("r", 3599), ("for-ever", 10**6)):
        for kind, ending in ENDINGS.items():
            place = f"recording={name}/{kind}/cluster=local/dt=2026-11-20/hour=10/node=n1/b-{age_s}.{ending}"
            path = paths[name, age_s, kind] = data.root / "recordings" / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"{}")
            os.utime(path, ns=(NOW_NS - age_s * 10**9,) * 2)
    recorder.step(NOW_NS, 0.0)
    close_both(recorder)
    assert {key[:2] for key, path in paths.items() if path.exists()} == {("r", 3599), ("for-ever", 10**6)}


def test_jobs_of_the_configuration_are_what_it_says_and_what_is_as_before_goes_on(tmp_path: Path) -> None:
    data, told = DataFolder(tmp_path / "data"), list[str]()
    first = with_jobs(data, told, [{"name": "a", "kfl": "http"}, {"name": "b", "kfl": "dns"}, {"name": "c"}])
    close_both(first)
    later_ns = NOW_NS + 60 * 10**9
    service = Service(data.root, RUN_ID, later_ns, lambda _, text: told.append(text))
    service.answer("create", {"job": {"name": "mine"}}, later_ns)
    wanted = [{"name": "a", "kfl": "http"}, {"name": "b", "kfl": "redis"}, {"name": "mine", "kfl": "http"}]
    service.configure(wanted, later_ns)
    jobs = {job.name: job for job in service.jobs.all}
    service.close()
    assert jobs["a"].created_ns == NOW_NS
    assert (jobs["b"].kfl, jobs["b"].created_ns) == ("redis", later_ns)
    assert jobs["c"].plan.stopped_ns == later_ns
    assert jobs["mine"].kfl == ""
    assert (
        "Failed recording (mine) Error: recording 'mine': expected a name that is free, it was made by command"
        in told[-1]
    )
