"""One instance: the loop, and who is told what. Touches no packets."""

from __future__ import annotations

import os
import selectors
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from engine import clock
from engine.capture.sources import LIVE
from engine.children import ChildProcess
from engine.config import Settings
from engine.configure import Configuration
from engine.controlsocket import ControlSocket
from engine.errors import CaptureError, ConfigError, RemoraError
from engine.frames.control import (
    ConsoleLine,
    Drained,
    Failed,
    Finished,
    HostExited,
    HostReady,
    HostRefused,
    HostStarted,
    KillHost,
    Notice,
    Report,
    Shown,
    ToldRecordings,
    Up,
    Wanted,
)
from engine.helpers.handles import KEY_BYTES
from engine.process import nobody
from engine.scripting import sandbox
from engine.scripting.environment import ScriptEnvironment
from engine.scripting.hosts import ScriptSet
from engine.segments.folder import give_to, lock_instance, open_folder
from engine.supervisor.answers import Answers
from engine.supervisor.family import Family
from engine.supervisor.fetches import Fetches
from engine.supervisor.outcome import Outcome, View
from engine.supervisor.phases import Phases
from engine.supervisor.scriptfolders import ScriptFolders
from engine.supervisor.signals import StopSignals
from engine.supervisor.totals import Totals

TICK_S = 0.25
MAX_ENVIRONMENT_BYTES = 48 * 1024
"""What scripts may have as ``env``: it goes to each in one message (64 KiB)."""
CLIENT_VARIABLES = (
    "GOOGLE_APPLICATION_CREDENTIALS", "STORAGE_EMULATOR_HOST", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy",
    "http_proxy", "no_proxy", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "GOOGLE_CLOUD_PROJECT", "HOME",
)  # fmt: skip
"""Variables of the operator's environment that the storage client reads; only the shipper gets them."""


