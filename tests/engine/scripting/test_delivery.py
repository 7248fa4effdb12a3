"""The worker's side of script hosts, held against a host that speaks raw frames."""

from __future__ import annotations

import mmap
import os
import random
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from engine.counters import Counters
from engine.frames.host import (
    ACKNOWLEDGEMENT,
    ENTRY_HEADER,
    FRAME_HEADER,
    KIND_ITEMS,
    KIND_PACKETS,
    MAX_FRAME_ENTRIES,
    PROGRESS,
)
from engine.scripting.delivery import AHEAD_ENTRIES, Delivery
from engine.scripting.line import Line
from engine.scripting.options import ScriptOptions

ITEM = "onItemCaptured"
encode = msgspec.msgpack.encode


class Leases:
    """A model of leases: how often each stream is held."""

    def __init__(self) -> None:
        self.held: Counter[int] = Counter()

    def lease(self, stream_id: int) -> None:
        self.held[stream_id] += 1

    def release(self, stream_id: int) -> None:
        assert self.held[stream_id] > 0, "released more often than taken"
        self.held[stream_id] -= 1


class RawHost:
    """The other end of a line, moved by hand."""

    numbers = 0

    def __init__(self, worker: int = 0) -> None:
        RawHost.numbers += 1
        ours, self.socket = socket.socketpair()
        progress_fd = os.memfd_create("progress")
        os.ftruncate(progress_fd, mmap.PAGESIZE)
        self.progress = mmap.mmap(progress_fd, mmap.PAGESIZE)
        self.line = Line(RawHost.numbers, os.getpid(), ours.detach(), progress_fd, 0.0, worker)
        self.socket.setblocking(False)
        self._data = b""
        self.dropped = self.waiting = 0
        """As the frame before says."""

    def frame(self) -> tuple[int, int, list[bytes]] | None:
        """``(kind, sequence, entries)`` of the next whole frame."""
        try:
            while data := self.socket.recv(1 << 20):
                self._data += data
        except BlockingIOError:
            pass
        if len(self._data) < FRAME_HEADER.size:
            return None
        length, kind, count, sequence, self.dropped, self.waiting = FRAME_HEADER.unpack_from(self._data)
        if len(self._data) < length + 4:
            return None
        body, self._data = self._data[FRAME_HEADER.size : length + 4], self._data[length + 4 :]
        entries = []
        for _ in range(count):
            (size,) = ENTRY_HEADER.unpack_from(body)
            entries.append(body[4 : 4 + size])
            body = body[4 + size :]
        assert body == b""
        return kind, sequence, entries

    def acknowledge(self, sequence: int, done: int, errors: int = 0, matched: int = 0, aborted: int = 0) -> None:
        self.socket.send(ACKNOWLEDGEMENT.pack(sequence, done, errors, aborted, matched, 0))

    def started(self, count: int, worker: int = 0) -> None:
        PROGRESS.pack_into(self.progress, PROGRESS.size * worker, count)

    def close(self) -> None:
        self.socket.close()
        self.progress.close()


class Scene:
    """A delivery with its model of leases and what it asked to kill."""

    def __init__(self, *, lossless: bool = True, queue_items: int = 8, **options: Any) -> None:
        self.leases, self.counters = Leases(), Counters()
        self.kills: list[tuple[int, str]] = []
        self.delivery = Delivery(
            ScriptOptions(queue_items=queue_items, **options),
            self.counters,
            self.leases,
            lossless=lossless,
            kill=lambda host, reason: self.kills.append((host, reason)),
        )
        self.hosts: list[RawHost] = []

    def host(
        self, script: str = "a.py", hooks: tuple[str, ...] = (ITEM,), worker: int = 0, filters: tuple[str, ...] = ()
    ) -> RawHost:
        host = RawHost(worker)
        self.hosts.append(host)
        self.delivery.attach(script, host.line, hooks, filters)
        return host

    def put_statuses(self, *statuses: int) -> None:
        """Items whose stream is their status."""
        items = [{"protocol": {"name": "http"}, "response": {"status": status}} for status in statuses]
        self.delivery.put_items([(status, encode(item), item) for status, item in zip(statuses, items, strict=True)])

    def put(self, *numbers: int) -> None:
        self.delivery.put(KIND_ITEMS, ITEM, [(number, b"item %d" % number) for number in numbers])

    def sums_up(self) -> bool:
        """In = out + dropped + still here."""
        total = self.counters.get("scripts_entries_total")
        here = self.delivery.depth() + sum(len(line.under_way) - line._done for line in self.delivery.lines())
        said = self.counters.get("scripts_delivered_total") + self.counters.dropped("scripts") + here
        return total == said and all(self._adds_up(name) for name in ("entries", "delivered", "errors", "dropped"))

    def _adds_up(self, name: str) -> bool:
        """The parts of the scripts are what all of them say together."""
        totals = self.counters.snapshot().items()
        parts = sum(count for counter, count in totals if counter.startswith(f"script_{name}_total{{"))
        return parts == sum(count for counter, count in totals if counter.startswith(f"scripts_{name}_total"))


