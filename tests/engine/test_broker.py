"""The broker as a process: real sockets, hosts honest and hostile, and its own death."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.frames.control import ConsoleLine, DetachHost, Finish, Finished, HostReady, HostRefused, KillHost, Shown
from engine.frames.host import (
    Call,
    JobDone,
    Lines,
    LinesHeard,
    Log,
    Ready,
    Refused,
    Reply,
    Resend,
    RunJob,
    Shutdown,
    ShutdownDone,
)
from engine.recording.journal import Keep, read_journal
from engine.shipping.outbox import Upload
from tests.hostile.messages import TO_THE_BROKER
from tests.support.broker import (
    CallFailed,
    Hosting,
    RunningBroker,
    give_to_a_user,
    handles,
    running_broker,
    store_streams,
)
from tests.support.packets import TcpConversation

pytestmark = pytest.mark.slow  # starting a process takes 0.3 s

pack = msgspec.msgpack.encode
READY = Ready([], [], [])
EVERY_SECOND = "* * * * * *"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder that belongs to an ordinary user, as it does in life; with one stream."""
    talk = TcpConversation(("10.0.0.1", 1), ("10.0.0.2", 80)).handshake().client_says(b"x" * 100)
    folder = tmp_path / "data"
    folder.mkdir()
    store_streams(folder, {144: talk.packets})
    return give_to_a_user(folder)


@pytest.fixture
def broker(data: Path) -> Iterator[RunningBroker]:
    with running_broker(data) as broker:
        yield broker


def ready_host(broker: RunningBroker, number: int = 1, script: str = "top.py", pid: int | None = None) -> Hosting:
    host = broker.attach(number, script, pid)
    host.say(READY)
    broker.hear(HostReady)
    return host


def work(data: Path, script: str = "top.py") -> Path:
    return data / "scripts" / script / "work"


# ---- honest hosts -------------------------------------------------------------------------------------------------


def test_a_script_keeps_a_stream_in_every_way_there_is(broker: RunningBroker, data: Path) -> None:
    host = ready_host(broker)
    path = host.call("pcap.path", "000000000144.pcap")
    host.call("file.mkdir", "kept")
    host.call("file.copy", path, "kept")
    snapshot = host.call("pcap.snapshot", [], "kept")
    archive = host.call("file.tar", "kept")
    host.call("pcap.record", "000000000144.pcap", "mine")
    url = host.call("vendor.gcs.put", "bucket", archive, handles().make("GCS_SA_KEY_JSON"))
    assert url == f"https://storage.googleapis.com/bucket/n1_10.0.0.7_20261120T103000Z-a1b2c3d4/{archive}"
    assert sorted(path.name for path in work(data).iterdir()) == sorted([snapshot, archive, "kept"])
    (entry,) = read_journal(data / "keep" / "broker.log", 0)[0]
    assert isinstance(entry, Keep)
    assert (entry.stream, entry.recording, entry.from_ns) == (144, "mine", 0)
    (put,) = (data / "outbox" / "ready").iterdir()
    upload = msgspec.json.decode((put / "upload.json").read_bytes(), type=Upload)
    assert (upload.destination, upload.credentials) == ("gs://bucket", "GCS_SA_KEY_JSON")
    assert broker.counted("broker_keeps_total", 1) == 1
    assert broker.counted("broker_calls_total", 7) == 7


def test_verdicts_reach_the_supervisor_escaped(broker: RunningBroker) -> None:
    good, bad = broker.attach(1, "good.py"), broker.attach(2, "bad.py")
    good.say(Ready(["onItemCaptured"], ["seccomp"], ["a\x1b[2Jwarning"]))
    ready = broker.hear(HostReady)
    assert (ready.host, ready.hooks, ready.warnings) == (1, ["onItemCaptured"], ["a\\x1b[2Jwarning"])
    bad.say(Refused(["\U0010ffff" * 300] * 40))
    refused = broker.hear(HostRefused)
    assert refused.host == 2
    assert refused.reasons[0] == "\\U0010ffff" * 100 or set(refused.reasons[0]) <= set("\\U0010ff…")


