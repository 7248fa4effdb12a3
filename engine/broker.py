"""The broker process: everything that a script's helpers do to the world is done here, for all scripts.

One loop over the supervisor's socket and one socket per host. What a host sends is hostile: it is decoded strictly, and
a host that breaks the protocol or does not read its replies is given up, never repaired.
"""

from __future__ import annotations

import selectors
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from engine.clock import monotonic_s, wall_ns
from engine.cron import zone_of
from engine.errors import ProtocolViolation
from engine.frames.control import AttachHost, DetachHost, Finish, Quit
from engine.helpers.console import Console
from engine.helpers.ending import Ending
from engine.helpers.handles import Handles
from engine.helpers.hosts import Hosts
from engine.helpers.instance import Instance, Limits
from engine.helpers.pcap import Keeping
from engine.helpers.script import Host
from engine.helpers.slow import SlowCalls
from engine.helpers.space import Room
from engine.helpers.streams import Streams
from engine.process import Child, run
from engine.recording.journal import KeepJournal
from engine.resolve.resolver import Resolver
from engine.resolve.static import open_resolver
from engine.scripting.options import ScriptOptions
from engine.segments.reader import SegmentReader
from engine.shipping.outbox import enqueue_file
from engine.shipping.request import checked_request, enqueue_request

TICK_S = 0.1
"""How often jobs, budgets and suppressed lines are looked at."""


class Broker:
    """The loop and what it waits for."""

    def __init__(self, child: Child, instance: Instance) -> None:
        self._child, self._instance = child, instance
        self._selector = selectors.DefaultSelector()
        self._slow = SlowCalls()
        self._hosts = Hosts(instance, child.endpoint.send, self._selector, self._slow)
        self._ending: Ending | None = None
        self._tick_due_s = 0.0
        self._selector.register(child.endpoint, selectors.EVENT_READ, self._from_supervisor)
        self._selector.register(self._slow, selectors.EVENT_READ, self._from_slow)
        self._going_on = True

    def run(self) -> None:
        """Serve until the supervisor says ``Quit`` or is gone."""
        while self._going_on:
            due_s = min(self._tick_due_s, self._hosts.next_call_s())
            for key, _ in self._selector.select(max(0.0, due_s - monotonic_s())):
                if isinstance(key.data, Host):
                    self._hosts.receive(key.data)
                else:
                    key.data()
            now_s = monotonic_s()
            self._hosts.release(now_s)
            if now_s >= self._tick_due_s:
                self._tick_due_s = now_s + TICK_S
                self._tick(now_s)
            self._end(now_s)
        self._slow.close()

    def _from_supervisor(self) -> None:
        received = self._child.endpoint.receive()
        message, descriptors = received if received is not None else (Quit(), [])
        match message:
            case AttachHost():
                self._hosts.attach(message, descriptors[0])
            case DetachHost():
                self._hosts.detach(message.host)
            case Finish():
                self._hosts.runner.ending = True
                self._ending = Ending(message, self._hosts)
            case Quit():
                self._going_on = False
            case _:
                raise ProtocolViolation(f"the supervisor sent {type(message).__name__}, which is not for the broker")

    def _from_slow(self) -> None:
        self._slow.take_done(self._hosts.done)

    def _tick(self, now_s: float) -> None:
        for host in self._hosts.all:
            self._hosts.runner.check(host)
            self._hosts.hearing.step(host, now_s)
        for script in self._hosts.scripts:
            script.console.say_suppressed(now_s, self._instance.wall_ns())
            self._hosts.runner.start_due(script)
        self._child.report(now_s)

    def _end(self, now_s: float) -> None:
        if self._ending is not None:
            finished = self._ending.step(now_s)
            if finished is not None:
                self._ending = None
                self._child.report(now_s)
                self._child.endpoint.send(finished)


def _send(outbox: Path, hosts: list[str], method: str, url: str, headers: dict[str, str], payload: bytes) -> str:
    return enqueue_request(outbox, checked_request(method, url, headers, hosts), payload, wall_ns())


def _history(resolver: Resolver) -> Mapping[str, Mapping[str, Any]]:
    resolver.refresh(monotonic_s())  # the worker tells what came of it
    return resolver.history()


def _limits(options: ScriptOptions) -> Limits:
    return Limits(
        Room(options.work_folder_bytes, options.work_folder_files),
        options.log_lines_per_s,
        options.upload_bytes,
        options.calls_per_s,
        options.job_cpu_s,
        options.job_wall_s,
    )


def body(child: Child) -> None:
    """Open what helpers need, then serve."""
    settings, data = child.settings, child.data
    resolver = open_resolver(settings.resolve)
    child.up()
    (data / "keep").mkdir(exist_ok=True)
    instance = Instance(
        data=data,
        node=child.start.node,
        node_ip=settings.node.ip,
        run_id=child.start.run_id,
        limits_of=lambda script: _limits(settings.scripts.of(script)),
        counters=child.counters,
        streams=Streams(SegmentReader(data)),
        keeping=Keeping(KeepJournal(data / "keep" / "broker.log", sync=True), child.counters),
        console=Console(data, child.start.node, child.endpoint.send, child.counters),
        handles_of=lambda script: Handles(child.start.handle_key, script, settings.scripts.of(script).secrets),
        enqueue=partial(enqueue_file, data / "outbox"),
        send=partial(_send, data / "outbox", settings.shipping.egress),
        show=child.endpoint.send,
        names=lambda: _history(resolver),
        dialect=settings.filters.dialect,
        macros=settings.filters.macros,
        zone=zone_of(settings.scripts.timezone),
    )
    Broker(child, instance).run()


if __name__ == "__main__":
    run("broker", body)