@pytest.fixture
def new_scene() -> Iterator[Callable[..., Scene]]:
    """Makes scenes, which are closed afterwards."""
    scenes: list[Scene] = []

    def make(**options: Any) -> Scene:
        scenes.append(Scene(**options))
        return scenes[-1]

    yield make
    for scene in scenes:
        for host in scene.hosts:
            host.close()
        for line in list(scene.delivery.lines()):
            line.close()


@pytest.fixture
def scene(new_scene: Callable[..., Scene]) -> Scene:
    return new_scene()


def test_an_idle_host_gets_its_items_at_once_and_the_rest_after_its_answer(scene: Scene) -> None:
    host = scene.host()
    scene.put(1)
    scene.delivery.flush(0.0)
    scene.put(2, 3)
    scene.delivery.flush(0.0)
    assert host.frame() == (KIND_ITEMS, 1, [b"item 1"])
    assert host.frame() is None
    host.acknowledge(1, 1)
    scene.delivery.readable(host.line, 0.0)
    scene.delivery.flush(0.0)
    assert host.frame() == (KIND_ITEMS, 2, [b"item 2", b"item 3"])


def many(first: int, count: int) -> range:
    return range(first, first + count)


def entries(numbers: range) -> list[bytes]:
    return [b"item %d" % number for number in numbers]


def test_what_is_much_leaves_behind_the_frame_that_the_host_works_on(new_scene: Callable[..., Scene]) -> None:
    scene = new_scene(queue_items=1000)
    host = scene.host()
    scene.put(1)
    scene.delivery.flush(0.0)
    scene.put(*many(2, AHEAD_ENTRIES - 1))
    scene.delivery.flush(0.0)
    assert [host.frame(), host.frame()] == [(KIND_ITEMS, 1, [b"item 1"]), None]
    scene.put(*many(AHEAD_ENTRIES + 1, 1))
    scene.delivery.flush(0.0)
    assert host.frame() == (KIND_ITEMS, 2, entries(many(2, AHEAD_ENTRIES)))
    scene.put(*many(1000, 500))
    scene.delivery.flush(0.0)
    assert host.frame() is None
    host.acknowledge(1, 1)
    scene.delivery.readable(host.line, 0.0)
    scene.delivery.flush(0.0)
    assert host.frame() == (KIND_ITEMS, 3, entries(many(1000, MAX_FRAME_ENTRIES)))
    assert scene.sums_up()


def test_of_two_frames_the_second_cannot_be_acknowledged_first(new_scene: Callable[..., Scene]) -> None:
    scene = new_scene(queue_items=1000)
    host = scene.host()
    scene.put(*many(1, MAX_FRAME_ENTRIES + AHEAD_ENTRIES))
    scene.delivery.flush(0.0)
    host.acknowledge(2, 1)
    scene.delivery.readable(host.line, 0.0)
    assert scene.kills == [
        (
            host.line.host,
            "broke the protocol: expected an acknowledgement of frame 1, entry 1 to 256, got frame 2, entry 1",
        )
    ]


@pytest.mark.parametrize("started", [300, 256, 100])
def test_a_host_that_dies_with_two_frames_abandons_the_running_item_of_either(
    started: int, new_scene: Callable[..., Scene]
) -> None:
    scene = new_scene(queue_items=1000)
    host = scene.host()
    numbers = many(1, MAX_FRAME_ENTRIES + AHEAD_ENTRIES)
    scene.put(*numbers)
    scene.delivery.flush(0.0)
    host.acknowledge(1, 90)
    scene.delivery.readable(host.line, 0.0)
    host.started(started)
    host.close()
    scene.delivery.readable(host.line, 0.0)
    scene.delivery.detach("a.py", host.line.host, successor=True)
    successor = scene.host()
    scene.delivery.flush(0.0)
    again: list[bytes] = []
    while frame := successor.frame():
        again += frame[2]
    assert again == [blob for blob in entries(numbers)[90:] if blob != b"item %d" % started]
    assert scene.counters.dropped("scripts") == 1
    assert scene.sums_up()


