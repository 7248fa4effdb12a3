"""The inside of one script's process: load the script, then call its hooks and jobs until the input ends.

Nothing here returns to the zygote's code: the process ends in this file.
"""

from __future__ import annotations

import mmap
import os
import select
import socket
import time
from functools import partial
from typing import Any, NoReturn

from engine.errors import ScriptRejected
from engine.frames.control import SpawnHost
from engine.frames.endpoint import Endpoint
from engine.frames.host import (
    BROKER_FD,
    EVENTS_FD,
    KIND_ITEMS,
    KIND_QUERIED,
    PROGRESS,
    PROGRESS_FD,
    SOURCE_FD,
    JobDone,
    Lines,
    LinesHeard,
    Ready,
    Refused,
    RunJob,
    Shutdown,
    ShutdownDone,
    ToHost,
    events_fds,
)
from engine.jail.confine import JailBroken, confine
from engine.jail.layers import Jail
from engine.scripting.budget import Budget, killed_after
from engine.scripting.calling import Caller
from engine.scripting.calls import Calls, HelperError
from engine.scripting.complaints import describe
from engine.scripting.entries import HOOKS, Entries, EventsLine, LineEnded
from engine.scripting.facades.kfl import Kfl, compiler, matches_of
from engine.scripting.facades.scope import Scope, build_scope
from engine.scripting.fetched import Showing
from engine.scripting.loading import MAX_SOURCE_BYTES, LoadedScript, compile_script, run_top_level
from engine.scripting.state import State

HARD_LOAD_FACTOR = 2
REFUSED_LINGER_S = 5.0
LOAD_WALL_S = 60.0


def main(spawn: SpawnHost, parent: int) -> NoReturn:
    """Be the host of ``spawn``; descriptors 3 to 6 are in place, everything else is closed."""
    calls = Calls(Endpoint(socket.socket(fileno=BROKER_FD), ToHost))
    progress = mmap.mmap(PROGRESS_FD, PROGRESS.size * spawn.workers)
    fds = enumerate(events_fds(spawn.workers))
    events = [EventsLine(socket.socket(fileno=fd), index, progress) for index, fd in fds]
    try:
        layers = confine(Jail(spawn.memory_bytes, spawn.user, parent, spawn.sandbox)).layers
    except JailBroken as error:
        refuse(calls, [f"scripting.sandbox is {spawn.sandbox!r}, but {error}"])
    scope = build_scope(spawn.script, spawn.environment, spawn.node, calls, Kfl(spawn.dialect, spawn.macros))
    budget = Budget(scope.names)
    budget.start()
    state = State(calls, scope.names["state"])
    loaded = load(spawn, scope, budget, calls, layers, state)
    caller = Caller(spawn.script, loaded.hooks, calls, budget, spawn.soft_cpu_s, spawn.job_cpu_s)
    scope.listeners.complain = partial(caller.complain, "onItemCaptured")
    host = Host(events, calls, scope, budget, caller, state, filtered=bool(loaded.filters))
    host.run()


# -- loading -----------------------------------------------------------------------------------------------------------


def load(spawn: SpawnHost, scope: Scope, budget: Budget, calls: Calls, layers: list[str], state: State) -> LoadedScript:
    """Read, compile and run the top level; tell the broker. Does not return when the script is refused."""
    source = read_source()
    try:
        with killed_after(HARD_LOAD_FACTOR * spawn.load_cpu_s, LOAD_WALL_S):
            budget.begin(spawn.load_cpu_s, anywhere=True)
            script = compile_script(source, spawn.script, compiler(scope.kfl))
            if script.report.keeps_state:
                state.load()
            budget.begin(spawn.load_cpu_s)
            loaded = run_top_level(script, scope)
        budget.end()
    except ScriptRejected as error:
        budget.end()
        refuse(calls, list(error.reasons))
    except BaseException as error:
        budget.end()
        refuse(calls, [describe(error, spawn.script, budget.cpu_s)])
    report = script.report
    calls.send(Ready(list(loaded.hooks), layers, list(report.warnings), loaded.filters, report.header.title))
    return loaded


def read_source() -> bytes:
    """The whole text, and a byte more than the cap where it is longer."""
    chunks, size = [], 0
    while size <= MAX_SOURCE_BYTES and (chunk := os.read(SOURCE_FD, 65536)):
        chunks.append(chunk)
        size += len(chunk)
    os.close(SOURCE_FD)
    return b"".join(chunks)


def refuse(calls: Calls, reasons: list[str]) -> NoReturn:
    """Say why the script was not loaded, and end.

    The supervisor hears the reasons from the broker and our end from the zygote, and the second way is shorter: wait
    until it closes our sockets or kills us, but not for long.
    """
    calls.send(Refused(reasons))
    gone = select.poll()
    for descriptor in (EVENTS_FD, BROKER_FD):
        gone.register(descriptor, 0)
    gone.poll(REFUSED_LINGER_S * 1000)
    os._exit(0)


# -- serving -----------------------------------------------------------------------------------------------------------