def test_scripts_do_not_see_each_other(broker: RunningBroker, data: Path) -> None:
    one, two = ready_host(broker, 1, "one.py"), ready_host(broker, 2, "two.py")
    one.call("file.write", "a", "one's")
    one.call("jobs.schedule", "tag", "0 0 0 1 1 *")
    assert two.call("jobs.list") == []
    with pytest.raises(CallFailed, match="no such file"):
        two.call("file.copy", "a", "b")
    with pytest.raises(CallFailed, match="inside the script's work folder"):
        two.call("file.copy", "../../one.py/work/a", "b")
    assert list(work(data, "two.py").iterdir()) == []


def test_a_slow_call_of_one_script_is_not_every_scripts_pause(broker: RunningBroker) -> None:
    slow, quick = ready_host(broker, 1, "slow.py"), ready_host(broker, 2, "quick.py")
    slow.call("file.mkdir", "d")
    for number in range(20):
        slow.call("file.write", f"d/{number}", os.urandom(15_000).hex())
    slow.call("file.tar", "d")  # warm
    for _ in range(6):
        slow.call("file.copy", slow.call("file.tar", "d"), "d")
    seq = slow.ask("file.tar", "d")
    calls = 0
    slow.socket.setblocking(False)
    while True:
        assert quick.call("utils.nodeName") == "n1"
        calls += 1
        try:
            received = slow.endpoint.receive()
        except BlockingIOError:
            continue
        assert received is not None
        reply = received[0]
        assert isinstance(reply, Reply)
        assert (reply.seq, reply.error) == (seq, "")
        break
    assert calls > 5


def test_two_hosts_of_one_script_wait_for_each_other(broker: RunningBroker, data: Path) -> None:
    old, new = ready_host(broker, 1), ready_host(broker, 2)
    old.call("file.mkdir", "d")
    for number in range(30):
        old.call("file.write", f"d/{number}", os.urandom(15_000).hex())
    first = old.ask("file.tar", "d")
    second = new.ask("file.delete", "d")
    third = old.endpoint.receive()
    assert third is not None
    assert isinstance(third[0], Reply)
    assert (third[0].seq, third[0].error) == (first, "")
    assert (new.hear(Reply).seq, [path.suffix for path in work(data).iterdir()]) == (second, [".gz"])


def test_console_lines_are_limited_escaped_and_written_down(data: Path) -> None:
    with running_broker(data, log_lines_per_s=5) as broker:
        host = ready_host(broker)
        host.say(Log("log", "hello\n[n1-other.py] forged \x1b[2J"))
        line = broker.hear(ConsoleLine)
        assert (line.script, line.level) == ("top.py", "log")
        assert line.text == "hello\\n[n1-other.py] forged \\x1b[2J"
        for _ in range(500):
            host.say(Log("error", "again"))
        texts = [broker.hear(ConsoleLine).text]
        while not texts[-1].startswith("suppressed"):
            texts.append(broker.hear(ConsoleLine).text)
        lines = (data / "console.log").read_text().splitlines()
    assert int(texts[-1].split()[1]) + len(texts) - 1 == 500
    assert len(texts) < 20
    assert lines[0].startswith("[n1-top.py] ")
    assert lines[0].endswith(f" GMT: {line.text}")
    assert lines[1].startswith("[n1-top.py:ERROR] ")
    assert len(lines) == len(texts) + 1


# ---- jobs ---------------------------------------------------------------------------------------------------------


def test_a_job_runs_when_it_is_due_and_its_failure_is_said(broker: RunningBroker) -> None:
    host = ready_host(broker)
    host.call("jobs.schedule", "tick", EVERY_SECOND, 2)
    for _ in range(2):
        run = host.hear(RunJob)
        assert run.tag == "tick"
        host.say(JobDone(run.run, "division by zero", 0))
        line = broker.hear(ConsoleLine)
        assert (line.level, line.text) == ("error", "job 'tick' failed: division by zero")
    assert host.call("jobs.list") == []
    assert broker.counted("broker_job_runs_total", 2) == 2


def test_jobs_of_a_script_run_one_at_a_time(broker: RunningBroker) -> None:
    host = ready_host(broker)
    for tag in ("a", "b"):
        host.call("jobs.schedule", tag, "0 0 0 1 1 *")
    host.call("jobs.runAll")
    ran = []
    for _ in range(2):
        run = host.hear(RunJob)
        assert host.call("utils.nodeName") == "n1"  # nothing else was sent meanwhile
        host.say(JobDone(run.run, "", 0))
        ran.append(run.tag)
    assert sorted(ran) == ["a", "b"]


