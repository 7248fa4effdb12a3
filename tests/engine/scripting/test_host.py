"""What a host says on its sockets, frame by frame, to a worker and a broker that are this test."""

from __future__ import annotations

import os
import random
import signal
from typing import Any

import msgspec
import pytest

from engine.frames.host import (
    KIND_PACKETS,
    KIND_QUERIED,
    KIND_STREAMS,
    QUERIED_HEADER,
    Call,
    JobDone,
    Lines,
    LinesHeard,
    Log,
    Ready,
    Reply,
    Resend,
    RunJob,
    Shutdown,
)
from hooks.items import PacketInfo
from tests.support.scripthost import ITEM, Gone, HostEnds, Zygote

COUNTER = """
seen = 0
def onItemCaptured(data):
    global seen
    seen += 1
    console.log(seen, data.response.status)
"""


def loaded(zygote: Zygote, source: str, **spawn: Any) -> HostEnds:
    host = zygote.spawn(source, **spawn)
    host.ready()
    return host


def failing(index: int) -> dict[str, Any]:
    return {**ITEM, "index": index}


# -- entries -----------------------------------------------------------------------------------------------------------


def test_a_frame_is_acknowledged_when_its_last_entry_is_done(zygote: Zygote) -> None:
    host = loaded(zygote, COUNTER)
    host.send([ITEM] * 3)
    assert host.acknowledgement()[:4] == (1, 3, 0, 0)
    host.send([ITEM])
    assert host.acknowledgement()[:4] == (2, 1, 0, 0)
    host.drain()
    assert host.lines == [f"log: {number} 200" for number in (1, 2, 3, 4)]
    assert host.started() == 4


def test_an_empty_frame_is_acknowledged(zygote: Zygote) -> None:
    host = loaded(zygote, COUNTER)
    host.send([])
    assert host.acknowledgement()[:4] == (1, 0, 0, 0)


def test_a_script_without_the_hook_acknowledges_all_the_same(zygote: Zygote) -> None:
    host = loaded(zygote, "x = 1\n")
    assert host.deliver(ITEM, ITEM) == (0, 0)


@pytest.mark.parametrize("seed", range(5))
def test_a_frame_may_arrive_in_pieces(zygote: Zygote, seed: int) -> None:
    host = loaded(zygote, COUNTER)
    whole, random_ = bytearray(), random.Random(seed)
    real, host.events = host.events, _Collector(whole)  # type: ignore[assignment]  # collects what would be sent
    host.send([ITEM] * 4)
    host.events = real
    while whole:
        cut = random_.randint(1, 200)
        host.events.sendall(whole[:cut])
        del whole[:cut]
    assert host.acknowledgement()[:2] == (1, 4)


class _Collector:
    def __init__(self, data: bytearray) -> None:
        self.sendall = data.extend


@pytest.mark.slow
def test_entries_that_take_long_are_acknowledged_one_by_one(zygote: Zygote) -> None:
    host = loaded(zygote, "def onItemCaptured(data):\n    time.sleep(0.06)\n")
    host.send([ITEM] * 3)
    assert [host.acknowledgement()[1] for _ in range(3)] == [1, 2, 3]


def test_packets_come_as_packet_infos(zygote: Zygote) -> None:
    host = loaded(zygote, "def onPacketCaptured(info):\n    console.log(info.length, info.truncated, info.timestamp)\n")
    assert host.deliver(PacketInfo(1_703_018_670_360_984_398, 60, 1500, True, False), kind=KIND_PACKETS) == (0, 0)
    assert host.lines == ["log: 1500 True 1703018670360"]


def test_an_error_is_counted_told_once_with_its_line_and_costs_nothing_else(zygote: Zygote) -> None:
    source = COUNTER + "    if data.index == 1:\n        return data['nothing']\n"
    host = loaded(zygote, source)
    assert host.deliver(failing(0), failing(1), failing(2)) == (1, 0)
    assert host.lines[2] == "error: onItemCaptured: line 8: KeyError: 'nothing'"
    assert host.lines[3] == "log: 3 200"


def test_a_flood_of_errors_is_counted_but_not_written(zygote: Zygote) -> None:
    host = loaded(zygote, "def onItemCaptured(data):\n    1 / 0\n")
    assert host.deliver(*[ITEM] * 200) == (200, 0)
    assert 10 <= len(host.lines) < 200


