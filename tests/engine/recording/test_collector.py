from __future__ import annotations

import gzip
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.counters import Counters
from engine.kfl.redaction import redaction
from engine.recorder import seal
from engine.recording import collector as module
from engine.recording.collector import Collector
from engine.recording.journal import NO_WORKER, Gap, Keep
from engine.recording.options import RecordingOptions
from engine.recording.policy import Policy
from engine.recording.profile import Facts
from engine.recording.sealing import Origin
from engine.recording.segment_bytes import Piece, read_packets
from engine.segments.copied import Copied, keep_sizes
from engine.segments.records import Records
from tests.support.audit import Recorded, audit, objects_ready, records_in
from tests.support.data_folder import NS, START_NS, DataFolder
from tests.support.disk import file_size_limit

RUN = "20261120T103000Z-a1b2c3d4"
NOW_NS = 1_795_170_600 * NS  # 10:30 UTC
OPTIONS = RecordingOptions()


@pytest.fixture
def data(tmp_path: Path) -> Iterator[DataFolder]:
    folder = DataFolder(tmp_path / "data", segment_bytes=65536)
    yield folder
    folder.close()


def open_collector(
    data: DataFolder, options: RecordingOptions = OPTIONS, counters: Counters | None = None
) -> Collector:
    return Collector(data.root, RUN, options, counters or Counters())


def seal_all(collector: Collector, data: DataFolder) -> None:
    """What the recorder does at its end, without threads."""
    batches = [state.id for state in collector.batches.filled()]
    if batches:
        collector.freeze(batches, Facts("1.0"))
    for state in collector.batches.frozen():
        seal(data.root, state, Origin("local", "n1"), "recordings")
        collector.remove(state.id)


def recorded(data: DataFolder) -> dict[str, Recorded]:
    return audit(objects_ready(data.root / "outbox"))


def run_once(data: DataFolder, options: RecordingOptions = OPTIONS) -> dict[str, Recorded]:
    collector = open_collector(data, options)
    collector.collect(NOW_NS)
    seal_all(collector, data)
    collector.close()
    return recorded(data)


def test_a_kept_stream_is_recorded_and_another_is_not(data: DataFolder) -> None:
    data.capture([(1, START_NS, 60), (2, START_NS + 1, 60), (1, START_NS + 2, 90)])
    data.item(1, START_NS)
    data.item(2, START_NS)
    data.worker.keep(1, "r", 0, 0)
    found = run_once(data)["r"]
    assert found.packets == data.wanted({1: 0})
    assert [item["id"] for item in found.items] == data.wanted_items({1: 0})
    (row,) = found.rows
    assert (row["stream"], row["client"], row["server"]) == ("000000000001.pcap", "10.0.0.1:40000", "10.0.0.2:80")
    assert (row["packets"], row["bytes"], row["start"], row["end"]) == (2, 150, START_NS, START_NS + 2)


def test_only_packets_and_items_from_the_wished_time_on_are_recorded(data: DataFolder) -> None:
    data.capture([(1, START_NS + n, 60) for n in range(10)])
    for n in range(10):
        data.item(1, START_NS + n)
    data.worker.keep(1, "r", START_NS + 4, 0)
    found = run_once(data)["r"]
    assert found.packets == data.wanted({1: START_NS + 4})
    assert sorted(item["id"] for item in found.items) == data.wanted_items({1: START_NS + 4})
    assert len(found.packets) == len(found.items) == 6


def test_a_wish_for_an_earlier_time_adds_only_what_was_missing(data: DataFolder) -> None:
    collector = open_collector(data)
    data.capture([(1, START_NS + n, 60) for n in range(10)])
    for from_ns in (START_NS + 7, START_NS + 3, START_NS + 5, 0, 0):
        data.worker.keep(1, "r", from_ns, 0)
        collector.collect(NOW_NS)
    data.capture([(1, START_NS + 10, 60)])
    collector.collect(NOW_NS)
    seal_all(collector, data)
    collector.close()
    assert recorded(data)["r"].packets == data.wanted({1: 0})


