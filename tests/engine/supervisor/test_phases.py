"""The order of a run with two workers: what each child is told, and when; time is an argument."""

from __future__ import annotations

import selectors
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from engine.capture.options import CaptureOptions
from engine.children import Mailbox
from engine.config import Settings
from engine.frames.control import Begin, Drained, Failed, Finish, Finished, Flush, Seal, StopIntake
from engine.scripting.environment import ScriptEnvironment
from engine.scripting.hosts import ScriptSet
from engine.supervisor.family import Family
from engine.supervisor.outcome import Outcome
from engine.supervisor.phases import SHUTDOWN_S, Phases


class Inbox(Mailbox):
    """Keeps what it is sent instead of sending it."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[msgspec.Struct] = []

    def send(self, message: msgspec.Struct, descriptors: tuple[int, ...] = ()) -> None:
        self.messages.append(message)


class Scene:
    """A family that was never started; the test says who is up and what they answer."""

    def __init__(self, *sources: str, workers: int = 2) -> None:
        self.told: list[str] = []
        self.outcome = Outcome(0, {})
        settings = Settings(sources=sources, grace_s=40.0, capture=CaptureOptions(workers=workers))
        self.selector = selectors.DefaultSelector()
        self.family = Family(settings, workers, {}, bytes(32), "run", self.selector, self.told.append)
        for child in self.family:
            child.mailbox, child.restart_s = Inbox(), 0.0  # waits for its start
        environment = ScriptEnvironment({}, (), settings.scripts, bytes(32))
        outboxes = {name: self.family.mailbox(name) for name in ("zygote", "broker")}
        scripts = ScriptSet(settings.scripts, environment, "n1", -1, outboxes, [], self.told.append)
        self.phases = Phases(settings, self.family, scripts, self.outcome, self.told.append)

    def of(self, name: str) -> list[Any]:
        """What a child was told since this was last asked."""
        (inbox,) = (child.mailbox for child in self.family if child.name == name)
        assert isinstance(inbox, Inbox)
        messages, inbox.messages = inbox.messages, []
        return messages

    def up(self, *names: str) -> None:
        """These, or all, are at work."""
        for child in self.family:
            if not names or child.name in names:
                child.up, child.restart_s = True, None
        self.phases.advance(0.0)

    def both(self) -> list[list[Any]]:
        return [self.of("worker-0"), self.of("worker-1")]

    def close(self) -> None:
        self.family.end()
        self.selector.close()


@pytest.fixture
def live() -> Iterator[Scene]:
    scene = Scene("iface:any")
    yield scene
    scene.close()


def test_reading_begins_when_every_worker_is_up(live: Scene) -> None:
    live.up("worker-0", "broker", "recorder", "shipper")
    assert (live.phases.name, live.both()) == ("starting", [[], []])
    live.up()
    assert (live.phases.name, live.both()) == ("running", [[Begin()], [Begin()]])


def test_a_run_ends_when_all_workers_have_drained_and_the_grace_is_taken_once(live: Scene) -> None:
    live.up()
    live.phases.interrupted(1, 100.0)
    assert live.both() == [[Begin(), StopIntake(30.0)]] * 2, "three quarters for slow scripts"
    live.phases.drained("worker-1", Drained(False), 110.0)
    assert live.phases.name == "running"
    live.phases.drained("worker-0", Drained(False), 125.0)
    assert (live.phases.name, live.of("broker")) == ("finishing", [Finish(jobs=False, shutdown_s=5.0)])
    live.phases.finished("broker", Finished(), 130.0)
    assert live.of("recorder") == [Seal()]
    live.phases.finished("recorder", Finished(), 140.0)
    assert live.of("shipper") == [Flush(15.0)], "what delivering left of it, the time of sealing aside"
    live.phases.up("shipper", 146.0)
    assert live.of("shipper") == [Flush(9.0)], "a successor gets what is left"
    live.phases.finished("shipper", Finished(2, "2 uploads wait"), 150.0)
    assert (live.phases.name, live.outcome.exit_code, live.outcome.note) == ("over", 1, "2 uploads wait")


def test_a_stop_before_anything_was_read_says_so_and_one_in_the_middle_says_what_waits() -> None:
    scene = Scene("/capture.pcap", workers=1)
    scene.phases.interrupted(1, 0.0)
    assert (scene.phases.name, scene.outcome.note) == ("over", "stopped before a packet was read")
    assert scene.outcome.exit_code == 0
    scene.close()
    begun = Scene("/capture.pcap", workers=1)
    begun.up()
    begun.phases.interrupted(2, 0.0)
    assert begun.outcome.note == "stopped at once; what was sealed waits in the outbox"
    assert begun.outcome.exit_code == 1
    begun.close()


def test_slow_scripts_leave_a_quarter_of_the_grace_for_uploading(live: Scene) -> None:
    live.up()
    live.phases.interrupted(1, 0.0)
    for worker in ("worker-0", "worker-1"):
        live.phases.drained(worker, Drained(False), 60.0)
    live.phases.finished("broker", Finished(), 60.0)
    live.phases.finished("recorder", Finished(), 60.0)
    assert live.of("shipper") == [Flush(10.0)]


def test_an_input_that_ends_by_itself_leaves_the_whole_grace_for_uploading() -> None:
    scene = Scene("/capture.pcap", workers=1)
    scene.up()
    scene.phases.drained("worker", Drained(True), 500.0)
    assert scene.of("broker") == [Finish(jobs=True, shutdown_s=5.0)]
    scene.phases.finished("broker", Finished(), 500.0)
    scene.phases.finished("recorder", Finished(), 500.0)
    assert scene.of("shipper") == [Flush(40.0)]
    scene.close()


def test_a_worker_that_is_being_replaced_is_stopped_after_it_began(live: Scene) -> None:
    live.up()
    (worker,) = (child for child in live.family if child.name == "worker-1")
    worker.up, worker.restart_s = False, 1.0
    live.phases.died(worker, -9, 0.0)
    live.both()
    live.phases.interrupted(1, 0.0)
    assert live.both() == [[StopIntake(30.0)], []], "told now it would forget what its ring holds"
    live.up()
    assert live.both() == [[], [Begin(), StopIntake(30.0)]]


def test_one_worker_that_fails_ends_the_run_of_all_and_says_so_once(live: Scene) -> None:
    live.up()
    live.both()
    for worker in ("worker-1", "worker-0"):
        live.phases.failed(worker, Failed("iface:x: gone"), 0.0)
    assert StopIntake(30.0) in live.of("worker-0")
    assert (live.outcome.errors, live.outcome.exit_code) == (["iface:x: gone"], 1)


def test_what_hangs_is_told_by_silence_and_cpu(live: Scene) -> None:
    (recorder,) = (child for child in live.family if child.name == "recorder")
    used_ns = {"now": 0}
    recorder._used_ns = lambda: used_ns["now"]  # type: ignore[method-assign]  # the CPU clock of a process that is none
    recorder.pid, recorder.heard_s = 1, 100.0
    assert [recorder.hangs(now_s) for now_s in (101.0, 129.0, 131.0)] == [False, False, True]
    used_ns["now"] = 2_000_000_000
    assert [recorder.hangs(now_s) for now_s in (131.0, 699.0, 701.0)] == [False, False, True]
    recorder.pid = 0
    assert not recorder.hangs(10_000.0), "the dead do not hang"


def test_an_instance_without_a_source_ends_in_order_and_silently_when_nobody_needs_it() -> None:
    scene = Scene(workers=1)
    scene.up()
    assert [type(message) for message in scene.of("worker")] == [Begin]
    scene.phases.let_go(5.0)
    assert [type(message) for message in scene.of("worker")] == [StopIntake]
    scene.phases.drained("worker", Drained(False), 6.0)
    assert scene.of("broker") == [Finish(jobs=False, shutdown_s=SHUTDOWN_S)], "what is queried is no replay"
    assert (scene.phases.name, scene.told, scene.outcome.exit_code) == ("finishing", [], 0)
    scene.close()


def test_an_instance_that_is_not_needed_before_it_began_is_over() -> None:
    scene = Scene(workers=1)
    scene.phases.let_go(1.0)
    assert (scene.phases.name, scene.outcome.exit_code) == ("over", 0)
    scene.close()