def test_matched_counts_entries_and_not_calls(zygote: Zygote) -> None:
    source = """
def onItemCaptured(data):
    for query in ("http", "redis", "response.status == 200"):
        kfl.match(query, data)
"""
    host = loaded(zygote, source)
    redis = {**ITEM, "protocol": {"name": "redis"}, "response": None}
    other = {**ITEM, "protocol": {"name": "kafka"}, "response": None}
    assert host.deliver(ITEM, redis, other) == (0, 2)


def test_an_entry_counts_as_started_before_its_hook_runs(zygote: Zygote) -> None:
    host = loaded(zygote, "def onItemCaptured(data):\n    file.delete('x')\n")
    host.send([ITEM, ITEM])
    call = host.receive()
    assert host.started() == 1
    host.answer(call)
    host.answer(host.receive())
    assert host.acknowledgement()[:2] == (1, 2)


def test_the_end_of_the_events_ends_the_host(zygote: Zygote) -> None:
    host = loaded(zygote, COUNTER)
    host.events.close()
    assert zygote.exit_status(host) == 0


def test_a_host_serves_every_worker_and_counts_for_each_what_it_began(zygote: Zygote) -> None:
    host = zygote.spawn(COUNTER, workers=16)
    host.ready()
    for index in (3, 0, 15, 3):
        host.events, host.sequence = host.lines_of_workers[index], host.started(index)
        host.deliver(ITEM)
    assert host.lines == [f"log: {number} 200" for number in (1, 2, 3, 4)]
    assert [host.started(index) for index in (0, 1, 3, 15)] == [1, 0, 2, 1]


def test_a_host_ends_with_the_last_of_its_workers(zygote: Zygote) -> None:
    host = zygote.spawn(COUNTER, workers=3)
    host.ready()
    for index in (0, 2):
        host.lines_of_workers[index].close()
    host.events = host.lines_of_workers[1]
    host.deliver(ITEM)
    assert host.lines == ["log: 1 200"]
    host.events.close()
    assert zygote.exit_status(host) == 0


def test_the_end_of_the_broker_socket_ends_the_host(zygote: Zygote) -> None:
    host = loaded(zygote, COUNTER)
    host.broker.close()
    assert zygote.exit_status(host) == 0


def test_the_end_of_the_broker_socket_ends_a_host_that_waits_for_a_reply(zygote: Zygote) -> None:
    host = loaded(zygote, "def onItemCaptured(data):\n    file.delete('x')\n")
    host.send([ITEM])
    assert isinstance(host.receive(), Call)
    host.broker.close()
    assert zygote.exit_status(host) == 0


# -- budgets -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_waiting_costs_no_cpu(zygote: Zygote) -> None:
    host = loaded(zygote, "def onItemCaptured(data):\n    time.sleep(0.3)\n    for i in range(10): pass\n")
    assert host.deliver(ITEM) == (0, 0)


@pytest.mark.slow
def test_state_survives_an_abandoned_call(zygote: Zygote) -> None:
    source = """
calls = []
def onItemCaptured(data):
    calls.append(data.index)
    console.log(calls)
    while data.index == 1: pass
"""
    host = loaded(zygote, source)
    assert host.deliver(failing(0), failing(1), failing(2)) == (1, 0)
    assert host.lines[-1] == "log: [0, 1, 2]"


@pytest.mark.slow
def test_the_finally_of_a_forgotten_generator_cannot_hold_the_host(zygote: Zygote) -> None:
    source = """
kept = {}
def forever():
    try:
        yield 1
    finally:
        while True: pass
def onItemCaptured(data):
    kept["g"] = forever()
    next(kept["g"])
def onShutdown():
    kept.clear()
    console.log("cleared")
"""
    host = loaded(zygote, source)
    assert host.deliver(ITEM, ITEM) == (1, 0)


@pytest.mark.slow
def test_a_top_level_that_does_not_end_is_refused(zygote: Zygote) -> None:
    host = zygote.spawn("x = 1\nwhile True:\n    try:\n        x += 1\n    except:\n        pass\n")
    (reason,) = host.refused()
    assert reason.endswith("used more than 2 s of CPU and was abandoned")
    host.close()
    assert zygote.exit_status(host) == 0


@pytest.mark.slow
def test_a_top_level_that_nothing_interrupts_is_killed_by_the_kernel(zygote: Zygote) -> None:
    host = zygote.spawn("sum(range(10**13))\n")
    assert zygote.exit_status(host) == -signal.SIGVTALRM