def test_a_stream_is_followed_over_batches_and_no_packet_is_in_two(data: DataFolder) -> None:
    collector = open_collector(data)
    data.broker.keep(1, "r", 0, 0)
    for n in range(4):
        data.capture([(1, START_NS + n, 60), (2, START_NS + n, 60)])
        data.item(1, START_NS + n)
        data.broker.seal("r", 0)
        collector.collect(NOW_NS)
        assert collector.batches.due(NOW_NS) == {f"{RUN}-{n + 1:08d}": "asked"}
        seal_all(collector, data)
    collector.close()
    found = recorded(data)["r"]
    assert found.packets == data.wanted({1: 0})
    assert [manifest["packets"] for manifest in found.manifests] == [1, 1, 1, 1]


def test_a_stream_is_followed_while_it_is_silent_and_its_segments_are_gone(data: DataFolder) -> None:
    collector = open_collector(data)
    data.worker.keep(1, "r", 0, 0)
    data.capture([(1, START_NS, 60)])
    collector.collect(NOW_NS)
    for _ in range(3):
        data.now_s += 100
        data.expire()
        collector.collect(NOW_NS)
    assert data.segments() == 0
    data.capture([(1, START_NS + 1, 60)])
    collector.collect(NOW_NS)
    seal_all(collector, data)
    collector.close()
    assert recorded(data)["r"].packets == data.wanted({1: 0})


def test_a_stream_that_ended_is_forgotten_once_nothing_of_it_is_left(data: DataFolder) -> None:
    collector = open_collector(data)
    data.worker.keep(1, "r", 0, 0)
    data.capture([(1, START_NS, 60), (2, START_NS, 60)])
    data.end(1)
    collector.collect(NOW_NS)
    assert list(collector._ledger.kept) == [1]
    for _ in range(3):
        data.now_s += 100
        data.expire()
        collector.collect(NOW_NS)
    assert collector._ledger.kept == {}
    seal_all(collector, data)
    collector.close()
    (row,) = recorded(data)["r"].rows
    assert row["state"] == "closed"


def test_the_worker_is_told_what_was_copied_and_may_delete_it(data: DataFolder) -> None:
    collector = open_collector(data)
    data.capture([(1, START_NS, 60)])
    data.item(1, START_NS)
    data.worker.keep(1, "r", 0, 0)
    assert not Copied.read(data.root).knows(keep_sizes(data.root))
    collector.collect(NOW_NS)
    copied = Copied.read(data.root)
    assert copied.knows(keep_sizes(data.root))
    assert (copied.segments, copied.items, copied.at_ns) == ({"1": 32}, {"1": 40}, NOW_NS)
    assert not collector.collect(NOW_NS)
    collector.close()


def test_two_recordings_of_a_stream_both_have_it(data: DataFolder) -> None:
    data.capture([(1, START_NS + n, 60) for n in range(5)])
    data.worker.keep(1, "all of it", 0, 0)
    data.broker.keep(1, "a/part", START_NS + 2, 0)
    found = run_once(data)
    assert found["all of it"].packets == data.wanted({1: 0})
    assert found["a/part"].packets == data.wanted({1: START_NS + 2})


def test_several_link_types_are_one_batch_in_the_form_that_can_hold_them(data: DataFolder) -> None:
    for stream, link_type in ((1, 1), (2, 101), (1, 1)):
        data.capture([(stream, START_NS, 60)], link_type)
        data.item(stream, START_NS)
        data.worker.keep(stream, "r", 0, 0)
    found = run_once(data)["r"]
    (manifest,) = found.manifests
    assert (manifest["link_type"], manifest["link_types"], manifest["items"]) == (None, [1, 101], 3)
    assert manifest["files"]["pcap"]["name"].endswith(".pcapng.gz")
    assert found.packets == data.wanted({1: 0, 2: 0})


def gap(worker: int, from_ns: int, to_ns: int, packets: int = 0) -> Gap:
    return Gap(worker, "ring_full" if packets else "worker_died", from_ns, to_ns, packets)


