"""Lifecycle of scripts with a real zygote and real hosts; the test plays broker and worker, time is an argument."""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from engine.children import ChildProcess, Mailbox
from engine.frames.control import AttachHost, DetachHost, FromZygote, HostExited, HostReady, HostStarted, Quit
from engine.frames.endpoint import Endpoint
from engine.frames.host import FromHost, Ready, Refused
from engine.jail.layers import wanted
from engine.scripting.environment import ScriptEnvironment
from engine.scripting.hosts import ScriptSet
from engine.scripting.options import ScriptOptions

pytestmark = pytest.mark.slow

GOOD = b"def onItemCaptured(data):\n    pass\n"
BETTER = b"def onItemCaptured(data):\n    pass\n\ndef onShutdown():\n    pass\n"
BROKEN = b"import os\n\ndef onItemCapture(data):\n    pass\n"


class Inbox(Mailbox):
    """Keeps what it is sent instead of sending it."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[tuple[msgspec.Struct, list[int]]] = []

    def send(self, message: msgspec.Struct, descriptors: tuple[int, ...] = ()) -> None:
        self.messages.append((message, [os.dup(descriptor) for descriptor in descriptors]))

    def of(self, kind: type[Any]) -> list[Any]:
        return [message for message, _ in self.messages if isinstance(message, kind)]


class Scene:
    def __init__(self) -> None:
        self.zygote = ChildProcess("zygote", "engine.scripting.zygote", FromZygote)
        self._log_fd = os.open(os.devnull, os.O_WRONLY)
        self.zygote.start(0.0, self._log_fd)
        self.broker, self.worker = Inbox(), Inbox()
        self.told: list[str] = []
        self.now_s = 0.0
        self.scripts = ScriptSet(
            ScriptOptions(quarantine_after=3),
            ScriptEnvironment({"A": "1"}, (), ScriptOptions(), bytes(32)),
            "n1",
            65534 if os.getuid() == 0 else -1,
            {"zygote": self.zygote.mailbox, "broker": self.broker},
            [self.worker],
            self.told.append,
        )
        self._ends: dict[int, Endpoint[FromHost]] = {}

    def until(self, condition: Callable[[], bool]) -> None:
        """Carry messages between the real processes and the script set until ``condition`` holds."""
        for _ in range(400):
            if condition():
                return
            self._step()
        raise AssertionError(f"it never came to that; told: {self.told}")

    def _step(self) -> None:
        for message, descriptors in self.broker.messages:
            if isinstance(message, AttachHost) and message.host not in self._ends and descriptors:
                self._ends[message.host] = Endpoint(socket.socket(fileno=descriptors.pop()), FromHost)
        readable, _, _ = select.select([self.zygote.endpoint, *self._ends.values()], [], [], 0.05)
        if self.zygote.endpoint in readable:
            for told in self.zygote.receive(self.now_s) or []:
                if isinstance(told, HostStarted):
                    self.scripts.started(told.host, told.pid)
                elif isinstance(told, HostExited):
                    self.scripts.exited(told.host, told.status, self.now_s)
        for number, end in list(self._ends.items()):
            if end in readable:
                received = end.receive()
                if received is None:
                    end.close()
                    del self._ends[number]
                elif isinstance(received[0], Ready):
                    said = received[0]
                    self.scripts.ready(HostReady(number, said.hooks, [], said.warnings, said.filters, said.title))
                elif isinstance(received[0], Refused):
                    self.scripts.refused(number, received[0].reasons)

    def state(self, name: str) -> str:
        return self.scripts.scripts[name].state

    def close(self) -> None:
        self.scripts.kill_all()
        self.zygote.mailbox.send(Quit())
        self.zygote.wait(3.0)
        self.scripts.forget_hosts()
        for inbox in (self.broker, self.worker):
            for _, descriptors in inbox.messages:
                for descriptor in descriptors:
                    os.close(descriptor)
        for end in self._ends.values():
            end.close()
        self.zygote.endpoint.close()
        os.close(self._log_fd)


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.close()


def test_a_good_script_reaches_the_worker_and_a_bad_one_harms_no_other(scene: Scene) -> None:
    scene.scripts.set_texts({"good.py": GOOD, "bad.py": BROKEN}, 0.0)
    assert not scene.scripts.settled
    scene.until(lambda: scene.scripts.settled)
    assert (scene.state("good.py"), scene.state("bad.py")) == ("running", "refused")
    (attach,) = scene.worker.of(AttachHost)
    assert (attach.script, attach.hooks) == ("good.py", ["onItemCaptured"])
    refusal = next(line for line in scene.told if "bad.py" in line)
    assert "import" in refusal
    assert "did you mean 'onItemCaptured'?" in refusal, "every mistake at once"


def test_a_changed_script_takes_over_when_it_is_ready(scene: Scene) -> None:
    scene.scripts.set_texts({"a.py": GOOD}, 0.0)
    scene.until(lambda: scene.scripts.settled)
    scene.scripts.set_texts({"a.py": BETTER}, 1.0)
    assert len(scene.worker.of(AttachHost)) == 1, "the old one runs on"
    scene.until(lambda: scene.scripts.settled)
    assert [attach.hooks for attach in scene.worker.of(AttachHost)] == [
        ["onItemCaptured"],
        ["onItemCaptured", "onShutdown"],
    ]
    assert not scene.worker.of(DetachHost), "the worker lets the old one finish its frame"


def test_a_broken_edit_leaves_the_old_version_running_and_the_repair_replaces_it(scene: Scene) -> None:
    scene.scripts.set_texts({"a.py": GOOD}, 0.0)
    scene.until(lambda: scene.scripts.settled)
    scene.scripts.set_texts({"a.py": BROKEN}, 1.0)
    scene.until(lambda: scene.scripts.settled)
    assert scene.state("a.py") == "running"
    assert "the version before it keeps running" in scene.told[-1]
    scene.scripts.set_texts({"a.py": BETTER}, 2.0)
    scene.until(lambda: len(scene.worker.of(AttachHost)) == 2)


def test_a_removed_script_is_detached_and_its_process_ends(scene: Scene) -> None:
    scene.scripts.set_texts({"a.py": GOOD}, 0.0)
    scene.until(lambda: scene.scripts.settled)
    pid = scene.worker.of(AttachHost)[0].pid
    scene.scripts.set_texts({}, 1.0)
    (detach,) = scene.worker.of(DetachHost)
    assert not detach.successor
    scene.until(lambda: bool(scene.broker.of(DetachHost)))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_crash_restarts_with_growing_delay_and_ends_in_quarantine_until_the_text_changes(scene: Scene) -> None:
    scene.scripts.set_texts({"a.py": GOOD}, 0.0)
    scene.until(lambda: scene.scripts.settled)
    for count, delay_s in enumerate((1.0, 2.0), 1):
        os.kill(scene.worker.of(AttachHost)[-1].pid, signal.SIGKILL)
        scene.until(lambda: scene.state("a.py") == "restarting")
        assert "died (SIGKILL)" in scene.told[-1]
        assert scene.worker.of(DetachHost)[-1].successor, "its items wait for the next host"
        scene.scripts.take_due(scene.now_s + delay_s - 0.01)
        assert scene.scripts.due_s() == scene.now_s + delay_s
        scene.now_s += delay_s
        scene.scripts.take_due(scene.now_s)
        scene.until(lambda count=count: len(scene.worker.of(AttachHost)) == count + 1)  # type: ignore[misc]  # default binds
    os.kill(scene.worker.of(AttachHost)[-1].pid, signal.SIGKILL)
    scene.until(lambda: scene.state("a.py") == "quarantined")
    assert not scene.worker.of(DetachHost)[-1].successor
    scene.scripts.set_texts({"a.py": BETTER}, scene.now_s)
    scene.until(lambda: scene.state("a.py") == "running")


def test_a_script_that_dies_while_loading_is_refused(scene: Scene) -> None:
    scene.scripts.set_texts({"a.py": b"x = 1\nwhile True:\n    x = sum(range(10 ** 9))\n"}, 0.0)
    scene.until(
        lambda: scene.scripts.scripts["a.py"].candidate is not None and scene.scripts.scripts["a.py"].candidate.pid > 0
    )
    scene.scripts.take_due(31.0)
    scene.until(lambda: scene.scripts.settled)
    assert scene.state("a.py") == "refused"


def test_a_new_broker_gets_every_host_and_a_new_worker_new_hosts(scene: Scene) -> None:
    scene.scripts.set_texts({"a.py": GOOD, "b.py": GOOD}, 0.0)
    scene.until(lambda: scene.scripts.settled)
    scene.scripts.broker_died()
    scene.scripts.broker_replaced(0.5)
    assert [attach.taken_over for attach in scene.broker.of(AttachHost)] == [False, False, True, True]
    scene.scripts.restart_all(1.0)
    scene.until(lambda: len(scene.worker.of(AttachHost)) == 4)
    assert all(not script.crashes_s for script in scene.scripts.scripts.values()), "no blame"


def test_hosts_that_went_with_the_worker_are_not_blamed_and_come_back_with_it(scene: Scene) -> None:
    scene.scripts.set_texts({"a.py": GOOD}, 0.0)
    scene.until(lambda: scene.scripts.settled)
    scene.scripts.lose_hosts()
    assert not scene.scripts.settled
    scene.until(lambda: len(scene.broker.of(DetachHost)) == 1)
    assert not scene.scripts.scripts["a.py"].crashes_s
    scene.scripts.restart_all(1.0)
    scene.until(lambda: scene.scripts.settled)
    assert len(scene.worker.of(AttachHost)) == 2


def test_a_script_that_waits_for_its_restart_survives_the_death_of_the_zygote(scene: Scene) -> None:
    scene.scripts.set_texts({"a.py": GOOD}, 0.0)
    scene.until(lambda: scene.scripts.settled)
    os.kill(scene.worker.of(AttachHost)[-1].pid, signal.SIGKILL)
    scene.until(lambda: scene.state("a.py") == "restarting")
    scene.scripts.take_due(1.0)
    scene.scripts.forget_hosts()  # while its next host is being loaded
    scene.scripts.restart_all(2.0)
    scene.until(lambda: scene.state("a.py") == "running")


def test_a_script_that_is_refused_when_it_starts_again_is_forgotten_by_the_worker(scene: Scene) -> None:
    scene.scripts.set_texts({"a.py": GOOD}, 0.0)
    scene.until(lambda: scene.scripts.settled)
    os.kill(scene.worker.of(AttachHost)[-1].pid, signal.SIGKILL)
    scene.until(lambda: scene.state("a.py") == "restarting")
    scene.scripts.take_due(1.0)
    candidate = scene.scripts.scripts["a.py"].candidate
    assert candidate is not None
    scene.scripts.refused(candidate.number, ["its top level fails the second time"])
    assert scene.state("a.py") == "refused"
    assert not scene.worker.of(DetachHost)[-1].successor, "else what waits for it waits for ever"


def test_after_a_broken_edit_a_crash_brings_the_version_before_it_back(scene: Scene) -> None:
    scene.scripts.set_texts({"a.py": GOOD}, 0.0)
    scene.until(lambda: scene.scripts.settled)
    scene.scripts.set_texts({"a.py": BROKEN}, 1.0)
    scene.until(lambda: scene.scripts.settled)
    os.kill(scene.worker.of(AttachHost)[-1].pid, signal.SIGKILL)
    scene.until(lambda: scene.state("a.py") == "restarting")
    scene.scripts.take_due(3.0)
    scene.until(lambda: scene.state("a.py") == "running")
    assert len(scene.worker.of(AttachHost)) == 2


def test_a_host_that_was_being_loaded_when_the_broker_died_is_loaded_again(scene: Scene) -> None:
    scene.scripts.set_texts({"a.py": GOOD}, 0.0)
    scene.until(lambda: bool(scene.broker.of(AttachHost)))
    first = scene.scripts.scripts["a.py"].candidate
    scene.scripts.broker_died()  # perhaps with the only word that it was ready
    scene.scripts.broker_replaced(1.0)
    assert scene.scripts.scripts["a.py"].candidate is not first
    scene.until(lambda: scene.state("a.py") == "running")


def test_a_host_that_starts_while_the_broker_is_away_is_told_to_its_successor_once(scene: Scene) -> None:
    scene.scripts.broker_died()
    scene.scripts.set_texts({"a.py": GOOD}, 0.0)
    scene.until(lambda: scene.scripts.scripts["a.py"].candidate.pid > 0)  # type: ignore[union-attr]  # just started
    assert not scene.broker.of(AttachHost)
    scene.scripts.broker_replaced(1.0)
    scene.until(lambda: scene.state("a.py") == "running")
    assert [attach.taken_over for attach in scene.broker.of(AttachHost)] == [False]


def test_a_script_that_cannot_be_read_leaves_its_version_before_running(scene: Scene) -> None:
    scene.scripts.set_texts({"a.py": GOOD}, 0.0)
    scene.until(lambda: scene.scripts.settled)
    for _ in range(2):
        scene.scripts.set_texts({}, 1.0, {"a.py": "no permission", "b.py": "a pipe"})
    assert (scene.state("a.py"), scene.state("b.py")) == ("running", "refused")
    assert len([line for line in scene.told if "no permission" in line]) == 1, "told once"


def test_a_host_that_asks_the_kernel_for_too_much_costs_its_script_its_place_at_once(scene: Scene) -> None:
    scene.scripts.set_texts({"s.py": GOOD}, 0.0)
    scene.until(lambda: scene.scripts.settled)
    host = scene.scripts.scripts["s.py"].host
    assert host is not None
    os.kill(host.pid, signal.SIGSYS)
    scene.until(lambda: scene.state("s.py") == "quarantined")
    assert scene.told[-1] == (
        "script 's.py' died once (SIGSYS: the sandbox ended it: it asked the kernel for what no script may do, so it"
        " left its language) and is out until its text changes"
    )
    assert scene.scripts.counters.get("hosts_deaths_total{how=sigsys}") == 1
    assert scene.scripts.counters.get("hosts_restarts_total") == 0
    scene.scripts.set_texts({"s.py": BETTER}, 1.0)
    scene.until(lambda: scene.state("s.py") == "running")


def test_a_host_that_uses_too_much_memory_is_ended_once_and_starts_again(scene: Scene) -> None:
    scene.scripts.set_texts({"s.py": GOOD}, 0.0)
    scene.until(lambda: scene.scripts.settled)
    scene.scripts.take_due(1.0)
    host = scene.scripts.scripts["s.py"].host
    assert host is not None
    assert host.memory_bytes > 1 << 20
    scene.scripts._options = replace(scene.scripts._options, memory_bytes=1 << 20)
    scene.scripts.take_due(1.1)  # looked at a moment ago
    assert scene.scripts.counters.get("hosts_kills_total") == 0
    scene.scripts.take_due(2.0)
    scene.scripts.take_due(3.0)
    assert scene.scripts.counters.get("hosts_kills_total") == 1
    assert "MiB of memory, scripting.memory allows 1.0 MiB" in scene.told[-1]
    scene.until(lambda: scene.state("s.py") == "restarting")
    assert scene.scripts.counters.get("hosts_deaths_total{how=sigkill}") == 1
    assert scene.scripts.counters.get("hosts_restarts_total") == 1


def test_what_the_machine_does_not_give_is_told_once(scene: Scene) -> None:
    for layers in ([*wanted("standard")], ["seccomp"], ["seccomp"]):
        scene.scripts._say_what_is_missing(layers)
    assert len(scene.told) == 1
    assert scene.told[0].startswith(
        "scripting.sandbox: this machine does not give scripts environment, session, limits"
    )
    assert "landlock; 'remora doctor' says why" in scene.told[0]


def test_no_sandbox_is_told_once(scene: Scene) -> None:
    scene.scripts._options = replace(scene.scripts._options, sandbox="off")
    scene.scripts.set_texts({"a.py": GOOD, "b.py": GOOD}, 0.0)
    scene.until(lambda: scene.scripts.settled)
    warning = "scripting.sandbox is off: a script that breaks out of its language is held by nothing"
    assert scene.told.count(warning) == 1
