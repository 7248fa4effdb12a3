"""All attached hosts: what they say, what they are answered. Each of their messages is hostile until decoded."""

from __future__ import annotations

import math
import os
import selectors
import socket
from collections.abc import Callable

import msgspec

from engine.errors import ProtocolViolation
from engine.frames.control import AttachHost, HostReady, HostRefused, KillHost
from engine.frames.endpoint import Endpoint
from engine.frames.host import (
    MAX_FILTERS,
    MAX_FILTERS_CHARACTERS,
    Call,
    FromHost,
    JobDone,
    LinesHeard,
    Log,
    Ready,
    Refused,
    Reply,
    Resend,
    ShutdownDone,
)
from engine.helpers.hearing import Hearing
from engine.helpers.instance import Instance
from engine.helpers.running import JobRunner
from engine.helpers.script import Host, Script, open_host, open_script
from engine.helpers.serving import Serving
from engine.helpers.slow import SlowCalls
from engine.log import printable

MESSAGES_A_TURN = 16
"""Of one host, before it is the others' turn."""
LAST_MESSAGES = 4096
"""Of a host that is gone: more than its socket holds."""
_MAX_TEXTS_BYTES = 16 * 1024

Tell = Callable[[msgspec.Struct], None]
"""Sends a message to the supervisor."""