def test_a_gap_stands_in_the_next_manifest_of_every_recording_and_in_no_other(data: DataFolder) -> None:
    collector = open_collector(data)
    data.worker.gap(gap(0, START_NS - 20, START_NS - 10))  # before anything was recorded
    for recording in "ab":
        data.worker.keep(1, recording, 0, 0)
    data.capture([(1, START_NS, 60)])
    collector.collect(NOW_NS)
    died, full = gap(1, START_NS + 1, START_NS + 5), gap(0, START_NS + 5, START_NS + 9, packets=7)
    for one in (died, full):
        data.worker.gap(one)
    collector.collect(NOW_NS)
    seal_all(collector, data)
    collector.close()
    collector = open_collector(data)
    data.capture([(1, START_NS + 10, 60)])
    collector.collect(NOW_NS)
    seal_all(collector, data)
    collector.close()
    for found in recorded(data).values():
        first, second = sorted(found.manifests, key=lambda manifest: manifest["first_packet_ns"])
        assert [Gap(**each) for each in first["gaps"]] == [died, full]
        assert (first["lost"]["ring_full"], second["lost"]["ring_full"], second["gaps"]) == (7, 0, [])


def test_packets_lost_again_and_again_are_one_gap_that_grows(data: DataFolder) -> None:
    data.worker.keep(1, "r", 0, 0)
    data.capture([(1, START_NS, 60)])
    for step in range(600):
        data.worker.gap(gap(0, START_NS + step, START_NS + step + 1, packets=2))
    (manifest,) = run_once(data)["r"].manifests
    assert [(each["from_ns"], each["to_ns"]) for each in manifest["gaps"]] == [(START_NS, START_NS + 600)]
    assert manifest["lost"]["ring_full"] == 1200


def test_what_found_no_room_is_told_with_its_time_and_summed_up(data: DataFolder) -> None:
    """What concerns one recording in its manifest alone; kinds that take turns are a gap each, not one per step."""
    for recording in "ab":
        data.worker.keep(1, recording, 0, 0)
    data.capture([(1, START_NS, 60)])
    for step in range(300):
        ends = START_NS + step, START_NS + step + 1
        data.worker.gap(Gap(0, "packets_not_stored", *ends, packets=3))
        data.worker.gap(Gap(0, "items_not_stored", *ends, items=2))
        data.worker.gap(Gap(0, "streams_not_kept", *ends, streams=1, recording="a"))
    found = run_once(data)
    (first,), (second,) = found["a"].manifests, found["b"].manifests
    told = {"from_ns": START_NS, "to_ns": START_NS + 300}
    packets = {"worker": 0, "reason": "packets_not_stored", **told, "packets": 900}
    items = {"worker": 0, "reason": "items_not_stored", **told, "packets": 0, "items": 600}
    streams = {"worker": 0, "reason": "streams_not_kept", **told, "packets": 0, "streams": 300}
    assert first["gaps"] == [packets, items, streams]
    assert second["gaps"] == [packets, items]
    lost = {"ring_full": 0, "storage_full": 0, "packets_not_stored": 900, "items_not_stored": 600}
    assert (first["lost"], second["lost"]) == ({**lost, "streams_not_kept": 300}, lost)


def test_what_a_job_missed_stands_in_its_next_manifest_once(data: DataFolder) -> None:
    missed = [Gap(NO_WORKER, "missed_start", 5, 10)]
    data.worker.keep(1, "r", 0, 0)
    told = []
    for batch in range(3):
        collector = open_collector(data)
        data.capture([(1, START_NS + batch, 60)])
        collector.collect(NOW_NS)
        collector.freeze([state.id for state in collector.batches.filled()], Facts("1.0", missed=lambda _: missed))
        for state in collector.batches.frozen():
            assert state.sealing is not None
            told.append([(gap.reason, gap.from_ns, gap.to_ns) for gap in state.sealing.gaps])
            seal(data.root, state, Origin("local", "n1"), "recordings")
            collector.remove(state.id)
        collector.close()
        if batch == 1:
            missed.append(Gap(NO_WORKER, "no_instance", 20, 30))
    assert told == [[("missed_start", 5, 10)], [], [("no_instance", 20, 30)]]
    workers = [each["worker"] for manifest in recorded(data)["r"].manifests for each in manifest["gaps"]]
    assert workers == [None, None]