class Host:
    """Owns the events sockets. Hooks, jobs and ``onShutdown`` take turns; none interrupts another."""

    def __init__(
        self,
        events: list[EventsLine],
        calls: Calls,
        scope: Scope,
        budget: Budget,
        caller: Caller,
        state: State,
        *,
        filtered: bool,
    ) -> None:
        self._calls = calls
        self._lines = {line.socket.fileno(): line for line in events}
        self._scope, self._budget, self._caller, self._state = scope, budget, caller, state
        self._filtered, self._showing = filtered, Showing(calls)
        self._entries = Entries(caller, budget, matches_of(scope.kfl), self._serve_waiting_requests)
        self._state.touch(time.monotonic())
        self._poll = select.poll()
        self._poll.register(
            calls.fileno(), select.POLLIN
        )  # first: what the broker asked for goes before the end of input
        for line in events:
            self._poll.register(line.socket, select.POLLIN)

    def run(self) -> NoReturn:
        """Until every events socket has ended, or after ``Shutdown``."""
        while True:
            self._serve_requests()
            self._greet_broker()
            self._keep_state()
            for descriptor, _ in self._poll.poll(self._state.wait_ms(time.monotonic())):
                if descriptor == self._calls.fileno():
                    self._calls.receive()
                elif not self._calls.requests:
                    self._serve(self._lines[descriptor])

    def _serve(self, line: EventsLine) -> None:
        """A frame of one worker; the end of the last of them is the end of this process."""
        try:
            self._serve_frame(line)
        except LineEnded:
            self._poll.unregister(line.socket)
            del self._lines[line.socket.fileno()]
            line.socket.close()
            if not self._lines:
                os._exit(0)

    # -- entries ---------------------------------------------------------------------------------------------------

    def _serve_frame(self, line: EventsLine) -> None:
        frame = line.read()
        self._scope.standing.tell(line.index, frame.dropped, frame.waiting)
        hook = self._caller.hooks.get(HOOKS[frame.kind], _ignore)
        self._state.touch(time.monotonic())
        if frame.kind == KIND_QUERIED:
            self._entries.serve(line, frame, partial(self._showing.ask, hook), then=self._show)
        else:
            self._entries.serve(line, frame, hook, filtered=self._filtered and frame.kind == KIND_ITEMS)

    def _show(self) -> None:
        try:
            self._showing.send()
        except HelperError as error:
            self._caller.complain(HOOKS[KIND_QUERIED], error)

    def _keep_state(self, *, at_once: bool = False) -> None:
        now_s = time.monotonic()
        try:
            if at_once:
                self._state.save(now_s)
            else:
                self._state.save_if_due(now_s)
        except HelperError as error:
            self._caller.say(str(error))

    # -- what the broker asks for ----------------------------------------------------------------------------------

    def _serve_waiting_requests(self) -> None:
        waiting = select.poll()
        waiting.register(self._calls.fileno(), select.POLLIN)
        while waiting.poll(0):
            self._calls.receive()
        self._serve_requests()

    def _serve_requests(self) -> None:
        while self._calls.requests:
            request = self._calls.requests.popleft()
            if isinstance(request, Shutdown):
                self._shut_down()
            elif isinstance(request, Lines):
                self._hear(request)
            else:
                self._run_job(request)

    def _run_job(self, request: RunJob) -> None:
        before_ns = time.thread_time_ns()
        error = self._attempt_timer(request.timer) if request.timer else self._attempt_job(request.tag)
        self._keep_state(at_once=True)
        self._calls.send(JobDone(request.run, error, time.thread_time_ns() - before_ns))

    def _attempt_job(self, tag: str) -> str:
        task = self._scope.tasks.get(tag)
        if task is None:
            return f"expected the tag of a job that this script has scheduled, got {tag[:100]!r}"
        error = self._caller.attempt(lambda: task.function(*task.arguments))
        if error:
            self._caller.call("onJobFailed", tag, task.cron, task.limit, error)
        else:
            self._caller.call("onJobPassed", tag, task.cron, task.limit)
        return error

    def _attempt_timer(self, number: int) -> str:
        timeout = self._scope.timers.take(number)
        if timeout is None:
            return ""  # cleared in the hook that ran when it fell due
        return self._caller.attempt(lambda: timeout.function(*timeout.arguments))

    def _greet_broker(self) -> None:
        """A new one does not know what waits for ``setTimeout``."""
        if self._calls.broker_is_new:
            self._calls.broker_is_new = False
            try:
                self._scope.timers.renew()
            except HelperError as error:
                self._caller.say(str(error))

    def _hear(self, request: Lines) -> None:
        """``onLogCall`` for each line; what is written meanwhile is told to nobody."""
        self._calls.quiet = True
        for level, text in request.lines:
            self._caller.call("onLogCall", level, text)
        self._calls.quiet = False
        self._state.touch(time.monotonic())
        self._calls.send(LinesHeard(request.number))

    def _shut_down(self) -> NoReturn:
        error = self._caller.attempt(self._caller.hooks.get("onShutdown", _nothing))
        self._keep_state(at_once=True)
        self._calls.send(ShutdownDone(error))
        os._exit(0)


def _ignore(_value: Any) -> None:
    """What a host without the hook does with an entry."""


def _nothing() -> None:
    """What a host without ``onShutdown`` does."""