class Hosts:
    """The broker's half of every host's socket. Owned by the loop."""

    def __init__(self, instance: Instance, tell: Tell, selector: selectors.BaseSelector, slow: SlowCalls) -> None:
        self._instance, self._tell, self._selector = instance, tell, selector
        self._hosts: dict[int, Host] = {}
        self._scripts: dict[str, Script] = {}
        self.runner = JobRunner(instance, self.kill)
        self.hearing = Hearing(instance, lambda: self.all, self.kill)
        instance.console.listener = self.hearing.tell
        self._serving = Serving(instance.counters, slow, self.runner, self._send)

    @property
    def all(self) -> list[Host]:
        """The attached hosts."""
        return list(self._hosts.values())

    @property
    def scripts(self) -> list[Script]:
        """The scripts with a host."""
        return list(self._scripts.values())

    # -- coming and going ----------------------------------------------------------------------------------------------

    def attach(self, message: AttachHost, descriptor: int) -> None:
        """A host is there; one that lives since before us is asked to say again what it still waits for."""
        sock = socket.socket(fileno=descriptor)
        sock.setblocking(False)
        endpoint: Endpoint[FromHost] = Endpoint(sock, FromHost)
        try:
            script = self._script(message.script)
            host = open_host(self._instance, script, message.host, endpoint, message.pid, taken_over=message.taken_over)
        except (OSError, RecursionError) as error:
            endpoint.close()
            self._tell(HostRefused(message.host, [f"its work folder cannot be used: {printable(str(error), 500)}"]))
            return
        host.hooks = frozenset(message.hooks)
        self._hosts[host.number] = host
        script.hosts.append(host)
        self.runner.attach(host)
        host.ready = message.taken_over and (bool(message.hooks) or script.schedule.was_ready(host.number))
        self._selector.register(endpoint, selectors.EVENT_READ, host)
        if message.taken_over:
            self._send(host, Resend())

    def _script(self, name: str) -> Script:
        if name not in self._scripts:
            self._scripts[name] = open_script(self._instance, name)
        return self._scripts[name]

    def detach(self, number: int) -> None:
        """A host is gone: what it said last is still heard. The last one of a script closes what belongs to it."""
        host = self._hosts.get(number)
        if host is None:
            return
        self._take_some(host, LAST_MESSAGES)
        del self._hosts[number]
        self._ignore(host)
        self.hearing.forget(host)
        host.endpoint.close()
        host.last_call.forget()
        host.script.hosts.remove(host)
        host.script.schedule.detach(number)
        if not host.script.hosts and not host.script.busy:
            self._close(host.script)

    def _close(self, script: Script) -> None:
        script.folder.close()
        del self._scripts[script.name]

    def kill(self, host: Host, reason: str) -> None:
        """Have the supervisor replace a host, and listen to it no more."""
        if not host.gone:
            self._ignore(host)
            self._instance.counters.add("broker_kills_total")
            self._tell(KillHost(host.number, printable(reason, 300)))

    def _ignore(self, host: Host) -> None:
        if not host.gone:
            host.gone = True
            self._selector.unregister(host.endpoint)

    # -- messages ------------------------------------------------------------------------------------------------------

    def receive(self, host: Host) -> None:
        """Take what a host said, some messages at most."""
        self._take_some(host, MESSAGES_A_TURN)

    def _take_some(self, host: Host, most: int) -> None:
        while not host.gone and most > 0:
            most -= 1
            try:
                received = host.endpoint.receive()
                if received is None:
                    self._ignore(host)
                    return
                self._refuse_descriptors(received[1])
                self._take(host, received[0])
            except BlockingIOError:
                return
            except ProtocolViolation as violation:
                self._broke(host, violation)

    def _refuse_descriptors(self, descriptors: list[int]) -> None:
        for descriptor in descriptors:
            os.close(descriptor)
        if descriptors:
            raise ProtocolViolation(f"expected no descriptors, got {len(descriptors)}")

    def _take(self, host: Host, message: FromHost) -> None:
        match message:
            case Call():
                self._serving.take(host, message, self._instance.monotonic_s())
            case Log():
                self._log(host, message)
            case LinesHeard():
                self.hearing.heard(host, message)
                self.hearing.step(host, self._instance.monotonic_s())
            case JobDone():
                self.runner.done(host, message)
            case Ready():
                self._ready(host, message)
            case Refused():
                self._refused(host, message)
            case ShutdownDone():
                self._shut_down(host, message)

    def _ready(self, host: Host, message: Ready) -> None:
        if (host.ready and not host.taken_over) or host.refused:
            raise ProtocolViolation("a second verdict on the script")
        if sum(map(len, message.filters)) > MAX_FILTERS_CHARACTERS or len(message.filters) > MAX_FILTERS:
            raise ProtocolViolation("more filters than a script may have")
        before = host.script.active
        host.ready, host.hooks = True, frozenset(message.hooks)
        hooks, layers, warnings, (title,) = map(
            _short, (message.hooks, message.layers, message.warnings, [message.title])
        )
        self._tell(HostReady(host.number, hooks, layers, warnings, message.filters, title))
        host.script.schedule.activate(host.number, before.number if before not in (None, host) else None)

    def _refused(self, host: Host, message: Refused) -> None:
        if host.ready or host.refused:
            raise ProtocolViolation("a second verdict on the script")
        host.refused = True
        self._tell(HostRefused(host.number, _short(message.reasons)))

    def _log(self, host: Host, message: Log) -> None:
        if message.level not in ("log", "error"):
            raise ProtocolViolation(f"a log level {message.level[:20]!r}")
        now_s, wall_ns = self._instance.monotonic_s(), self._instance.wall_ns()
        host.script.console.write(message.level, message.text, now_s, wall_ns, quiet=message.quiet)

    def _shut_down(self, host: Host, message: ShutdownDone) -> None:
        if host.shut_down or not (host.asked_to_shut_down or host.taken_over):
            raise ProtocolViolation("an answer to a Shutdown that was not sent")
        host.shut_down = True
        if message.error:
            host.script.console.say(f"onShutdown failed: {message.error}", self._instance.wall_ns())

    def done(self, host: Host, call: Call, result: Reply | ProtocolViolation) -> None:
        """A slow call is over."""
        if isinstance(result, ProtocolViolation):
            self._broke(host, result)
        self._serving.done(host, call, None if isinstance(result, ProtocolViolation) else result)
        while (waiting := self._serving.next_waiting(host.script)) is not None:
            self._begin(waiting)
        if not host.script.hosts and not host.script.busy:
            self._close(host.script)

    def _begin(self, host: Host) -> None:
        try:
            self._serving.begin(host)
        except ProtocolViolation as violation:
            self._broke(host, violation)

    def release(self, now_s: float) -> None:
        """Serve the calls that waited for ``scripting.calls`` and are in time now."""
        for script in self.scripts:
            while (held := self._serving.next_held(script, now_s)) is not None:
                self._begin(held)

    def next_call_s(self) -> float:
        """When ``release`` has something to do, monotonic."""
        waits = [script.calls.due_s() for script in self._scripts.values() if script.held and script.calls]
        return min(waits, default=math.inf)

    def _broke(self, host: Host, violation: ProtocolViolation) -> None:
        self._instance.counters.add("broker_violations_total")
        self.kill(host, f"broke the protocol: {violation}")

    def _send(self, host: Host, message: msgspec.Struct) -> None:
        if not host.gone and not host.send(message):
            self.kill(host, "does not read what it is sent")


def _short(texts: list[str]) -> list[str]:
    """As many of them as fit a message, escaped."""
    out: list[str] = []
    room = _MAX_TEXTS_BYTES
    for text in texts[:200]:
        escaped = printable(text, 1000)
        room -= len(escaped.encode())
        if room < 0:
            return [*out, "…"]
        out.append(escaped)
    return out