def test_packets_out_of_order_are_sealed_in_time_order_and_equal_times_as_captured(data: DataFolder) -> None:
    times = [5, 3, 9, 3, 3, 1]
    data.capture([(1, START_NS + time, 60) for time in times])
    data.worker.keep(1, "r", 0, 0)
    run_once(data)
    (pcap,) = [content for name, content in objects_ready(data.root / "outbox").items() if "/pcap/" in name]
    assert records_in(gzip.decompress(pcap)[24:]) == sorted(data.packets[1], key=lambda packet: packet[0])


def test_a_batch_that_grows_full_within_one_pass_is_followed_by_another(data: DataFolder) -> None:
    for n in range(40):
        data.now_s += 6  # a segment each
        data.capture([(1, START_NS + n * 10 + k, 1000) for k in range(10)])
    data.worker.keep(1, "r", 0, 0)
    found = run_once(data, RecordingOptions(batch_bytes=50_000))["r"]
    assert found.packets == data.wanted({1: 0})
    assert [manifest["packets"] for manifest in found.manifests] == [50] * 8


def test_an_hour_ends_every_batch(data: DataFolder) -> None:
    collector = open_collector(data)
    data.worker.keep(1, "r", 0, 0)
    hour_ns = 3600 * NS
    for n, now_ns in enumerate((NOW_NS, NOW_NS + hour_ns // 2 - 1, NOW_NS + hour_ns // 2)):
        data.capture([(1, START_NS + n, 60)])
        collector.collect(now_ns)
    assert collector.batches.due(NOW_NS + hour_ns // 2) == {f"{RUN}-00000001": "hour"}
    seal_all(collector, data)
    collector.close()
    names = [name for name in objects_ready(data.root / "outbox") if "/manifest/" in name]
    assert [name.split("/")[3:5] for name in sorted(names)] == [
        ["dt=2026-11-20", "hour=10"],
        ["dt=2026-11-20", "hour=11"],
    ]


def test_age_and_size_make_a_batch_due(data: DataFolder) -> None:
    collector = open_collector(data, RecordingOptions(batch_interval_s=60, batch_bytes=1000))
    data.worker.keep(1, "old", 0, 0)
    data.worker.keep(2, "large", 0, 0)
    data.capture([(1, START_NS, 60), (2, START_NS, 1000)])
    collector.collect(NOW_NS)
    assert list(collector.batches.due(NOW_NS + 60 * NS - 1).values()) == ["size"]
    assert sorted(collector.batches.due(NOW_NS + 60 * NS).values()) == ["age", "size"]
    assert list(collector.batches.due(NOW_NS - 5 * NS).values()) == ["size"]
    collector.close()


def test_nothing_is_sealed_where_nothing_was_copied(data: DataFolder) -> None:
    data.worker.keep(77, "r", 0, 0)
    data.worker.seal("r", 0)
    collector = open_collector(data)
    collector.collect(NOW_NS)
    assert collector.batches.due(NOW_NS + 7200 * NS) == {}
    seal_all(collector, data)
    collector.close()
    assert not (data.root / "outbox" / "ready").exists()


def test_above_the_limit_new_streams_are_refused_and_counted_and_old_ones_go_on(
    data: DataFolder, caplog: pytest.LogCaptureFixture
) -> None:
    counters = Counters()
    collector = open_collector(data, RecordingOptions(limit_bytes=3000), counters)
    data.worker.keep(1, "r", 0, 0)
    data.capture([(1, START_NS, 4000), (2, START_NS, 60), (3, START_NS, 60)])
    collector.collect(NOW_NS)
    later_ns = NOW_NS + 10 * NS
    for stream in (2, 3, 2):
        data.broker.keep(stream, "r", 0, 0)
        collector.collect(later_ns)
    data.capture([(1, START_NS + 1, 60), (2, START_NS + 1, 60)])
    collector.collect(later_ns)
    seal_all(collector, data)
    collector.close()
    found = recorded(data)["r"]
    assert found.packets == data.wanted({1: 0})
    assert found.manifests[0]["lost"] == {"ring_full": 0, "storage_full": 2}
    wanted, kept = counters.get("recorder_streams_wanted_total"), counters.get("recorder_streams_kept_total")
    assert (wanted, kept, counters.dropped("recorder")) == (3, 1, 2)
    assert [record.levelname for record in caplog.records if "recording_limit_reached" in record.message] == ["ERROR"]


def test_a_refused_stream_is_kept_when_it_is_asked_for_again_and_there_is_room(data: DataFolder) -> None:
    data.capture([(2, START_NS, 60)])
    data.broker.keep(2, "r", 0, 0)
    full = open_collector(data, RecordingOptions(limit_bytes=0))
    full.collect(NOW_NS)
    full.close()
    data.broker.keep(2, "r", 0, 0)
    assert run_once(data)["r"].packets == data.wanted({2: 0})


def test_a_lost_commit_log_puts_open_batches_aside_and_deletes_nothing(data: DataFolder) -> None:
    collector = open_collector(data)
    data.worker.keep(1, "r", 0, 0)
    data.capture([(1, START_NS, 60)])
    collector.collect(NOW_NS)
    collector.close()
    (data.root / "outbox" / "open" / "passes.log").unlink()
    assert run_once(data)["r"].packets == data.wanted({1: 0})
    (dead,) = (data.root / "outbox" / "dead").iterdir()
    assert sorted(path.name for path in dead.iterdir()) == ["index", "packets", "reason.txt", "streams"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_a_model_of_wishes_and_traffic_agrees_wherever_the_collector_is_replaced(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    data = DataFolder(tmp_path / "data", segment_bytes=65536, pcap_ttl_s=2.0, json_ttl_s=1e9)
    options = RecordingOptions(batch_bytes=chance.choice([2_000, 20_000, 1 << 20]), batch_interval_s=30)
    collector, now_ns, time_ns = open_collector(data, options), NOW_NS, START_NS
    kept: dict[str, dict[int, int]] = {}
    leased: set[int] = set()
    for _ in range(chance.randrange(20, 60)):
        action = chance.random()
        now_ns += chance.randrange(5 * NS)
        data.now_s += chance.random() * 4
        if action < 0.5:
            streams = [chance.randrange(1, 9) for _ in range(chance.randrange(1, 12))]
            time_ns += 1000
            data.capture([(s, time_ns + chance.randrange(900), chance.randrange(16, 400)) for s in streams])
            for stream in set(streams) - leased:
                data.lease(stream)  # what may be asked for is there: that is what leases promise
                leased.add(stream)
            data.item(streams[0], time_ns)
        elif action < 0.75:
            stream, recording = chance.randrange(1, 9), chance.choice("ab")
            from_ns = chance.choice([0, 0, time_ns, time_ns - 5000])
            chance.choice([data.worker, data.broker]).keep(stream, recording, from_ns, 0)
            of = kept.setdefault(recording, {})
            of[stream] = min(from_ns, of.get(stream, from_ns))
        elif action < 0.9:
            collector.collect(now_ns)
            data.expire()
        elif action < 0.95:
            seal_all(collector, data)
        else:
            collector.close()
            collector = open_collector(data, options)
    collector.collect(now_ns)
    seal_all(collector, data)
    collector.close()
    ready = (data.root / "outbox" / "ready").exists()
    found = recorded(data) if ready else {}
    for recording in "ab":
        result = found.get(recording, Recorded())
        assert result.packets == data.wanted(kept.get(recording, {}))
        assert sorted(item["id"] for item in result.items) == data.wanted_items(kept.get(recording, {}))
    data.close()


@pytest.mark.parametrize("more", [0, 20])
@pytest.mark.parametrize("room", range(0, 2000, 100))
def test_a_disk_that_fills_up_anywhere_costs_nothing_once_there_is_room(data: DataFolder, room: int, more: int) -> None:
    collector = open_collector(data)
    data.worker.keep(1, "r", 0, 0)
    for n in range(more):  # a batch that is open already
        data.capture([(1, START_NS + n, 60)])
        data.item(1, START_NS + n)
        collector.collect(NOW_NS)
    data.capture([(1, START_NS + more + n, 60) for n in range(10)])
    data.item(1, START_NS)
    with file_size_limit(room + more * 80):
        try:
            collector.collect(NOW_NS)
            seal_all(collector, data)
        except OSError as error:
            assert "too large" in str(error)  # noqa: PT017 - for some of the rooms everything fits
    collector.close()
    again = open_collector(data)
    again.collect(NOW_NS)
    seal_all(again, data)
    again.close()
    found = recorded(data)["r"]
    assert found.packets == data.wanted({1: 0})
    assert sorted(item["id"] for item in found.items) == data.wanted_items({1: 0})


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_streams_that_were_rescued_are_recorded_whole_and_once(tmp_path: Path, seed: int) -> None:
    """Little room, leased streams in every segment, wishes before and after their packets moved."""
    chance = random.Random(seed)
    data = DataFolder(tmp_path / "data", segment_bytes=4096, pcap_ttl_s=2.0, json_ttl_s=1e9)
    collector, time_ns, kept = open_collector(data), START_NS, dict[int, int]()
    for stream in range(1, 7):
        data.lease(stream)
    for step in range(120):
        bulk = [(100 + step, time_ns + n, 300) for n in range(5)]
        few = [(chance.randrange(1, 7), time_ns + 10, 60)] if step % 3 == 0 else []
        data.capture(few + bulk)
        time_ns, data.now_s = time_ns + 1000, data.now_s + 1.0
        if chance.random() < 0.05:
            stream, from_ns = chance.randrange(1, 7), chance.choice([0, 0, time_ns, time_ns - 50_000])
            data.broker.keep(stream, "r", from_ns, 0)
            kept[stream] = min(from_ns, kept.get(stream, from_ns))
        if chance.random() < 0.8:
            collector.collect(NOW_NS)
        if chance.random() < 0.05:
            collector.close()
            collector = open_collector(data)
        data.expire()
    assert data.counters.get("segments_rescued_total") > 3
    assert not data.counters.dropped("segments")
    for stream in range(1, 7):
        data.broker.keep(stream, "r", 0, 0)
    collector.collect(NOW_NS)
    seal_all(collector, data)
    collector.close()
    assert recorded(data)["r"].packets == data.wanted(dict.fromkeys(range(1, 7), 0))
    data.close()


def test_a_stream_that_is_rescued_while_its_wish_is_read_is_recorded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index of the segment was read, then the packets moved, then the packets are looked for."""
    tight = DataFolder(tmp_path / "data", segment_bytes=4096, pcap_ttl_s=0.0)
    tight.lease(1)
    step = 0
    while tight._shelf.size_bytes <= 4096 * 28:
        tight.capture(
            [(1, START_NS + step * 10, 60), *((100 + step, START_NS + step * 10 + n, 300) for n in range(1, 6))]
        )
        step += 1
    tight.now_s = 100.0
    collector = open_collector(tight)
    collector.collect(NOW_NS)

    def read_after_rescue(folder: Path, number: int, extents: Records) -> Piece | None:
        monkeypatch.setattr(module, "read_packets", read_packets)
        tight.expire()
        return read_packets(folder, number, extents)

    copied, sizes = Copied.read(tight.root), keep_sizes(tight.root)
    monkeypatch.setattr(module, "read_packets", read_after_rescue)
    monkeypatch.setattr("tests.support.data_folder.Copied.read", lambda _: copied)
    monkeypatch.setattr("tests.support.data_folder.keep_sizes", lambda _: sizes)
    tight.broker.keep(1, "r", 0, 0)
    collector.collect(NOW_NS)
    assert tight.counters.get("segments_rescued_total")
    seal_all(collector, tight)
    collector.close()
    assert recorded(tight)["r"].packets == tight.wanted({1: 0})
    tight.close()


def with_policy(data: DataFolder, policy: Policy) -> Recorded:
    collector = Collector(data.root, RUN, OPTIONS, Counters(), policies=lambda _: policy)
    collector.collect(NOW_NS)
    seal_all(collector, data)
    collector.close()
    return recorded(data)["r"]


def test_a_recording_of_items_alone_has_no_packets(data: DataFolder) -> None:
    data.capture([(1, START_NS, 60)])
    data.item(1, START_NS)
    data.worker.keep(1, "r", 0, 0)
    found = with_policy(data, Policy(packets=False))
    assert found.packets == []
    assert [item["id"] for item in found.items] == data.wanted_items({1: 0})


def test_what_is_redacted_is_on_no_disk_of_ours_but_the_segments(data: DataFolder) -> None:
    data.capture([(1, START_NS, 60)])
    data.item(1, START_NS)
    data.item(1, START_NS, damaged=b"\xc1 not msgpack")
    data.worker.keep(1, "r", 0, 0)
    policy = Policy(False, (redaction("request.n"),))
    collector = Collector(data.root, RUN, OPTIONS, Counters(), policies=lambda _: policy)
    collector.collect(NOW_NS)
    (opened,) = (data.root / "outbox" / "open").glob("*/items")
    assert b"[REDACTED]" in opened.read_bytes()
    seal_all(collector, data)
    collector.close()
    (item,) = recorded(data)["r"].items
    assert item["request"] == {"n": "[REDACTED]"}
    assert item["record"] == "r"


def test_a_limit_holds_over_all_workers_and_a_kill(data: DataFolder) -> None:
    data.capture([(n, START_NS, 60) for n in range(1, 9)])
    for n in range(1, 5):
        data.worker.keep_all([Keep(n, "r", 0, 0, 3, 0)])
    open_collector(data).collect(NOW_NS)
    data.broker.keep_all([Keep(5, "r", 0, 0, 3, 0), Keep(6, "r", 0, 0, 3, 1), Keep(7, "other", 0, 0)])
    found = run_once(data)
    assert {packet[1][7] for packet in found["r"].packets} == {1, 2, 3, 6}
    assert len(found["other"].packets) == 1


def test_totals_of_a_recording_are_what_its_batches_hold_also_after_a_kill(data: DataFolder) -> None:
    collector = open_collector(data)
    for n in range(3):
        data.capture([(1, START_NS + n, 60), (2, START_NS + n, 90)])
        data.item(1, START_NS + n)
        data.worker.keep(1, "r", 0, 0)
        collector.collect(NOW_NS + n)
        collector.close()
        collector = open_collector(data)
    seal_all(collector, data)
    collector.close()
    totals = open_collector(data).totals["r"]
    assert (totals.streams, totals.packets, totals.packet_bytes, totals.items) == (1, 3, 180, 3)
    assert (totals.batches, totals.last_ns) == (1, NOW_NS + 2)


def test_a_released_recording_gets_nothing_more_and_its_open_batch_is_gone(data: DataFolder) -> None:
    collector = open_collector(data)
    data.capture([(1, START_NS, 60), (2, START_NS, 60)])
    data.worker.keep(1, "r", 0, 0)
    data.worker.keep(1, "s", 0, 0)
    data.worker.keep(2, "r", 0, 0)
    collector.collect(NOW_NS)
    collector.release("r")
    data.capture([(1, START_NS + 1, 60), (2, START_NS + 1, 60)])
    collector.collect(NOW_NS)
    assert "r" not in collector.totals
    collector.close()
    collector = open_collector(data)
    seal_all(collector, data)
    collector.close()
    found = recorded(data)
    assert found.keys() == {"s"}
    assert found["s"].packets == data.wanted({1: 0})