class Supervisor:
    """``run`` returns when everything has arrived, or says what did not."""

    def __init__(self, configuration: Configuration, run_id: str, view: View, lifeline: int = -1) -> None:
        """``lifeline``: a descriptor; when it becomes readable, nobody needs the instance any more."""
        settings = self._settings = configuration.settings
        self._view, self._lifeline = view, lifeline
        self._data = Path(settings.data)
        _check_environment(configuration.script_env, len(configuration.secrets))
        workers = _workers(settings)
        user = nobody()[0] if os.getuid() == 0 else -1
        if settings.scripts.source or settings.scripts.sources:
            sandbox.require(settings.scripts.sandbox, user)
        open_folder(self._data, settings.node.name, clock.wall_ns())
        if settings.user:
            give_to(self._data, settings.user)
        self._lock = lock_instance(self._data)
        self._selector = selectors.DefaultSelector()
        passed = {name: os.environ[name] for name in CLIENT_VARIABLES if name in os.environ}
        secrets = {**passed, **configuration.secrets}
        handle_key = os.urandom(KEY_BYTES)
        self._family = Family(settings, workers, secrets, handle_key, run_id, self._selector, view.tell)
        self._family.on_message, self._family.on_death = self._heard, self._died
        self._scripts = ScriptSet(
            settings.scripts,
            ScriptEnvironment(configuration.script_env, configuration.secrets, settings.scripts, handle_key),
            settings.node.name,
            user,
            {name: self._family.mailbox(name) for name in ("zygote", "broker")},
            [worker.mailbox for worker in self._family.workers],
            view.tell,
            settings.filters.dialect,
            settings.filters.macros,
        )
        self._folder = ScriptFolders(settings.scripts, self._scripts, self._selector, view.tell)
        self._totals, self._outcome = Totals(), Outcome(0, {})
        self._phases = Phases(settings, self._family, self._scripts, self._outcome, view.tell)
        mailboxes = [worker.mailbox for worker in self._family.workers]
        self._fetches = Fetches(mailboxes, self._scripts, self._tell_fetched)
        self._answers = Answers(
            settings, run_id, self._family, self._phases, self._scripts, self._totals, self._fetches
        )
        self._answers.serve_metrics(view)
        self._queries = self._obeyed = 0
        self._control = ControlSocket(
            self._data / "control.sock", self._selector, self._answers.answer, self._on_queries
        )
        self._handlers: dict[type[Any], Callable[[ChildProcess, Any], None]] = {
            Up: self._on_up,
            Report: self._on_report,
            HostReady: self._on_ready,
            HostRefused: lambda _, m: self._scripts.refused(m.host, m.reasons),
            HostStarted: lambda _, m: self._scripts.started(m.host, m.pid),
            HostExited: lambda _, m: self._scripts.exited(m.host, m.status, clock.monotonic_s()),
            KillHost: lambda _, m: self._scripts.kill(m.host, m.reason),
            ConsoleLine: self._on_console,
            ToldRecordings: lambda _, m: self._control.tell(m.asked, m.rows, m.done, m.error),
            Notice: self._on_notice,
            Shown: lambda _, m: self._fetches.shown(m),
            Drained: lambda child, m: self._phases.drained(child.name, m, clock.monotonic_s()),
            Finished: lambda child, m: self._phases.finished(child.name, m, clock.monotonic_s()),
            Failed: lambda child, m: self._phases.failed(child.name, m, clock.monotonic_s()),
        }

    # -- the loop ------------------------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Everything, from the first fork to the last upload."""
        signals = StopSignals()
        self._selector.register(signals, selectors.EVENT_READ, signals.take)
        if self._lifeline >= 0:
            self._selector.register(self._lifeline, selectors.EVENT_READ, self._let_go)
        try:
            for child in self._family:
                self._start(child)
            self._load_scripts(self._folder.load)
            while self._phases.name != "over":
                self._turn(signals)
        finally:
            self._end()
            signals.close()
        self._outcome.totals = self._answers.totals()
        self._outcome.scripts_out = {
            script.name: script.reasons[0] if script.reasons else script.state
            for script in self._scripts.scripts.values()
            if script.host is None and script.state in ("refused", "quarantined")
        }
        return self._outcome

    def _turn(self, signals: StopSignals) -> None:
        for key, _ in self._selector.select(TICK_S):
            key.data()
        now_s = clock.monotonic_s()
        if signals.count > self._obeyed:
            self._obeyed = signals.count
            self._phases.interrupted(signals.count, now_s)
        for child in self._family.turn(now_s):
            self._start(child)
        self._load_scripts(lambda: self._folder.take_due(now_s))
        self._scripts.take_due(now_s)
        self._fetches.take_due(now_s)
        self._phases.advance(now_s)
        self._view.progress(self._answers.totals(), self._phases.name)
        self._answers.publish(now_s)
        self._control.give_up_later("the recorder is busy: ask again", now_s)

    def _let_go(self) -> None:
        self._selector.unregister(self._lifeline)
        self._phases.let_go(clock.monotonic_s())

    def _end(self) -> None:
        self._scripts.kill_all()
        self._family.end()
        self._control.close()
        self._folder.close()
        self._lock.close()

    def _load_scripts(self, load: Callable[[], None]) -> None:
        try:
            load()
        except RemoraError as error:
            if self._phases.name == "starting":
                self._phases.give_up(str(error), 2)
            else:
                self._view.tell(str(error))

    # -- children ------------------------------------------------------------------------------------------------------

    def _start(self, child: ChildProcess) -> None:
        try:
            self._family.start(child)
        except CaptureError as error:
            self._phases.failed(child.name, Failed(str(error)), clock.monotonic_s())
            self._phases.without(child, clock.monotonic_s())  # unless nothing was begun: then it is over
            return
        if child.name == "zygote" and child.deaths and child.alive:
            self._scripts.restart_all(clock.monotonic_s())

    def _heard(self, child: ChildProcess, message: Any) -> None:
        self._handlers[type(message)](child, message)

    def _on_up(self, child: ChildProcess, _: Up) -> None:
        child.up = True
        now_s = clock.monotonic_s()
        if child in self._family.workers:
            self._tell_wanted(child)
            if child.deaths:
                self._scripts.restart_all(now_s)
        if child.name == "broker" and child.deaths:
            self._scripts.broker_replaced(now_s)
        self._phases.up(child.name, now_s)

    def _died(self, child: ChildProcess, status: int) -> None:
        counters = self._totals.bury(child.name)
        if child in self._family.workers:
            undelivered = self._totals.give_up_undelivered(counters)
            if undelivered:
                self._view.tell(f"{undelivered} entries that waited in the worker reach no script")
            if self._phases.name in ("starting", "running"):
                self._scripts.lose_hosts()
        elif child.name == "broker":
            self._scripts.broker_died()
        elif child.name == "zygote":
            self._scripts.forget_hosts()
        elif child.name == "recorder":
            self._control.give_up_later("the recorder died before it answered; it starts again: ask again")
        self._phases.died(child, status, clock.monotonic_s())

    def _on_report(self, child: ChildProcess, message: Report) -> None:
        self._totals.report(child.name, message.counters, more=message.more)
        if message.note:
            self._view.tell(message.note)

    # -- scripts, and who else wants items -----------------------------------------------------------------------------

    def _on_ready(self, _: ChildProcess, message: HostReady) -> None:
        if "onItemCaptured" in message.hooks and not self._settings.dissect.enabled:
            message.warnings.append("no items come: tap.capture.dissection.enabled is false")
        self._scripts.ready(message)

    def _on_queries(self, count: int) -> None:
        self._queries = count
        for worker in self._family.workers:
            self._tell_wanted(worker)

    def _tell_wanted(self, worker: ChildProcess) -> None:
        worker.mailbox.send(Wanted(["query"] if self._queries else []))

    def _on_notice(self, child: ChildProcess, message: Notice) -> None:
        level = "" if message.level == "log" else f":{message.level.upper()}"
        self._view.tell(f"[{self._settings.node.name}-{child.name}{level}] {message.text}")

    def _tell_fetched(self, asked: int, rows: list[dict[str, Any]], done: dict[str, Any]) -> None:
        self._control.tell(asked, rows, done)

    def _on_console(self, _: ChildProcess, message: ConsoleLine) -> None:
        level = "" if message.level == "log" else f":{message.level.upper()}"
        if self._settings.scripts.console:
            self._view.tell(f"[{self._settings.node.name}-{message.script}{level}] {message.text}")


def _workers(settings: Settings) -> int:
    """How many: captures are replayed by one."""
    return settings.capture.workers if any(source.startswith(LIVE) for source in settings.sources) else 1


def _check_environment(environment: Mapping[str, str], secrets: int) -> None:
    """Every host gets it in one message; a handle is longer than what stands for it here.

    Raises:
        ConfigError: it is larger than that.
    """
    size = len(msgspec.msgpack.encode(environment)) + 64 * secrets
    if size > MAX_ENVIRONMENT_BYTES:
        limit = f"at most {MAX_ENVIRONMENT_BYTES} bytes in all, with what scripting.passEnv names"
        raise ConfigError("scripting.env", limit, size)