# -- loading -----------------------------------------------------------------------------------------------------------


def test_a_long_source_is_read_to_its_end(zygote: Zygote) -> None:
    source = "# " + "x" * 100_000 + "\nconsole.log('end')\n"
    host = loaded(zygote, source)
    assert host.lines == ["log: end"]


def test_an_error_of_the_top_level_is_a_reason(zygote: Zygote) -> None:
    host = zygote.spawn("a = 1\nb = a / 0\n")
    assert host.refused() == ["line 2: ZeroDivisionError: division by zero"]


def test_a_refused_helper_call_of_the_top_level_is_a_reason(zygote: Zygote) -> None:
    host = zygote.spawn("file.mkdir('..')\n", answers={"file.mkdir": ValueError("file.mkdir: no")})
    assert host.refused() == ["line 1: file.mkdir: no"]


def test_a_hook_that_is_no_function_is_a_reason(zygote: Zygote) -> None:
    assert zygote.spawn("onItemCaptured = 3\n").refused() == ["'onItemCaptured' is not a function"]


def test_ready_names_hooks_layers_and_warnings(zygote: Zygote) -> None:
    host = zygote.spawn("def onShutdown(): pass\ndef onItemCaptured(d): pass\ndef onPodEvent(e, p): pass\n")
    message = host.next()
    assert isinstance(message, Ready)
    assert message.hooks == ["onItemCaptured", "onShutdown", "onPodEvent"]
    assert {"no_new_privs", "limits", "parent_death"} <= set(message.layers)
    assert message.warnings == ["'onPodEvent': nothing fires it yet"]


def test_a_refused_host_gives_its_reasons_time_to_arrive_before_its_end(zygote: Zygote) -> None:
    host = zygote.spawn("import os\n")
    assert len(host.refused()) == 1
    assert host.number not in zygote.exits
    os.kill(host.pid, 0)
    host.close()
    assert zygote.exit_status(host) == 0


# -- calls -------------------------------------------------------------------------------------------------------------


def test_a_refused_call_is_an_exception_that_the_script_can_catch(zygote: Zygote) -> None:
    source = """
def onItemCaptured(data):
    try:
        file.copy("a", "b")
    except HelperError as error:
        console.log("caught", error)
    try:
        file.copy("a", "b")
    except Exception as error:
        console.log("caught again", error)
"""
    host = loaded(zygote, source, answers={"file.copy": ValueError("no such file")})
    assert host.deliver(ITEM) == (0, 0)
    assert host.lines == ["log: caught no such file", "log: caught again no such file"]


def test_calls_are_numbered_one_by_one(zygote: Zygote) -> None:
    host = loaded(zygote, "def onItemCaptured(data):\n    file.delete('a')\n    file.delete('b')\n")
    host.send([ITEM, ITEM])
    numbers = []
    for _ in range(4):
        call = host.receive()
        numbers.append(call.seq)
        host.answer(call)
    assert numbers == [1, 2, 3, 4]


def test_a_new_broker_gets_the_waiting_call_again_and_a_second_reply_is_ignored(zygote: Zygote) -> None:
    host = loaded(
        zygote, "def onItemCaptured(data):\n    console.log(pcap.path(data.stream))\n    console.log(pcap.path('b'))\n"
    )
    host.send([ITEM])
    first = host.receive()
    host.broker.send(Resend())
    again = host.receive()
    assert (first.seq, first.helper, list(map(bytes, first.args))) == (
        again.seq,
        again.helper,
        list(map(bytes, again.args)),
    )
    for text in ("one", "two"):
        host.broker.send(Reply(first.seq, "", msgspec.Raw(msgspec.msgpack.encode(text))))
    line = host.receive()
    assert isinstance(line, Log)
    assert line.text == "one"
    host.answers["pcap.path"] = "three"
    assert host.acknowledgement()[:3] == (1, 1, 0)
    host.drain()
    assert host.lines == ["log: three"]


def test_a_new_broker_gets_the_last_job_done_again(zygote: Zygote) -> None:
    host = loaded(zygote, "def tick(): pass\njobs.schedule('t', '* * * * * *', tick)\n")
    done = host.run_job("t", run=7)
    host.broker.send(Resend())
    assert host.next() == done


def test_a_new_broker_that_asks_an_idle_host_gets_nothing(zygote: Zygote) -> None:
    host = loaded(zygote, COUNTER)
    host.broker.send(Resend())
    assert host.shut_down() == ""


