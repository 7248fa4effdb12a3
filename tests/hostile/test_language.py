"""Ways out of a script, and what becomes of each: in real hosts, with a good script beside them."""

from __future__ import annotations

import select
import signal

import pytest

from engine import clock
from tests.hostile.language import CRASHES, ENDLESS, HARMLESS, HOOK, RAISES, REFUSED, STOPPED, flat
from tests.support.scripthost import ITEM, HostEnds, Zygote


@pytest.fixture(scope="module")
def good(zygote: Zygote) -> HostEnds:
    host = zygote.spawn("seen = 0\ndef onItemCaptured(data):\n    global seen\n    seen += 1\n", name="good.py")
    host.ready()
    return host


def rows(table: dict[str, dict[str, str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("source", flat(table).values(), ids=flat(table))


@rows(REFUSED)
def test_is_refused_before_it_runs(zygote: Zygote, good: HostEnds, source: str) -> None:
    host = zygote.spawn("console.log('it ran')\n" + source)
    reasons = host.refused()
    assert reasons
    assert all(len(reason) < 400 for reason in reasons)
    assert host.lines == []
    host.close()
    assert zygote.exit_status(host) == 0
    assert good.deliver() == (0, 0)


@rows(RAISES)
def test_ends_as_an_exception_of_the_hook(zygote: Zygote, good: HostEnds, source: str) -> None:
    host = zygote.spawn(HOOK + source + "\n")
    host.ready()
    assert host.deliver(ITEM) == (1, 0)
    assert len(host.lines) == 1
    assert host.lines[0].startswith("error: onItemCaptured: line ")
    assert "abandoned" not in host.lines[0]
    assert host.deliver(ITEM) == (1, 0), "the script lives"
    assert good.deliver() == (0, 0)
    zygote.kill(host)


@pytest.mark.slow
@rows(STOPPED)
def test_is_abandoned_when_its_cpu_is_spent_and_the_script_lives(zygote: Zygote, good: HostEnds, source: str) -> None:
    once = "calls = 0\ndef onItemCaptured(data):\n    global calls\n    calls += 1\n    if calls > 1: return\n    "
    host = zygote.spawn(once + source + "\n")
    host.ready()
    assert host.deliver(ITEM, ITEM) == (1, 0)
    (complaint,) = [line for line in host.lines if line.startswith("error:")]
    assert "used more than 0.2 s of CPU and was abandoned" in complaint
    assert good.deliver() == (0, 0)
    zygote.kill(host)


@pytest.mark.slow
@rows(ENDLESS)
def test_runs_until_it_is_killed_and_nobody_else_notices(zygote: Zygote, good: HostEnds, source: str) -> None:
    host = zygote.spawn(HOOK + source + "\n")
    host.ready()
    before_ns = clock.cpu_ns_of(host.pid)
    host.send([ITEM])
    while clock.cpu_ns_of(host.pid) < before_ns + 300_000_000:
        assert good.deliver() == (0, 0)
    assert select.select([host.events], [], [], 0)[0] == [], "it has not answered"
    assert host.started() == 1
    assert zygote.kill(host) == -signal.SIGKILL


@pytest.mark.slow
@rows(CRASHES)
def test_dies_alone(zygote: Zygote, good: HostEnds, source: str) -> None:
    host = zygote.spawn(HOOK + source + "\n")
    host.ready()
    host.send([ITEM])
    assert zygote.exit_status(host) == -signal.SIGSEGV
    assert good.deliver() == (0, 0)


@rows(HARMLESS)
def test_does_nothing(zygote: Zygote, good: HostEnds, source: str) -> None:
    host = zygote.spawn(source)
    host.ready()
    assert host.deliver(ITEM) == (0, 0)
    assert all(len(line) < 2100 for line in host.lines)
    assert good.deliver() == (0, 0)
    zygote.kill(host)
