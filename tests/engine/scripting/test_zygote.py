"""Birth and death of hosts."""

from __future__ import annotations

import os
import signal

import pytest

from tests.support.scripthost import PATIENCE_S, Gone, Zygote, readable, running_zygote

ECHO = "def onItemCaptured(data):\n    console.log(data.index)\n"


def status_of(pid: int) -> dict[str, str]:
    with open(f"/proc/{pid}/status") as status:
        return {key: value.strip() for key, _, value in (line.partition(":") for line in status)}


def test_a_host_that_ends_is_reported_with_its_status(zygote: Zygote) -> None:
    host = zygote.spawn(ECHO)
    host.ready()
    assert zygote.kill(host) == -signal.SIGKILL
    host = zygote.spawn("x = 1\n")
    host.ready()
    host.close()
    assert zygote.exit_status(host) == 0


def test_the_crash_of_one_host_leaves_the_others_served(zygote: Zygote) -> None:
    hosts = [zygote.spawn(ECHO) for _ in range(3)]
    for host in hosts:
        host.ready()
    os.kill(hosts[1].pid, signal.SIGSEGV)
    assert zygote.exit_status(hosts[1]) == -signal.SIGSEGV
    for host in (hosts[0], hosts[2]):
        assert host.deliver() == (0, 0)
        assert host.lines == ["log: 0"]
    newcomer = zygote.spawn(ECHO)
    newcomer.ready()
    assert newcomer.deliver() == (0, 0)


def test_many_hosts_are_born_and_end(zygote: Zygote) -> None:
    hosts = [zygote.spawn(f"console.log({number})\n") for number in range(20)]
    for number, host in enumerate(hosts):
        host.ready()
        assert host.lines == [f"log: {number}"]
        host.events.close()
    assert [zygote.exit_status(host) for host in hosts] == [0] * 20


def test_hosts_do_not_share_what_scripts_do(zygote: Zygote) -> None:
    first = zygote.spawn("x = {}\ndef onItemCaptured(data):\n    x['n'] = 1\n    console.log(x)\n")
    second = zygote.spawn("x = {}\ndef onItemCaptured(data):\n    console.log(x)\n")
    first.ready(), second.ready()
    first.deliver(), second.deliver()
    assert (first.lines, second.lines) == (["log: {'n': 1}"], ["log: {}"])


@pytest.mark.slow
def test_no_host_outlives_a_zygote_that_was_killed() -> None:
    with running_zygote() as own:
        hosts = [own.spawn(ECHO) for _ in range(3)]
        for host in hosts:
            host.ready()
        own.process.kill()
        own.process.wait(PATIENCE_S)
        for host in hosts:
            readable(host.events)
            assert host.events.recv(1) == b""


@pytest.mark.slow
def test_hosts_end_when_the_supervisor_goes() -> None:
    with running_zygote() as own:
        host = own.spawn(ECHO)
        host.ready()
        own.control.close()
        assert own.process.wait(PATIENCE_S) == 0
        with pytest.raises(Gone):
            host.next()


@pytest.mark.slow
def test_quit_ends_hosts_that_would_not_end_themselves() -> None:
    own = Zygote()
    host = own.spawn("def onItemCaptured(data):\n    sum(range(10**13))\n")
    host.ready()
    host.send([{}])
    assert own.close() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(host.pid, 0)


@pytest.mark.slow
def test_the_zygote_has_no_environment_and_one_thread() -> None:
    with running_zygote() as own:
        own.spawn(ECHO).ready()
        with open(f"/proc/{own.process.pid}/environ", "rb") as environment:
            assert environment.read() == b""
        assert status_of(own.process.pid)["Threads"] == "1"