# -- jobs --------------------------------------------------------------------------------------------------------------

JOBS = """
seen = 0
def count(step, name):
    global seen
    seen += step
    console.log(name, seen)
jobs.schedule("count", "*/5 * * * * *", count, 0, 10, "job")
jobs.schedule("fail", "0 * * * * *", lambda: [][1], 3)
def onItemCaptured(data):
    global seen
    console.log("begin")
    file.delete("x")
    seen += 1
    console.log("end", seen)
"""


def test_jobs_are_scheduled_with_the_broker_and_run_here(zygote: Zygote) -> None:
    host = loaded(zygote, JOBS)
    assert host.asked == [("jobs.schedule", "count", "*/5 * * * * *", 0), ("jobs.schedule", "fail", "0 * * * * *", 3)]
    assert host.run_job("count", run=1).error == ""
    assert host.run_job("count", run=2).run == 2
    assert host.lines == ["log: job 10", "log: job 20"]


def test_a_job_that_fails_says_why(zygote: Zygote) -> None:
    host = loaded(zygote, JOBS)
    assert host.run_job("fail").error == "line 8: IndexError: list index out of range"


def test_a_job_nobody_scheduled_says_so(zygote: Zygote) -> None:
    host = loaded(zygote, JOBS)
    assert host.run_job("x").error == "expected the tag of a job that this script has scheduled, got 'x'"


def test_a_job_that_was_refused_or_removed_does_not_run(zygote: Zygote) -> None:
    source = "try:\n    jobs.schedule('t', '*' * 6, print)\nexcept HelperError as error:\n    console.log(error)\n"
    host = loaded(zygote, source, answers={"jobs.schedule": ValueError("bad cron")})
    assert host.lines == ["log: bad cron"]
    assert host.run_job("t").error != ""
    host = loaded(zygote, "jobs.schedule('t', '* * * * * *', print)\njobs.remove('t')\n")
    assert host.run_job("t").error != ""


def test_a_job_that_comes_while_a_hook_waits_runs_after_the_hook(zygote: Zygote) -> None:
    host = loaded(zygote, JOBS)
    host.send([ITEM])
    host.lines.append(host.receive().text)
    call = host.receive()
    host.broker.send(RunJob(1, "count"))
    host.answer(call)
    assert isinstance(host.next(), JobDone)
    assert host.lines == ["begin", "log: end 1", "log: job 11"]
    assert host.acknowledgement()[:3] == (1, 1, 0)


@pytest.mark.slow
def test_a_job_runs_between_the_entries_of_a_slow_frame_after_an_acknowledgement(zygote: Zygote) -> None:
    source = "def onItemCaptured(data):\n    console.log('item')\n    time.sleep(0.06)\n    file.delete('x')\n"
    host = loaded(zygote, source + "def tick(): console.log('job')\njobs.schedule('t', '* * * * * *', tick)\n")
    host.send([ITEM] * 2)
    host.lines.append(f"log: {host.receive().text}")
    call = host.receive()
    host.broker.send(RunJob(1, "t"))
    host.answer(call)
    assert isinstance(host.next(), JobDone)
    assert host.acknowledgement()[:2] == (1, 1)
    assert host.acknowledgement()[:2] == (1, 2)
    assert host.lines == ["log: item", "log: job", "log: item"]


# -- the end -----------------------------------------------------------------------------------------------------------


def test_shutdown_runs_the_hook_answers_and_ends(zygote: Zygote) -> None:
    host = loaded(zygote, "def onShutdown():\n    file.write('x', 'bye')\n")
    assert host.shut_down() == ""
    assert host.asked == [("file.write", "x", "bye")]
    assert zygote.exit_status(host) == 0


def test_shutdown_says_what_went_wrong(zygote: Zygote) -> None:
    host = loaded(zygote, "def onShutdown():\n    raise ValueError('\\ud800')\n")
    assert host.shut_down() == "line 2: ValueError: \\ud800"
    assert zygote.exit_status(host) == 0


def test_jobs_that_were_asked_for_before_shutdown_run_before_it(zygote: Zygote) -> None:
    host = loaded(zygote, JOBS + "def onShutdown():\n    console.log('bye')\n")
    host.broker.send(RunJob(1, "count"))
    host.broker.send(Shutdown())
    assert isinstance(host.next(), JobDone)
    host.next()
    assert host.lines == ["log: job 10", "log: bye"]
    with pytest.raises(Gone):
        host.next()