def test_no_job_runs_before_its_script_is_ready_or_after_it_was_replaced(broker: RunningBroker) -> None:
    old, new = ready_host(broker, 1), broker.attach(2)
    for host in (old, new):
        host.call("jobs.schedule", "tick", EVERY_SECOND)
    run = old.hear(RunJob)
    old.say(JobDone(run.run, "", 0))
    new.say(READY)
    broker.hear(HostReady)
    assert new.hear(RunJob).tag == "tick"
    broker.send(DetachHost(1, "top.py", successor=True))
    assert new.call("jobs.list") == ["tick"]


@pytest.mark.parametrize("budget", ["cpu", "wall"])
def test_a_job_over_its_budget_costs_the_host(data: Path, budget: str) -> None:
    busy = subprocess.Popen(
        [sys.executable, "-c", "while True: pass" if budget == "cpu" else "input()"], stdin=subprocess.PIPE
    )
    limits = {"job_cpu_s": 0.3} if budget == "cpu" else {"job_wall_s": 0.3}
    try:
        with running_broker(data, **limits) as broker:
            host = ready_host(broker, pid=busy.pid)
            host.call("jobs.schedule", "long", "0 0 0 1 1 *")
            host.call("jobs.run", "long")
            host.hear(RunJob)
            kill = broker.hear(KillHost)
        assert kill.host == 1
        assert kill.reason.startswith("job 'long' ")
        assert f"scripting.job{budget.capitalize()}" in kill.reason
    finally:
        busy.kill()
        busy.communicate()


# ---- hostile hosts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", TO_THE_BROKER)
def test_what_no_honest_host_sends_costs_the_host_and_nobody_else(shared: RunningBroker, what: str) -> None:
    neighbour = shared.attach(next(NUMBERS), "neighbour.py")
    hostile = shared.attach(next(NUMBERS), "hostile.py")
    messages = TO_THE_BROKER[what]
    for message in [messages] if isinstance(messages, bytes) else map(pack, messages):
        hostile.socket.send(message)
    kill = shared.hear(KillHost)
    assert (kill.host, kill.reason.startswith("broke the protocol: ")) == (hostile.number, True)
    assert kill.reason.isprintable()
    assert neighbour.call("utils.nodeName") == "n1"
    for host in (neighbour, hostile):
        shared.send(DetachHost(host.number, host.script, successor=False))


def test_descriptors_from_a_host_are_closed(shared: RunningBroker) -> None:
    hostile = shared.attach(next(NUMBERS), "hostile.py")
    hostile.call("utils.nodeName")
    before = len(os.listdir(f"/proc/{shared.process.pid}/fd"))
    with open(os.devnull) as file:
        socket.send_fds(hostile.socket, [pack(Log("log", "x"))], [file.fileno()] * 10)
    assert "expected no descriptors" in shared.hear(KillHost).reason
    assert len(os.listdir(f"/proc/{shared.process.pid}/fd")) == before


def test_a_host_that_never_reads_is_given_up(shared: RunningBroker) -> None:
    hostile = shared.attach(next(NUMBERS), "hostile.py")
    hostile.say(Call(1, "utils.nodeName", []))
    hostile.socket.recv(1, socket.MSG_PEEK)  # the reply is there, and stays there
    hostile.socket.setblocking(False)
    with contextlib.suppress(BlockingIOError):  # once it is given up, nobody takes what it says
        for _ in range(2000):
            hostile.say(Call(1, "", []))  # and is sent again
    kill = shared.hear(KillHost)
    assert (kill.host, kill.reason) == (hostile.number, "does not read what it is sent")


def test_a_flood_of_calls_does_not_starve_a_neighbour(shared: RunningBroker) -> None:
    hostile, neighbour = shared.attach(next(NUMBERS), "hostile.py"), shared.attach(next(NUMBERS), "neighbour.py")
    hostile.socket.setblocking(False)
    served = 0
    for _ in range(300):
        try:
            while True:
                hostile.socket.send(pack(Log("log", "x" * 2000)))
        except BlockingIOError:
            served += neighbour.call("utils.nodeName") == "n1"
    assert served == 300


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    """One broker for all hostile hosts: it must survive each of them."""
    with running_broker(give_to_a_user(tmp_path_factory.mktemp("data")), log_lines_per_s=1) as broker:
        yield broker


