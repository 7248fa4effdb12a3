"""The worker takes a hijacked host for what it is: whatever it says, nothing is lost or counted twice, it is replaced.

What a host may say to the broker is in ``tests/engine/test_broker.py``.
"""

from __future__ import annotations

import mmap
import os
import random
import socket
from collections import Counter
from collections.abc import Iterator

import pytest

from engine.counters import Counters
from engine.frames.host import ACKNOWLEDGEMENT, KIND_ITEMS, PROGRESS
from engine.scripting.delivery import Delivery
from engine.scripting.line import Line
from engine.scripting.options import ScriptOptions
from engine.scripting.spawning import progress_page
from tests.hostile.messages import ENTRIES, TO_THE_WORKER, acknowledge

HOOK = "onItemCaptured"


class Worker:
    """Its half of the scripts, with one host whose socket the test has."""

    def __init__(self) -> None:
        self.leases: Counter[int] = Counter()
        self.kills: list[tuple[int, str]] = []
        self.counters = Counters()
        options = ScriptOptions(hook_cpu_s=1.0, hook_wall_s=5.0, job_wall_s=5.0)
        self.delivery = Delivery(options, self.counters, self, lossless=True, kill=self._kill)
        self.line = self.attach(1)

    def lease(self, stream_id: int) -> None:
        self.leases[stream_id] += 1

    def release(self, stream_id: int) -> None:
        assert self.leases[stream_id] > 0, "released more often than taken"
        self.leases[stream_id] -= 1

    def _kill(self, host: int, reason: str) -> None:
        self.kills.append((host, reason))

    def attach(self, number: int) -> Line:
        """A host is ready; its end is ``self.host``."""
        ours, self.host = socket.socketpair()
        page = progress_page()
        self.progress = mmap.mmap(page, mmap.PAGESIZE)
        line = Line(number, os.getpid(), ours.detach(), page, 0.0)
        self.delivery.attach("s.py", line, [HOOK])
        return line

    def put(self) -> None:
        """Items on four streams, under way to the host."""
        self.delivery.put(KIND_ITEMS, HOOK, [(stream, b"\x80") for stream in range(1, ENTRIES + 1)])
        self.delivery.flush(0.0)

    def dies(self) -> None:
        """The end that follows every kill, and an honest successor that does all that is left."""
        self.host.close()
        while self.line in self.delivery.lines():
            self.delivery.readable(self.line, 1.0)
        self.delivery.detach("s.py", 1, successor=True)
        line = self.attach(2)
        self.delivery.flush(2.0)
        if line.under_way:
            self.host.send(acknowledge(1, len(line.under_way)))
            self.delivery.readable(line, 3.0)

    def balance(self) -> tuple[int, int]:
        out = self.counters.get("scripts_delivered_total") + self.counters.dropped("scripts")
        return self.counters.get("scripts_entries_total"), out


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker()
    yield made
    for line in list(made.delivery.lines()):
        line.close()
    made.host.close()


@pytest.mark.parametrize("said", TO_THE_WORKER.values(), ids=TO_THE_WORKER)
def test_what_no_honest_host_says_is_one_kill_and_loses_nothing(worker: Worker, said: bytes) -> None:
    worker.put()
    worker.host.sendall(said)
    for _ in range(3):
        worker.delivery.readable(worker.line, 1.0)
    ((host, reason),) = worker.kills
    assert host == 1
    assert reason.startswith("broke the protocol: expected an acknowledgement of frame 1")
    assert worker.counters.get("scripts_violations_total") == worker.counters.get("scripts_kills_total") == 1
    worker.dies()
    assert worker.balance() == (ENTRIES, ENTRIES)
    assert worker.leases.total() == 0


@pytest.mark.parametrize("seed", range(30))
def test_random_bytes_lose_nothing(worker: Worker, seed: int) -> None:
    random_ = random.Random(seed)
    worker.put()
    PROGRESS.pack_into(worker.progress, 0, random_.choice([0, 1, 3, 99, 2**64 - 1]))
    honest = acknowledge(1, random_.randint(1, ENTRIES))
    worker.host.sendall(random_.choice([b"", honest]) + random_.randbytes(random_.randint(ACKNOWLEDGEMENT.size, 200)))
    worker.delivery.readable(worker.line, 1.0)
    assert len(worker.kills) == 1
    worker.dies()
    assert worker.balance() == (ENTRIES, ENTRIES)
    assert worker.leases.total() == 0


def test_silence_is_a_kill_once_patience_is_over(worker: Worker) -> None:
    worker.put()
    worker.delivery.check_budgets(0.0)
    worker.delivery.check_budgets(9.0)
    assert worker.kills == []
    worker.delivery.check_budgets(11.0)
    worker.delivery.check_budgets(12.0)
    assert worker.kills == [(1, "no answer for 11 s")]
    worker.dies()
    assert worker.balance() == (ENTRIES, ENTRIES)


def test_an_exit_in_the_middle_loses_only_what_was_running(worker: Worker) -> None:
    worker.put()
    PROGRESS.pack_into(worker.progress, 0, 2)
    worker.host.sendall(acknowledge(1, 1)[:20])
    worker.dies()
    assert worker.balance() == (ENTRIES, ENTRIES)
    assert worker.counters.dropped("scripts") == 1


def test_a_host_that_never_reads_holds_up_nothing_but_itself(worker: Worker) -> None:
    worker.delivery.put(KIND_ITEMS, HOOK, [(0, bytes(1 << 20)) for _ in range(8)])
    worker.delivery.flush(0.0)
    assert worker.line.wants_write
    worker.delivery.check_budgets(0.0)
    worker.delivery.check_budgets(11.0)
    assert [host for host, _ in worker.kills] == [1]


def test_a_host_cannot_cut_the_page_under_its_reader() -> None:
    page = progress_page()
    with pytest.raises(PermissionError):
        os.ftruncate(page, 0)
    with pytest.raises(PermissionError):
        os.ftruncate(page, 1 << 20)
    os.close(page)