HOOKS = """
def onJobPassed(tag, cron, limit):
    console.log("passed", tag, cron, limit)

def onJobFailed(tag, cron, limit, err):
    console.log("failed", tag, cron, limit, err)
    raise ValueError("again")

def fail():
    1 / 0

jobs.schedule("good", "0 * * * * *", len, 3, "x")
jobs.schedule("bad", "1 * * * * *", fail)
"""


def test_a_script_hears_how_its_jobs_end(zygote: Zygote) -> None:
    host = loaded(zygote, HOOKS)
    assert host.run_job("good").error == ""
    assert host.run_job("bad", 2).error == "line 10: ZeroDivisionError: division by zero"
    assert host.run_job("nothing", 3).error != ""
    assert host.lines == [
        "log: passed good 0 * * * * * 3",
        "log: failed bad 1 * * * * * 0 line 10: ZeroDivisionError: division by zero",
        "error: onJobFailed: line 7: ValueError: again",
    ]


def test_ended_streams_and_queried_items_come_as_entries(zygote: Zygote) -> None:
    source = "def onStreamClosed(s): console.log(s)\ndef onItemQueried(d): console.log(d.response.status)\n"
    host = loaded(zygote, source)
    assert host.deliver("000000000144.pcap", "000000000145_udp.pcap", kind=KIND_STREAMS) == (0, 0)
    assert fetch(host, ITEM) == (0, 0)
    assert host.lines == ["log: 000000000144.pcap", "log: 000000000145_udp.pcap", "log: 200"]
    assert shown(host) == {(5, 0): None}


def fetch(host: HostEnds, *items: dict[str, Any], number: int = 5) -> tuple[int, int]:
    """As a worker does when somebody fetches these items."""
    blobs = [QUERIED_HEADER.pack(number, at) + msgspec.msgpack.encode(item) for at, item in enumerate(items)]
    return host.deliver(*blobs, kind=KIND_QUERIED)


def shown(host: HostEnds) -> dict[tuple[int, int], Any]:
    """``(query, position)`` -> the item that is to be shown; None: as it is."""
    parts: dict[int, bytes] = {}
    found: dict[tuple[int, int], Any] = {}
    for _, number, part, last in [call for call in host.asked if call[0] == "query.show"]:
        parts[number] = parts.get(number, b"") + part
        if last:
            for position, blob in msgspec.msgpack.decode(parts.pop(number)):
                found[number, position] = None if blob is None else msgspec.msgpack.decode(blob)
    return found


QUERIED = """
def onItemQueried(data):
    if data.index == 0:
        return test.fail(data)
    if data.index == 1:
        changed = data.as_dict()
        changed["request"]["headers"]["Host"] = "*" * 200_000
        return changed
    if data.index == 2:
        return data
    if data.index == 3:
        [][1]
    if data.index == 4:
        return "no item"
    if data.index == 5:
        return {"f": print}
    if data.index == 6:
        return {"n": 1 << 70}
    while True:
        pass
"""


def test_what_a_script_returns_for_a_fetched_item_is_shown_and_what_is_none_is_said(zygote: Zygote) -> None:
    host = loaded(zygote, QUERIED)
    assert fetch(host, *({**ITEM, "index": index} for index in range(8))) == (5, 0)
    found = shown(host)
    assert (found[5, 0]["failed"], found[5, 0]["passed"], found[5, 0]["index"]) == (True, False, 0)
    assert found[5, 1]["request"]["headers"]["Host"] == "*" * 200_000
    assert [found[5, index] for index in range(2, 8)] == [None] * 6
    assert [line.split(": ", 2)[2] for line in host.lines] == [
        "line 12: IndexError: list index out of range",
        "expected an item, a dict or nothing to be returned, got str",
        "expected numbers, text, bytes, lists and dicts, got method",
        "expected integers of at most 64 bits",
        "line 19: used more than 0.2 s of CPU and was abandoned",
    ]