NUMBERS = iter(range(1, 10_000))


# ---- its own death ------------------------------------------------------------------------------------------------


def successor_of(broker: RunningBroker, data: Path, host: Hosting, stack: Any) -> RunningBroker:
    broker.kill()
    successor: RunningBroker = stack.enter_context(running_broker(data))
    successor.take_over(host)
    host.hear(Resend)
    return successor


@pytest.fixture
def stack() -> Iterator[Any]:
    with contextlib.ExitStack() as stack:
        yield stack


def test_a_successor_answers_the_call_that_was_sent_again(broker: RunningBroker, data: Path, stack: Any) -> None:
    host = ready_host(broker)
    host.call("file.append", "a", "one ")
    broker.process.send_signal(19)  # it does not get to read the call
    seq = host.ask("file.append", "a", "two ")
    broker.kill()
    successor = stack.enter_context(running_broker(data))
    successor.take_over(host)
    host.hear(Resend)
    host.say(Call(seq, "file.append", [msgspec.Raw(pack("a")), msgspec.Raw(pack("two "))]))
    replies = [host.hear(Reply), host.hear(Reply)]  # to the one that waited in the socket, and to the one sent again
    assert [reply.seq for reply in replies] == [seq, seq]
    assert (work(data) / "a").read_text() == "one two "


CASES: dict[str, Callable[[Hosting], tuple[str, list[Any]]]] = {
    "append": lambda host: ("file.append", ["a", "x"]),
    "move": lambda host: ("file.move", ["a", "b"]),
    "temp": lambda host: ("file.temp", ["t"]),
    "mkdirTemp": lambda host: ("file.mkdirTemp", ["t"]),
    "tar": lambda host: ("file.tar", [""]),
    "snapshot": lambda host: ("pcap.snapshot", [["144"]]),
}


@pytest.mark.parametrize("name", CASES)
def test_what_was_done_is_not_done_again(broker: RunningBroker, data: Path, stack: Any, name: str) -> None:
    host = ready_host(broker)
    host.call("file.write", "a", "x")
    helper, args = CASES[name](host)
    seq = host.ask(helper, *args)
    first = host.hear(Reply)
    before = {path.name: path.stat().st_size for path in work(data).iterdir()}
    successor_of(broker, data, host, stack)
    host.say(Call(seq, helper, [msgspec.Raw(pack(arg)) for arg in args]))
    again = host.hear(Reply)
    assert (again.seq, again.error, bytes(again.value)) == (seq, "", bytes(first.value))
    assert {path.name: path.stat().st_size for path in work(data).iterdir()} == before


def test_a_job_in_progress_outlives_the_broker(broker: RunningBroker, data: Path, stack: Any) -> None:
    host = ready_host(broker)
    host.call("jobs.schedule", "tick", EVERY_SECOND, 2)
    run = host.hear(RunJob)
    successor = successor_of(broker, data, host, stack)
    host.say(JobDone(run.run, "", 0))
    host.say(JobDone(run.run, "", 0))  # sent again because it was asked to
    second = host.hear(RunJob)
    assert (second.run, second.tag) == (run.run + 1, "tick")
    host.say(JobDone(second.run, "", 0))
    assert host.call("jobs.list") == []
    assert successor.counted("broker_job_runs_total", 1) == 1


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_lost_or_doubled_wherever_the_broker_dies(data: Path, stack: Any, seed: int) -> None:
    rng = random.Random(seed)
    broker: RunningBroker = stack.enter_context(running_broker(data))
    host = ready_host(broker)
    for number in range(60):
        text = f"{number} "
        seq = host.ask("file.append", "a", text)
        if rng.random() < 0.05:
            time.sleep(rng.random() * 0.0002)  # somewhere around the call; any moment will do
            broker.kill()
            broker = stack.enter_context(running_broker(data))
            broker.take_over(host)
            while not isinstance(_receive(host), Resend):
                continue
            host.say(Call(seq, "file.append", [msgspec.Raw(pack("a")), msgspec.Raw(pack(text))]))
        while True:
            reply = _receive(host)
            if isinstance(reply, Reply) and reply.seq == seq:
                assert reply.error == ""
                break
    assert (work(data) / "a").read_text().split() == [str(number) for number in range(60)]