def test_a_lease_lasts_from_enqueue_to_the_acknowledgement_of_its_entry(scene: Scene) -> None:
    host = scene.host()
    scene.put(1, 2)
    assert scene.leases.held == {1: 1, 2: 1}
    scene.delivery.flush(0.0)
    host.acknowledge(1, 1)
    scene.delivery.readable(host.line, 0.0)
    assert scene.leases.held == {1: 0, 2: 1}
    assert not scene.delivery.idle()
    host.acknowledge(1, 2, errors=1, matched=1)
    scene.delivery.readable(host.line, 0.0)
    assert scene.leases.held == {1: 0, 2: 0}
    assert scene.delivery.idle()
    assert (scene.counters.get("scripts_errors_total"), scene.counters.get("scripts_matched_total")) == (1, 1)


def test_when_a_host_dies_the_running_item_is_abandoned_and_the_rest_goes_to_its_successor_in_order(
    scene: Scene,
) -> None:
    host = scene.host()
    scene.put(1, 2, 3, 4)
    scene.delivery.flush(0.0)
    scene.put(5)
    host.acknowledge(1, 1)
    scene.delivery.readable(host.line, 0.0)
    host.started(2)  # item 2 is running
    host.close()
    scene.delivery.readable(host.line, 0.0)
    assert scene.leases.held == {1: 0, 2: 0, 3: 1, 4: 1, 5: 1}
    scene.delivery.detach("a.py", host.line.host, successor=True)
    successor = scene.host()
    scene.delivery.flush(0.0)
    assert successor.frame() == (KIND_ITEMS, 1, [b"item 3", b"item 4", b"item 5"])
    assert scene.counters.dropped("scripts") == 1
    assert scene.sums_up()


@pytest.mark.parametrize("lie", [0, 2**63, 2**64 - 1], ids=["nothing", "huge", "minus one"])
def test_a_lying_progress_page_only_moves_the_blame_within_the_frame(scene: Scene, lie: int) -> None:
    host = scene.host()
    scene.put(1, 2, 3)
    scene.delivery.flush(0.0)
    host.started(lie)
    host.close()
    scene.delivery.readable(host.line, 0.0)
    assert scene.sums_up()
    assert scene.delivery.depth() in (2, 3)


def test_without_a_successor_items_are_dropped_counted_and_their_leases_returned(scene: Scene) -> None:
    host = scene.host()
    scene.put(1, 2, 3)
    scene.delivery.flush(0.0)
    scene.delivery.detach("a.py", host.line.host, successor=False)
    assert not +scene.leases.held
    assert scene.counters.dropped("scripts") == 3
    assert scene.delivery.idle()


def test_a_replaced_host_finishes_its_frame_and_the_new_one_gets_the_next(scene: Scene) -> None:
    old = scene.host()
    scene.put(1)
    scene.delivery.flush(0.0)
    new = scene.host()
    scene.put(2)
    scene.delivery.flush(0.0)
    assert new.frame() == (KIND_ITEMS, 1, [b"item 2"])
    old.acknowledge(1, 1)
    scene.delivery.readable(old.line, 0.0)
    old.frame()
    assert old.socket.recv(1) == b"", "the old host sees its end of input"


def test_a_lossless_source_is_asked_to_wait_and_a_live_one_loses_the_newest(scene: Scene) -> None:
    scene.host()
    scene.put(*range(1, 9))
    assert not scene.delivery.room()
    live = Scene(lossless=False)
    host = live.host()
    live.put(*range(1, 20))
    assert live.counters.dropped("scripts") == 11
    live.delivery.flush(0.0)
    frame = host.frame()
    assert frame is not None
    assert frame[2] == [b"item %d" % number for number in range(1, 9)]
    assert live.sums_up()
    host.line.close()
    host.close()


def test_a_lossless_script_gets_live_items_beyond_its_queue_as_long_as_there_is_memory(
    new_scene: Callable[..., Scene],
) -> None:
    scene = new_scene(lossless=False, queue_items=2, queue_bytes=50, scripts={"a": {"lossless": True}})
    patient, other = scene.host("a.py"), scene.host("b.py")
    scene.put(*range(1, 10))
    assert scene.delivery.depth() == 8 + 2  # of 6 bytes each: 48 of 50
    assert [scene.leases.held[number] for number in range(1, 10)] == [2, 2, 1, 1, 1, 1, 1, 1, 0]
    assert scene.counters.get("script_dropped_total{reason=script_queue_full,script=a.py}") == 1
    scene.delivery.flush(0.0)
    assert [len(host.frame()[2]) for host in (patient, other)] == [8, 2]  # type: ignore[index]  # both have a frame
    assert scene.sums_up()