def test_lines_of_the_console_are_heard_and_what_is_written_meanwhile_is_quiet(zygote: Zygote) -> None:
    source = (
        "def onLogCall(level, msg):\n    console.log(level, msg)\n    [][1]\ndef onItemCaptured(d): console.log(1)\n"
    )
    host = loaded(zygote, source)
    host.broker.send(Lines(7, [("log", "a"), ("error", "b")]))
    said = [host.receive() for _ in range(5)]
    assert said == [
        Log("log", "log a", quiet=True),
        Log("error", "onLogCall: line 3: IndexError: list index out of range", quiet=True),
        Log("log", "error b", quiet=True),
        Log("error", "onLogCall: line 3: IndexError: list index out of range", quiet=True),
        LinesHeard(7),
    ]
    host.send([ITEM])
    assert host.receive() == Log("log", "1", quiet=False)


LISTENERS = """
@on_item(filter="http")
def first(data):
    console.log("http", data.stream)

@on_item("response.status == 200")
def second(data):
    console.log("200", data.stream)
    raise ValueError("second")

@on_item("dns")
def third(data):
    raise ValueError("third")
"""


def test_declared_filters_are_told_and_decide_which_function_is_called(zygote: Zygote) -> None:
    host = zygote.spawn("# A title\n" + LISTENERS)
    message = host.next()
    assert isinstance(message, Ready)
    assert (message.hooks, message.title) == (["onItemCaptured"], "A title")
    assert message.filters == ["http", "response.status == 200", "dns"]
    assert host.deliver(ITEM) == (1, 1), "what arrives has matched"
    assert host.lines == [
        f"log: http {ITEM['stream']}",
        f"log: 200 {ITEM['stream']}",
        "error: onItemCaptured: line 10: ValueError: second",
    ]


def test_a_script_is_told_what_it_misses_and_which_calls_waited(zygote: Zygote) -> None:
    text = "def onItemCaptured(data):\n    jobs.list()\n"
    text += "    print(stats.dropped, stats.waiting, stats.callsDelayed)\n"
    host = zygote.spawn(text)
    host.ready()
    host.missed = (7, 3)
    host.delayed = True
    host.deliver(ITEM)
    assert host.lines == ["log: 7 3 1"]


def test_an_abandoned_call_is_told_apart_from_one_that_raised(zygote: Zygote) -> None:
    host = zygote.spawn("def onItemCaptured(data):\n    while data.index == 0:\n        pass\n    raise ValueError\n")
    host.ready()
    assert host.deliver(ITEM, {**ITEM, "index": 1}) == (2, 0)
    assert host.aborted == 1


TIMERS = """
first = setTimeout(print, 50, "first", 1)
second = setTimeout(lambda: [][1], 100)
third = setTimeout(print, 86_400_000.5, "third")
def onItemCaptured(data):
    clearTimeout(third)
    clearTimeout(third)
    clearTimeout(99)
    clearTimeout()
def onJobFailed(*facts): print(facts)
"""


def test_a_timer_is_told_to_the_broker_and_runs_here_once(zygote: Zygote) -> None:
    host = loaded(zygote, TIMERS)
    assert host.asked == [("timers.set", 1, 50.0), ("timers.set", 2, 100.0), ("timers.set", 3, 86_400_000.5)]
    assert host.run_timer(1).error == ""
    assert host.run_timer(1).error == ""
    assert host.run_timer(2).error == "line 3: IndexError: list index out of range"
    assert host.lines == ["log: first 1"]
    host.deliver(ITEM)
    assert host.asked[3:] == [("timers.clear", 3)]
    assert host.run_timer(3).error == ""
    assert host.lines == ["log: first 1"]


def test_a_new_broker_is_told_what_waits(zygote: Zygote) -> None:
    host = loaded(zygote, TIMERS)
    host.run_timer(1)
    host.broker.send(Resend())
    done = host.receive()
    assert isinstance(done, JobDone)
    calls = [host.receive(), None]
    host.answer(calls[0])
    calls[1] = host.receive()
    host.answer(calls[1])
    assert [call[:2] for call in host.asked[3:]] == [("timers.set", 2), ("timers.set", 3)]
    assert 0 <= host.asked[3][2] < 100
    assert 86_300_000 < host.asked[4][2] < 86_400_000.5


@pytest.mark.parametrize(
    "call",
    [
        "setTimeout(5)",
        "setTimeout(print, -1)",
        "setTimeout(print, '5')",
        "setTimeout(print, float('nan'))",
        "setTimeout(print, True)",
    ],
)
def test_a_timer_that_cannot_be_is_an_error(zygote: Zygote, call: str) -> None:
    host = zygote.spawn(call)
    (reason,) = host.refused()
    assert "setTimeout: expected" in reason
    assert host.asked == []