def _receive(host: Hosting) -> Any:
    received = host.endpoint.receive()
    assert received is not None
    return received[0]


# ---- the end ------------------------------------------------------------------------------------------------------


def test_the_end_runs_jobs_once_more_then_says_goodbye(broker: RunningBroker) -> None:
    host, other = ready_host(broker, 1, "one.py"), ready_host(broker, 2, "two.py")
    for tag in ("a", "b"):
        host.call("jobs.schedule", tag, "0 0 0 1 1 *")
    broker.send(Finish(jobs=True, shutdown_s=20))
    other.hear(Shutdown)
    ran = []
    for _ in range(2):
        run = host.hear(RunJob)
        host.call("file.write", run.tag, "x")
        host.say(JobDone(run.run, "", 0))
        ran.append(run.tag)
    host.hear(Shutdown)
    assert sorted(ran) == ["a", "b"]
    host.say(ShutdownDone(""))
    other.say(ShutdownDone("oh no"))
    assert broker.hear(ConsoleLine).text == "onShutdown failed: oh no"
    assert broker.hear(Finished) == Finished(0, "")
    assert broker.stop() == 0


def test_the_last_words_of_a_host_are_heard_though_its_end_is_told_first(broker: RunningBroker) -> None:
    """The supervisor's message and the host's may come in either order."""
    host = ready_host(broker)
    broker.send(Finish(jobs=False, shutdown_s=20))
    host.hear(Shutdown)
    os.kill(broker.process.pid, signal.SIGSTOP)
    broker.send(DetachHost(1, "top.py", successor=True))
    host.say(Log("log", "last words"))
    host.say(ShutdownDone(""))
    os.kill(broker.process.pid, signal.SIGCONT)
    assert broker.hear(ConsoleLine).text == "last words"
    assert broker.hear(Finished) == Finished(0, "")


def test_no_job_begins_by_the_clock_at_the_end(broker: RunningBroker) -> None:
    host = ready_host(broker)
    host.call("jobs.schedule", "tick", EVERY_SECOND)
    broker.send(Finish(jobs=True, shutdown_s=20))
    run = host.hear(RunJob)
    time.sleep(1.1)  # it would be due again
    host.say(JobDone(run.run, "", 0))
    host.hear(Shutdown)
    host.say(ShutdownDone(""))
    assert broker.hear(Finished) == Finished(0, "")


def test_the_end_does_not_wait_for_ever(broker: RunningBroker) -> None:
    good, bad = ready_host(broker, 1, "good.py"), ready_host(broker, 2, "bad.py")
    broker.send(Finish(jobs=False, shutdown_s=0.2))
    good.hear(Shutdown)
    bad.hear(Shutdown)
    good.say(ShutdownDone(""))
    assert broker.hear(Finished) == Finished(1, "did not answer: bad.py")


def test_the_end_of_nothing_is_at_once(broker: RunningBroker) -> None:
    broker.send(Finish(jobs=True, shutdown_s=20))
    assert broker.hear(Finished) == Finished(0, "")


def test_a_broker_without_a_supervisor_ends(broker: RunningBroker) -> None:
    broker.control.close()
    assert broker.process.wait(20) == 0


def test_a_work_folder_that_cannot_be_used_is_a_refusal(broker: RunningBroker, data: Path) -> None:
    folder = data / "scripts" / "top.py"
    folder.mkdir(parents=True)
    (folder / "work").write_text("in the way")
    give_to_a_user(data)
    broker.attach()
    refused = broker.hear(HostRefused)
    assert (refused.host, refused.reasons[0].startswith("its work folder cannot be used: ")) == (1, True)


# ---- lines of the console, and state -------------------------------------------------------------------------------


def listener(broker: RunningBroker, number: int = 1, script: str = "ears.py") -> Hosting:
    host = broker.attach(number, script)
    host.say(Ready(["onLogCall"], [], []))
    broker.hear(HostReady)
    return host


def test_lines_are_told_to_who_listens_but_for_quiet_ones(broker: RunningBroker) -> None:
    ears, mouth = listener(broker), ready_host(broker, 2, "mouth.py")
    mouth.say(Log("log", "one"))
    mouth.say(Log("error", "\x1b[2Jtwo", quiet=True))
    mouth.say(Log("error", "three\n"))
    heard: list[tuple[str, str]] = []
    while len(heard) < 2:
        lines = ears.hear(Lines)
        heard += lines.lines
        ears.say(LinesHeard(lines.number))
    assert heard == [("log", "one"), ("error", "three\\n")]