def test_a_queue_is_bounded_in_bytes_too(new_scene: Callable[..., Scene]) -> None:
    scene = new_scene(lossless=False, queue_items=100, queue_bytes=20)
    scene.host()
    scene.put(*range(1, 5))
    assert scene.delivery.depth() == 3
    assert scene.sums_up()
    waits = new_scene(lossless=True, queue_items=100, queue_bytes=20)
    waits.host()
    waits.put(1, 2, 3)
    assert waits.delivery.room()
    waits.put(4)
    assert not waits.delivery.room()


def test_a_script_hears_with_each_frame_what_it_missed_and_what_waits(new_scene: Callable[..., Scene]) -> None:
    scene = new_scene(lossless=False, queue_items=2)
    host = scene.host()
    scene.put(1)
    scene.delivery.flush(0.0)
    assert host.frame() == (KIND_ITEMS, 1, [b"item 1"])
    assert (host.dropped, host.waiting) == (0, 0)
    scene.put(2, 3, 4, 5, 6)
    host.acknowledge(1, 1, errors=1, aborted=1)
    scene.delivery.readable(host.line, 0.0)
    scene.delivery.flush(0.0)
    assert host.frame() == (KIND_ITEMS, 2, [b"item 2", b"item 3"])
    assert (host.dropped, host.waiting) == (3, 0)
    assert scene.counters.get("script_soft_aborts_total{script=a.py}") == 1
    assert scene.counters.get("script_sent_total{script=a.py}") == 3


def test_aborts_beyond_the_errors_are_not_believed(scene: Scene) -> None:
    host = scene.host()
    scene.put(1)
    scene.delivery.flush(0.0)
    host.acknowledge(1, 1, errors=0, aborted=1_000_000)
    scene.delivery.readable(host.line, 0.0)
    assert scene.counters.get("scripts_soft_aborts_total") == 0


def test_budgets_of_one_script_are_its_own(new_scene: Callable[..., Scene]) -> None:
    scene = new_scene(scripts={"a.py": {"hook_wall_s": 5.0}})
    for script in ("a.py", "b.py"):
        host = scene.host(script)
        scene.put(1)
        scene.delivery.flush(0.0)
        host.started(1)
    scene.delivery.check_budgets(0.0)
    scene.delivery.check_budgets(6.0)
    assert [reason for _, reason in scene.kills] == ["a hook call took more than 5 s"]


def test_packets_hold_no_lease_and_never_share_a_frame_with_items(scene: Scene) -> None:
    host = scene.host(hooks=(ITEM, "onPacketCaptured"))
    scene.delivery.put(KIND_PACKETS, "onPacketCaptured", [(7, b"p1"), (7, b"p2")])
    scene.put(1)
    assert scene.leases.held == {1: 1}
    scene.delivery.flush(0.0)
    assert host.frame() == (KIND_PACKETS, 1, [b"p1", b"p2"])
    assert host.frame() is None


def statuses(host: RawHost) -> list[int]:
    """Of the items in its next frame."""
    frame = host.frame()
    return [msgspec.msgpack.decode(entry)["response"]["status"] for entry in frame[2]] if frame else []


def test_each_script_gets_what_one_of_its_filters_matches_and_leases_that_alone(scene: Scene) -> None:
    failures = scene.host("a.py", filters=("response.status >= 500",))
    either = scene.host("b.py", filters=("response.status == 404", "response.status == 500"))
    everything, packets = scene.host("c.py"), scene.host("d.py", hooks=("onPacketCaptured",), filters=("http",))
    scene.put_statuses(200, 404, 500)
    scene.delivery.flush(0.0)
    assert [statuses(host) for host in (failures, either, everything, packets)] == [
        [500], [404, 500], [200, 404, 500], []
    ]  # fmt: skip
    assert scene.leases.held == {200: 1, 404: 2, 500: 3}
    assert scene.counters.get("scripts_filtered_total") == 3
    assert scene.sums_up()