def test_a_listener_hears_its_own_ordinary_lines(broker: RunningBroker) -> None:
    ears = listener(broker)
    ears.say(Log("log", "mine"))
    assert ears.hear(Lines).lines == [("log", "mine")]


def test_lines_wait_until_those_before_were_heard_and_too_many_are_counted(broker: RunningBroker) -> None:
    ears = listener(broker)
    mouths = [ready_host(broker, number, f"m{number}.py") for number in range(2, 16)]
    ears.say(Log("log", "first"))
    assert ears.hear(Lines).lines == [("log", "first")]
    for _ in range(50):
        for mouth in mouths:
            mouth.say(Log("log", "x" * 100))
    told = broker.counted("broker_lines_told_total", 701)
    assert told == broker.counted("broker_lines_dropped_total{reason=script_queue_full}", told - 513) + 513
    ears.say(LinesHeard(1))
    assert len(ears.hear(Lines).lines) == 64


def test_lines_that_nobody_sent_end_the_host(broker: RunningBroker) -> None:
    ears = listener(broker)
    ears.say(LinesHeard(5))
    assert "the end of lines 5, which were not sent" in broker.hear(KillHost).reason


def test_a_job_waits_until_the_lines_were_heard(broker: RunningBroker) -> None:
    ears = listener(broker)
    ears.call("jobs.schedule", "job", "0 0 0 1 1 *")
    ears.say(Log("log", "x"))
    lines = ears.hear(Lines)
    ears.call("jobs.run", "job")
    assert ears.call("utils.nodeName") == "n1", "it was answered, and nothing else was sent"
    ears.say(LinesHeard(lines.number))
    assert ears.hear(RunJob).tag == "job"


def test_state_outlives_broker_and_host(data: Path) -> None:
    with running_broker(data) as broker:
        host = ready_host(broker)
        assert host.call("state.load") == b""
        host.call("state.save", b"kept")
        broker.send(DetachHost(1, "top.py", successor=True))
        assert ready_host(broker, 2).call("state.load") == b"kept"
    with running_broker(data) as broker:
        later = ready_host(broker, 3)
        assert later.call("state.load") == b"kept"
        with pytest.raises(CallFailed, match="would exceed the limit"):
            later.call("state.save", bytes(57_345))


def test_the_predecessor_of_a_host_saves_no_more(broker: RunningBroker) -> None:
    old = ready_host(broker, 1)
    old.call("state.save", b"old")
    new = ready_host(broker, 2)
    new.call("state.save", b"new")
    old.call("state.save", b"older")
    assert new.call("state.load") == b"new"


def test_calls_over_the_rate_wait_and_the_script_and_the_operator_are_told(data: Path) -> None:
    with running_broker(data, calls_per_s=50, scripts={"free": {"calls_per_s": 0}}) as broker:
        host, free = broker.attach(1, "top.py"), broker.attach(2, "free.py")
        start_s = time.monotonic()
        delayed = 0
        for _ in range(80):
            host.ask("utils.nodeName")
            delayed += host.hear(Reply).delayed
        assert time.monotonic() - start_s >= 0.55  # 50 at once, then 30 at 50 a second
        assert 25 <= delayed <= 30
        assert broker.counted("script_calls_delayed_total{script=top.py}", delayed) == delayed
        for _ in range(300):
            free.ask("utils.nodeName")
            assert not free.hear(Reply).delayed
        assert broker.counted("script_calls_total{script=free.py}", 300) == 300
        assert "script_calls_delayed_total{script=free.py}" not in broker.counters


def test_a_host_that_dies_with_a_call_that_waits_harms_nobody(data: Path) -> None:
    with running_broker(data, calls_per_s=1) as broker:
        host = broker.attach(1, "top.py")
        host.call("utils.nodeName")
        host.ask("utils.nodeName")
        broker.counted("broker_calls_delayed_total", 1)
        broker.send(DetachHost(1, "top.py", successor=True))
        assert broker.attach(2, "top.py").call("utils.nodeName") == "n1"
        assert broker.attach(3, "other.py").call("utils.nodeName") == "n1"