def test_what_waits_for_a_new_version_of_a_script_passes_its_filter_too(scene: Scene) -> None:
    first = scene.host("a.py")
    scene.put_statuses(200)
    scene.delivery.flush(0.0)
    scene.put_statuses(201, 500, 202, 503)
    second = scene.host("a.py", filters=("response.status >= 500",))
    scene.delivery.flush(0.0)
    assert (statuses(first), statuses(second)) == ([200], [500, 503])
    assert scene.counters.snapshot()["scripts_dropped_total{reason=script_replaced}"] == 2
    assert +scene.leases.held == {200: 1, 500: 1, 503: 1}
    assert scene.sums_up()


def test_a_filter_that_no_host_could_have_compiled_ends_the_host(scene: Scene) -> None:
    host = scene.host("a.py", filters=("http and",))
    assert [number for number, _ in scene.kills] == [host.line.host]


@pytest.mark.parametrize(("sequence", "done"), [(2, 1), (0, 0), (1, 3), (1, 2**32 - 1), (2**64 - 1, 0)], ids=str)
def test_an_acknowledgement_of_what_was_never_sent_ends_the_host(scene: Scene, sequence: int, done: int) -> None:
    host = scene.host()
    scene.put(1, 2)
    scene.delivery.flush(0.0)
    host.acknowledge(sequence, done)
    scene.delivery.readable(host.line, 0.0)
    ((number, reason),) = scene.kills
    assert number == host.line.host
    assert "broke the protocol" in reason


def test_a_hook_that_sleeps_is_over_its_budget_only_by_wall_time(scene: Scene) -> None:
    host = scene.host()
    scene.put(1, 2)
    scene.delivery.flush(100.0)
    host.started(1)
    scene.delivery.check_budgets(159.0)
    assert not scene.kills
    host.acknowledge(1, 1)
    scene.delivery.readable(host.line, 159.0)
    host.started(2)
    for now_s in (159.1, 200.0):
        scene.delivery.check_budgets(now_s)
        assert not scene.kills, "each call has its own minute"
    scene.delivery.check_budgets(220.0)
    assert scene.kills == [(host.line.host, "a hook call took more than 60 s")]


def test_the_minute_of_a_call_begins_with_it_and_not_with_the_job_before_it(scene: Scene) -> None:
    host = scene.host()
    scene.put(1)
    scene.delivery.flush(100.0)
    scene.delivery.check_budgets(400.0)
    host.started(1)
    for now_s in (400.1, 460.0):
        scene.delivery.check_budgets(now_s)
        assert not scene.kills
    scene.delivery.check_budgets(460.2)
    assert scene.kills == [(host.line.host, "a hook call took more than 60 s")]


def test_a_host_that_works_for_other_workers_is_waited_for(scene: Scene) -> None:
    host = scene.host()
    scene.put(1)
    scene.delivery.flush(0.0)
    for count in range(1, 5):
        host.started(count, worker=3)
        scene.delivery.check_budgets(600.0 * count)
        assert not scene.kills
    scene.delivery.check_budgets(2400.0 + 661.0)
    assert scene.kills == [(host.line.host, "no answer for 661 s")]


def test_each_worker_reads_its_own_count_of_what_was_begun(scene: Scene) -> None:
    host = scene.host(worker=2)
    scene.put(1, 2, 3)
    scene.delivery.flush(0.0)
    host.started(77, worker=0)
    host.started(2, worker=2)
    running, behind = host.line.unfinished()
    assert running is not None
    assert (running.stream, [entry.stream for entry in behind]) == (2, [1, 3])


def test_cpu_is_counted_per_hook_call(scene: Scene) -> None:
    host = scene.host()
    scene.put(1, 2)
    scene.delivery.flush(0.0)
    clock_ns = {"now": 0}

    def overdue() -> str:
        return host.line.overdue(1.0, 1.0, 60.0, 600.0, lambda _: clock_ns["now"])

    assert overdue() == "", "not begun: a job may be running"
    host.started(1)
    assert overdue() == ""
    clock_ns["now"] = 900_000_000
    assert overdue() == ""
    host.started(2)
    assert overdue() == ""
    clock_ns["now"] = 1_800_000_000
    assert overdue() == ""
    clock_ns["now"] = 2_000_000_000
    assert overdue() == "a hook call used more than 1 s of CPU"