def test_the_folder_of_one_script_has_limits_of_its_own(data: Path) -> None:
    with running_broker(data, work_folder_files=2, scripts={"big.py": {"work_folder_files": 4}}) as broker:
        small, big = broker.attach(1, "top.py"), broker.attach(2, "big.py")
        for host, limit in ((small, 2), (big, 4)):
            for number in range(limit):
                host.call("file.write", str(number), "x")
            with pytest.raises(CallFailed, match=f"{limit + 1} files and folders would exceed the limit of {limit}"):
                host.call("file.write", "more", "x")


# ---- setTimeout ---------------------------------------------------------------------------------------------------


def test_a_timer_runs_once_when_it_is_due(broker: RunningBroker) -> None:
    host = ready_host(broker)
    start_s = time.monotonic()
    host.call("timers.set", 7, 250)
    host.call("timers.set", 8, 100)
    host.call("timers.clear", 8)
    run = host.hear(RunJob)
    assert time.monotonic() - start_s >= 0.25
    assert (run.timer, run.tag) == (7, "setTimeout 7")
    host.say(JobDone(run.run, "line 3: ValueError", 0))
    assert broker.hear(ConsoleLine).text == "job 'setTimeout 7' failed: line 3: ValueError"
    assert host.call("jobs.list") == []


def test_timers_that_never_end_leave_jobs_their_turn(broker: RunningBroker) -> None:
    host = ready_host(broker)
    host.call("jobs.schedule", "tick", EVERY_SECOND)
    ran = [""]
    until_s = time.monotonic() + 10
    while ran[-1] != "tick" and time.monotonic() < until_s:
        host.ask("timers.set", len(ran), 0)
        heard = host.hear_any()
        run = host.hear(RunJob) if isinstance(heard, Reply) else heard  # the job's turn may come before the answer
        assert isinstance(run, RunJob)
        ran.append(run.tag)
        host.say(JobDone(run.run, "", 0))
    assert ran[-1] == "tick"
    assert len(ran) > 2


def test_a_timer_has_the_budget_of_a_job(data: Path) -> None:
    with running_broker(data, job_wall_s=0.3) as broker:
        host = ready_host(broker)
        host.call("timers.set", 1, 0)
        host.hear(RunJob)
        assert "job 'setTimeout 1' took more than 300ms" in broker.hear(KillHost).reason


@pytest.mark.parametrize("milliseconds", [-1, float("nan"), float("inf"), 1e15])
def test_a_timer_of_no_time_is_refused(broker: RunningBroker, milliseconds: float) -> None:
    with pytest.raises(CallFailed, match="setTimeout: expected 0 to"):
        ready_host(broker).call("timers.set", 1, milliseconds)


def test_timers_are_limited(broker: RunningBroker) -> None:
    host = ready_host(broker)
    for number in range(128):
        host.call("timers.set", number, 1e6)
    with pytest.raises(CallFailed, match="at most 128"):
        host.call("timers.set", 128, 1e6)
    host.call("timers.set", 5, 2e6)
    host.call("timers.clear", 5)
    host.call("timers.set", 128, 1e6)


# ---- scripts that take more than their part -------------------------------------------------------------------------


def test_slow_calls_of_many_scripts_are_not_the_wait_of_another(broker: RunningBroker, data: Path) -> None:
    greedy = [ready_host(broker, number, f"greedy{number}.py") for number in range(1, 7)]
    good = ready_host(broker, 9, "good.py")
    for host in greedy:
        host.call("file.mkdir", "d")
        for number in range(20):
            host.call("file.write", f"d/{number}", os.urandom(15_000).hex())
        for _ in range(6):
            host.call("file.copy", host.call("file.tar", "d"), "d")
    asked = {host: host.ask("file.tar", "d") for host in greedy}
    good.call("pcap.record", "000000000144.pcap", "r")
    still = 0
    for host in asked:
        host.socket.setblocking(False)
        try:
            host.endpoint.receive()
        except BlockingIOError:
            still += 1
    assert still >= 5, "it was served before the archives of others were packed"


def test_what_does_not_fit_the_folder_is_not_even_made_beside_it(data: Path) -> None:
    with running_broker(data, work_folder_bytes=150) as broker:
        host = broker.attach()
        for helper, *arguments in (
            ("pcap.snapshot",),
            ("file.copy", "pcaps/144", "x"),
            ("vendor.gcs.put", "bucket", "pcaps/144"),
        ):
            with pytest.raises(CallFailed, match="would exceed the limit of 150"):
                host.call(helper, *arguments)
        assert list((data / "scripts/top.py/tmp").iterdir()) == list(work(data).iterdir()) == []


def test_a_script_records_into_so_many_recordings_and_no_more(broker: RunningBroker) -> None:
    host = broker.attach()
    for number in [*range(64), 5]:
        host.call("pcap.record", "000000000144.pcap", f"r{number}")
    with pytest.raises(CallFailed, match="at most 64 recordings, got another, 'r64'"):
        host.call("pcap.record", "000000000144.pcap", "r64")
    assert broker.attach(2, "other.py").call("pcap.record", "000000000144.pcap", "r64") is None


def test_uploads_of_one_script_that_wait_are_limited(data: Path) -> None:
    with running_broker(data, upload_bytes=100) as broker:
        host = broker.attach()
        host.call("file.write", "a", "x" * 80)
        host.call("vendor.gcs.put", "bucket", "a")
        host.call("vendor.gcs.put", "bucket", "a")
        host.call("file.write", "b", "y" * 80)
        with pytest.raises(CallFailed, match="1 files of 80 bytes wait"):
            host.call("vendor.gcs.put", "bucket", "b")
        other = broker.attach(2, "other.py")
        other.call("file.write", "b", "y" * 80)
        other.call("vendor.gcs.put", "bucket", "b")


def test_answers_to_queries_have_a_rate_of_their_own(data: Path) -> None:
    with running_broker(data, calls_per_s=0) as broker:
        host = broker.attach()
        reply = None
        for number in range(20_000):
            host.ask("query.show", number, b"x", False)
            reply = host.hear(Reply)
            if reply.error:
                break
            assert broker.hear(Shown).number == number
        assert reply is not None
        assert "onItemQueried: more than 1000 parts of answers a second" in reply.error


# ---- random bytes -------------------------------------------------------------------------------------------------

HONEST: list[Any] = [
    READY,
    Refused(["x"]),
    Log("log", "x"),
    JobDone(1, "", 0),
    LinesHeard(1),
    ShutdownDone(""),
    Call(1, "file.write", [msgspec.Raw(pack("a")), msgspec.Raw(pack("b"))]),
    Call(2, "timers.set", [msgspec.Raw(pack(1)), msgspec.Raw(pack(5.0))]),
    Call(3, "jobs.schedule", [msgspec.Raw(pack("a")), msgspec.Raw(pack(EVERY_SECOND))]),
    Call(4, "query.show", [msgspec.Raw(pack(1)), msgspec.Raw(pack(b"x")), msgspec.Raw(pack(True))]),
    Call(5, "vendor.webhook", [msgspec.Raw(pack("GET")), msgspec.Raw(pack("https://x.example/"))]),
]
GIANT = (b"\xdf\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff")
"""A map, a list, a text and bytes of 4 GiB."""


def damaged(rng: random.Random) -> bytes:
    """A message, or what is left of one."""
    data = bytearray(pack(rng.choice(HONEST)))
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(5):
            case 0:
                data[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del data[at:]
            case 2:
                data[at:at] = rng.choice(GIANT)
            case 3:
                data[at:at] = rng.randbytes(rng.randrange(40))
            case 4:
                data[at:at] = b"\x91" * rng.choice([3, 3000])
    return bytes(data)


@pytest.mark.parametrize("seed", range(40))
def test_whatever_a_host_sends_costs_that_host_at_most(shared: RunningBroker, seed: int) -> None:
    rng = random.Random(seed)
    hostile, neighbour = shared.attach(next(NUMBERS), "hostile.py"), shared.attach(next(NUMBERS), "neighbour.py")
    hostile.socket.setblocking(False)
    with contextlib.suppress(BlockingIOError, BrokenPipeError):  # once it is given up, nobody takes what it says
        for _ in range(60):
            hostile.socket.send(damaged(rng) or b"x")
    assert neighbour.call("utils.nodeName") == "n1"
    killed = {message.host for message in shared.said() if isinstance(message, KillHost)}
    assert killed <= {hostile.number}
    assert shared.process.poll() is None
    for host in (hostile, neighbour):
        shared.send(DetachHost(host.number, host.script, successor=False))