def test_a_frame_larger_than_the_socket_goes_out_in_parts(scene: Scene) -> None:
    host = scene.host()
    blobs = [bytes([number]) * 700_000 for number in range(8)]
    scene.delivery.put(KIND_ITEMS, ITEM, list(enumerate(blobs, 1)))
    scene.delivery.flush(0.0)
    assert host.line.wants_write
    frame = None
    while frame is None:
        frame = host.frame()
        host.line.write()
    assert frame[2] == blobs


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("ahead", [1, 3, 64])
def test_whatever_happens_every_entry_is_delivered_dropped_or_here_and_no_lease_leaks(
    seed: int, ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.scripting.delivery.AHEAD_ENTRIES", ahead)
    randomness = random.Random(seed)
    scene = Scene(lossless=bool(seed % 2), queue_items=20)
    alive: dict[str, RawHost] = {}
    number = 0
    for _ in range(300):
        script = randomness.choice(["a.py", "b.py"])
        host = alive.get(script)
        match randomness.randrange(6):
            case 0 if host is None:
                alive[script] = scene.host(script)
            case 1 if host is not None and randomness.random() < 0.3:
                host.started(randomness.randrange(number + 2))
                host.close()
                scene.delivery.readable(host.line, 0.0)
                scene.delivery.detach(script, host.line.host, successor=randomness.random() < 0.7)
                del alive[script]
            case 2 if host is not None and host.line.under_way:
                sequence, count = host.line._frames[0]
                host.acknowledge(sequence, randomness.randrange(host.line._done, count + 1))
                scene.delivery.readable(host.line, 0.0)
            case 3:
                scene.delivery.flush(0.0)
                for other in alive.values():
                    other.frame()
            case _:
                number += 1
                scene.put(*range(number, number + randomness.randrange(1, 5)))
        assert scene.sums_up()
    for script, host in alive.items():
        scene.delivery.detach(script, host.line.host, successor=False)
    for script in ("a.py", "b.py"):
        scene.delivery.detach(script, -1, successor=False)
    assert scene.delivery.idle()
    assert not +scene.leases.held
    for made in scene.hosts:
        made.close()


def test_a_replaced_host_without_a_frame_ends_at_once(scene: Scene) -> None:
    first, second = scene.host(), scene.host()
    assert first.socket.recv(1) == b"", "its end of input"
    assert [line.host for line in scene.delivery.lines()] == [second.line.host]


def test_an_event_of_a_host_that_was_lost_a_moment_ago_is_nothing(scene: Scene) -> None:
    host = scene.host()
    scene.put(*range(8))
    scene.delivery.flush(0.0)
    host.socket.close()
    scene.delivery.detach("a.py", host.line.host, successor=False)
    host.line.write()
    scene.delivery.readable(host.line, 0.0)
    assert scene.sums_up()


def test_what_is_given_up_is_counted_and_its_leases_returned(scene: Scene) -> None:
    host = scene.host()
    scene.put(1)
    scene.delivery.flush(0.0)
    scene.put(2, 3)
    scene.delivery.give_up()
    assert scene.counters.get("scripts_dropped_total{reason=not_delivered}") == 2
    assert scene.leases.held == {1: 1, 2: 0, 3: 0}
    host.acknowledge(1, 1)
    scene.delivery.readable(host.line, 0.0)
    assert scene.delivery.idle()
    assert scene.sums_up()


def test_how_far_a_script_is_behind_is_the_age_of_its_oldest_item(scene: Scene) -> None:
    host = scene.host("slow.py")
    lags = []
    for now_s, done in ((1.0, 0), (2.0, 0), (4.0, 1), (5.0, 2), (9.0, 4)):
        if now_s < 3.0:
            scene.put(1, 2)
            scene.delivery.flush(now_s)
            host.frame()
        elif done < 4:
            host.acknowledge(1, done)
            scene.delivery.readable(host.line, now_s)
            scene.delivery.flush(now_s)
        else:
            host.frame()
            host.acknowledge(2, 2)
            scene.delivery.readable(host.line, now_s)
        scene.delivery.check_budgets(now_s)
        lags.append(scene.counters.get("script_lag_ms{script=slow.py}"))
    assert lags == [0, 1000, 3000, 3000, 0]


def test_a_script_that_is_gone_waits_for_nothing(scene: Scene) -> None:
    host = scene.host("a.py")
    scene.put(1)
    scene.delivery.flush(0.0)
    scene.put(2, 3)
    scene.delivery.flush(0.0)
    scene.delivery.check_budgets(5.0)
    levels = {name: scene.counters.get(f"script_{name}{{script=a.py}}") for name in ("queue", "lag_ms")}
    assert levels == {"queue": 2, "lag_ms": 5000}
    scene.delivery.detach("a.py", host.line.host, successor=False)
    assert not any(scene.counters.get(f"script_{name}{{script=a.py}}") for name in levels)
