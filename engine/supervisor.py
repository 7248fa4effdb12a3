"""`remora run`: starts the other processes, keeps them alive, carries a run from its first packet to its last upload.

A run goes through phases, each begun by a message to one child and ended by its answer; a child that dies is started
again and gets the message of the running phase once more::

    starting ─ Up, scripts settled ─► running ─ Drained ─► finishing ─► sealing ─► flushing ─► over
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from engine import clock
from engine.capture.packetsocket import open_packet_socket
from engine.children import HOPELESS, ChildProcess
from engine.configure import Configuration
from engine.controlsocket import HELD, QUERIED, ControlSocket
from engine.counters import Drop
from engine.errors import CaptureError, ConfigError, RemoraError
from engine.frames.control import (
    Begin,
    ConsoleLine,
    Drained,
    Failed,
    Finish,
    Finished,
    Flush,
    FromChild,
    FromZygote,
    HostExited,
    HostReady,
    HostRefused,
    HostStarted,
    KillHost,
    Queried,
    Quit,
    Report,
    Seal,
    Start,
    StopIntake,
    Up,
    Wanted,
)
from engine.process import nobody
from engine.scripting import sandbox
from engine.scripting.hosts import ScriptSet
from engine.scripting.watch import FolderWatch, read_scripts
from engine.segments.folder import give_to, lock_instance, open_folder

if TYPE_CHECKING:
    from engine.metrics import Metrics

SHUTDOWN_S, QUIT_S = 5.0, 3.0
DEBOUNCE_S = 0.2
MAX_LINE_BYTES = 64 * 1024
TICK_S = 0.25
PUBLISH_S = 1.0
"""Age of what metrics say."""
MAX_INLINE_BYTES, MAX_ENVIRONMENT_BYTES = 32 * 1024, 48 * 1024
"""What of a message (64 KiB) settings may take, else they go by a file; and what scripts may have as ``env``."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The last: its terminal is gone."""
MODULES = {
    "worker": "engine.worker",
    "broker": "engine.broker",
    "recorder": "engine.recorder",
    "shipper": "engine.shipper",
    "zygote": "engine.scripting.zygote",
}
CLIENT_VARIABLES = (
    "GOOGLE_APPLICATION_CREDENTIALS", "STORAGE_EMULATOR_HOST", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy",
    "http_proxy", "no_proxy", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "GOOGLE_CLOUD_PROJECT", "HOME",
)  # fmt: skip
"""Variables of the operator's environment that the storage client reads; only the shipper gets them."""

log = logging.getLogger("remora.supervisor")


class View(Protocol):
    """Who watches the run: a terminal or a log."""

    def progress(self, totals: Mapping[str, int], phase: str) -> None:
        """Totals of all processes; called a few times a second."""

    def tell(self, line: str) -> None:
        """Something the operator should read."""


@dataclass(slots=True)
class Outcome:
    """How a run ended."""

    exit_code: int
    totals: Mapping[str, int]
    remaining: int = 0
    note: str = ""
    errors: list[str] = field(default_factory=list)
    scripts_out: dict[str, str] = field(default_factory=dict)
    """Scripts that did not run to the end, and why."""


class Supervisor:
    """One instance. ``run`` returns when everything has arrived, or says what did not."""

    def __init__(self, configuration: Configuration, run_id: str, view: View) -> None:
        self._configuration, self._settings = configuration, configuration.settings
        self._run_id, self._view = run_id, view
        self._data = Path(self._settings.data)
        _check_environment(configuration.script_env)
        user = nobody()[0] if os.getuid() == 0 else -1
        if self._settings.scripts.source:
            sandbox.require(self._settings.scripts.sandbox, user)
        open_folder(self._data, self._settings.node.name, clock.wall_ns())
        if self._settings.user:
            give_to(self._data, self._settings.user)
        self._lock = lock_instance(self._data)
        self._children = {
            name: ChildProcess(name, module, FromZygote if name == "zygote" else FromChild)
            for name, module in MODULES.items()
        }
        self._selector = selectors.DefaultSelector()
        self._phase = "starting"
        self._counters: dict[str, dict[str, int]] = {}
        self._past: dict[str, int] = {}
        self._outcome = Outcome(0, {})
        self._interrupts = self._obeyed = 0
        self._input_ended = self._source_failed = False
        self._began = False
        self._flush_until_s = 0.0
        self._reload_s: float | None = None
        self._unfinished_line = b""
        self._scripts = ScriptSet(
            self._settings.scripts,
            configuration.script_env,
            self._settings.node.name,
            user,
            {name: self._children[name].mailbox for name in ("zygote", "broker")},
            [self._children["worker"].mailbox],
            view.tell,
            self._settings.filters.dialect,
            self._settings.filters.macros,
        )
        self._watch: FolderWatch | None = None
        self._metrics = self._serve_metrics()
        self._publish_s = 0.0
        self._queries = 0
        self._control = ControlSocket(self._data / "control.sock", self._selector, self._answer, self._on_queries)
        self._handlers: dict[type[Any], Callable[[str, Any], None]] = {
            Up: self._on_up,
            Report: self._on_report,
            HostReady: self._on_ready,
            HostRefused: lambda _, m: self._scripts.refused(m.host, m.reasons),
            HostStarted: lambda _, m: self._scripts.started(m.host, m.pid),
            HostExited: lambda _, m: self._scripts.exited(m.host, m.status, clock.monotonic_s()),
            KillHost: lambda _, m: self._scripts.kill(m.host, m.reason),
            ConsoleLine: self._on_console,
            Drained: self._on_drained,
            Finished: self._on_finished,
            Failed: self._on_failed,
        }

    # -- the loop ------------------------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Everything, from the first fork to the last upload."""
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write)
        previous = {number: signal.signal(number, self._on_signal) for number in STOP_SIGNALS}
        self._selector.register(wake_read, selectors.EVENT_READ, lambda: _drain(wake_read))
        self._log_read, self._log_write = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._log_read, False)
        self._selector.register(self._log_read, selectors.EVENT_READ, self._on_log)
        try:
            for child in self._children.values():
                self._start_child(child)
            self._load_scripts()
            while self._phase != "over":
                self._turn()
        finally:
            self._end()
            for number, handler in previous.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(-1)
        self._outcome.totals = self._totals()
        self._outcome.scripts_out = {
            script.name: script.reasons[0] if script.reasons else script.state
            for script in self._scripts.scripts.values()
            if script.host is None and script.state in ("refused", "quarantined")
        }
        return self._outcome

    def _turn(self) -> None:
        for key, _ in self._selector.select(TICK_S):
            key.data()
        if self._interrupts > self._obeyed:
            self._obey_interrupts()
        now_s = clock.monotonic_s()
        for child in self._children.values():
            child.mailbox.flush()
            if child.restart_s is not None and child.restart_s <= now_s:
                self._start_child(child)
        if self._reload_s is not None and self._reload_s <= now_s:
            self._reload_s = None
            self._load_scripts()
        self._scripts.take_due(now_s)
        self._advance()
        self._view.progress(self._totals(), self._phase)
        if self._metrics is not None and now_s >= self._publish_s:
            self._publish_s = now_s + PUBLISH_S
            self._metrics.publish({**self._totals(), **self._costs()})

    # -- metrics -------------------------------------------------------------------------------------------------------

    def _serve_metrics(self) -> Metrics | None:
        if not self._settings.metrics.port:
            return None
        from engine.metrics import Metrics, serve  # 40 ms that only those pay who want it

        metrics = Metrics()
        self._view.tell(
            f"metrics: http://{self._settings.metrics.host}:{serve(metrics, self._settings.metrics)}/metrics"
        )
        return metrics

    def _costs(self) -> dict[str, float]:
        from engine.metrics import of_process

        running = {child.name: child.pid for child in self._children.values() if child.alive}
        running |= {
            f"script {script.name}": script.host.pid for script in self._scripts.scripts.values() if script.host
        }
        return {name: value for label, pid in running.items() for name, value in of_process(label, pid).items()}

    def _advance(self) -> None:
        """Begin reading once every process is up and every script was loaded or refused."""
        ready = all(child.up for child in self._children.values() if child.name != "zygote") and self._scripts.settled
        if self._phase in ("starting", "running") and ready and not self._began:
            refused = [script for script in self._scripts.scripts.values() if script.state == "refused"]
            if self._phase == "starting" and refused and len(refused) == len(self._scripts.scripts) and self._replay:
                self._give_up("no script could be loaded; nothing was read")
                return
            self._began, self._phase = True, "running"
            self._begin_reading()

    def _begin_reading(self) -> None:
        """After a stop that came before this: a live capture still gives what its ring holds, a file is not begun."""
        messages: list[Begin | StopIntake] = [Begin()]
        if self._interrupts:
            messages.insert(0 if self._replay else 1, StopIntake(self._settings.grace_s))
        for message in messages:
            self._children["worker"].mailbox.send(message)

    @property
    def _replay(self) -> bool:
        return not any(source.startswith("iface:") for source in self._settings.sources)

    # -- children ------------------------------------------------------------------------------------------------------

    def _start_child(self, child: ChildProcess) -> None:
        stdin = child.name == "worker" and "-" in self._settings.sources
        try:
            packets = self._packet_sockets() if child.name == "worker" else {}
        except CaptureError as error:
            child.restart_s = None
            self._on_failed("worker", Failed(str(error)))
            self._on_drained("worker", Drained(True))  # unless nothing was begun: then it is over
            return
        try:
            child.start(clock.monotonic_s(), self._log_write, stdin=stdin)
        except OSError as error:
            self._view.tell(f"{child.name} cannot be started ({error.strerror}); it is tried again")
            return
        self._selector.register(child.endpoint, selectors.EVENT_READ, lambda: self._on_child(child))
        if child.name == "zygote":
            if child.deaths:
                self._scripts.restart_all(clock.monotonic_s())
            return
        self._send_start(child, {name: sock.detach() for name, sock in packets.items()})

    def _send_start(self, child: ChildProcess, descriptors: dict[str, int]) -> None:
        """``Start`` with its descriptors, which are closed here."""
        settings = msgspec.msgpack.encode(self._settings.without_secrets())
        if len(settings) > MAX_INLINE_BYTES:
            descriptors["settings"] = _as_file(settings)
            settings = msgspec.msgpack.encode(None)
        start = Start(
            msgspec.Raw(settings),
            self._shipper_secrets() if child.name == "shipper" else {},
            self._run_id,
            self._settings.node.name,
            list(descriptors),
        )
        child.mailbox.send(start, tuple(descriptors.values()))
        for descriptor in descriptors.values():
            os.close(descriptor)

    def _packet_sockets(self) -> dict[str, socket.socket]:
        names = [source.removeprefix("iface:") for source in self._settings.sources if source.startswith("iface:")]
        return {f"packets:{name}": open_packet_socket(name, self._settings.capture) for name in names}

    def _shipper_secrets(self) -> dict[str, str]:
        passed = {name: os.environ[name] for name in CLIENT_VARIABLES if name in os.environ}
        return {**passed, **self._configuration.secrets}

    def _on_child(self, child: ChildProcess) -> None:
        if not child.alive:
            return
        messages = child.receive()
        if messages is None:
            self._on_death(child)
            return
        for message in messages:
            self._handlers[type(message)](child.name, message)

    def _on_death(self, child: ChildProcess) -> None:
        self._selector.unregister(child.endpoint)
        status = child.bury(clock.monotonic_s())
        counters = self._counters.pop(child.name, {})
        if child.name == "worker":
            self._count_undelivered(counters)
        for name, count in counters.items():
            if name.endswith("_total") or "_total{" in name:
                self._past[name] = self._past.get(name, 0) + count
        if child.name == "broker":
            self._scripts.broker_died()
        elif child.name == "zygote":
            self._scripts.forget_hosts()
        elif child.name == "worker" and self._phase in ("starting", "running"):
            self._scripts.lose_hosts()
        if self._phase == "over" or (child.name == "worker" and self._phase not in ("starting", "running")):
            child.restart_s = None
        elif child.name == "worker" and self._source_failed:
            child.restart_s = None
            self._on_drained("worker", Drained(True))
        elif child.faults >= HOPELESS and (self._replay or self._phase != "running"):
            self._abandon(child, status)
        elif child.name == "worker" and self._began and "-" in self._settings.sources:
            self._fail("the worker died while it read standard input, which cannot be read again")
            child.restart_s = None
            self._on_drained("worker", Drained(True))
        else:
            self._view.tell(f"{child.name} died ({_how(status)}); it starts again")
            self._began = self._began and child.name != "worker"

    def _count_undelivered(self, counters: Mapping[str, int]) -> None:
        """What waited for scripts in a dead worker, as far as its last report says, 200 ms before at most."""
        dropped = sum(count for name, count in counters.items() if name.startswith("scripts_dropped_total{"))
        entries, out = counters.get("scripts_entries_total", 0), counters.get("scripts_delivered_total", 0) + dropped
        if entries > out:
            name = f"scripts_dropped_total{{reason={Drop.NOT_DELIVERED.name.lower()}}}"
            self._past[name] = self._past.get(name, 0) + entries - out
            self._view.tell(f"{entries - out} entries that waited in the worker reach no script")

    def _abandon(self, child: ChildProcess, status: int) -> None:
        """It dies whenever it is started: what it has done so far is sealed and shipped, if that does not need it."""
        message = f"{child.name} died {child.faults} times in a row ({_how(status)}); what was recorded stays"
        child.restart_s = None
        if child.name == "worker" and self._phase == "running":
            self._fail(message)
            self._on_drained("worker", Drained(True))
        else:
            self._give_up(message)

    def _on_up(self, name: str, _: Up) -> None:
        child = self._children[name]
        child.up = True
        if name == "worker":
            self._tell_wanted()
        if name == "worker" and child.deaths:
            self._scripts.restart_all(clock.monotonic_s())
        if name == "broker" and child.deaths:
            self._scripts.broker_replaced(clock.monotonic_s())
        if (name, self._phase) in (("broker", "finishing"), ("recorder", "sealing"), ("shipper", "flushing")):
            self._begin_phase(self._phase)

    # -- who wants items -----------------------------------------------------------------------------------------------

    def _on_ready(self, _: str, message: HostReady) -> None:
        if "onItemCaptured" in message.hooks and not self._settings.dissect.enabled:
            message.warnings.append("no items come: tap.capture.dissection.enabled is false")
        self._scripts.ready(message)

    def _on_queries(self, count: int) -> None:
        self._queries = count
        self._tell_wanted()

    def _tell_wanted(self) -> None:
        """Recordings that are due will be named here too."""
        by = ["query"] if self._queries else []
        for name, child in self._children.items():
            if name.partition("-")[0] == "worker":
                child.mailbox.send(Wanted(by))

    # -- phases --------------------------------------------------------------------------------------------------------

    def _begin_phase(self, phase: str) -> None:
        self._phase = phase
        if phase == "finishing":
            self._scripts.ending = True
            self._children["broker"].mailbox.send(Finish(jobs=self._input_ended, shutdown_s=SHUTDOWN_S))
        elif phase == "sealing":
            self._children["recorder"].mailbox.send(Seal())
        elif phase == "flushing":
            left_s = max(self._flush_until_s - clock.monotonic_s(), 0.0)
            self._children["shipper"].mailbox.send(Flush(left_s))

    def _on_drained(self, _: str, message: Drained) -> None:
        if self._phase == "running":
            self._input_ended = message.input_ended or self._source_failed
            self._begin_phase("finishing")

    def _on_finished(self, name: str, message: Finished) -> None:
        if name == "broker" and self._phase == "finishing":
            if message.note:
                self._view.tell(f"onShutdown: {message.note}")
            self._begin_phase("sealing")
        elif name == "recorder" and self._phase == "sealing":
            if message.remaining:
                self._fail(message.note)
            self._flush_until_s = clock.monotonic_s() + self._settings.grace_s
            self._begin_phase("flushing")
        elif name == "shipper" and self._phase == "flushing":
            self._outcome.remaining, self._outcome.note = message.remaining, message.note
            if message.remaining:
                self._outcome.exit_code = 1
            self._phase = "over"

    def _on_failed(self, name: str, message: Failed) -> None:
        if self._phase == "starting":
            self._give_up(message.message, 2 if message.wrong_use else 1)
        elif name == "worker" and self._phase == "running":  # it delivers what it has read, then says that it drained
            self._source_failed = True
            self._fail(message.message)
        else:
            self._view.tell(f"{name}: {message.message}")  # it ends and starts again

    def _fail(self, message: str) -> None:
        self._outcome.errors.append(message)
        self._outcome.exit_code = self._outcome.exit_code or 1

    def _give_up(self, message: str, exit_code: int = 1) -> None:
        self._outcome.errors.append(message)
        self._outcome.exit_code = exit_code
        self._phase = "over"

    def _on_signal(self, *_: object) -> None:
        self._interrupts += 1  # no more: it interrupts whatever the loop is doing

    def _obey_interrupts(self) -> None:
        self._obeyed = self._interrupts
        if self._interrupts > 1 or (self._phase == "starting" and self._replay):
            self._outcome.note = self._outcome.note or "stopped at once; what was sealed waits in the outbox"
            self._outcome.exit_code = self._outcome.exit_code or (1 if self._phase != "starting" else 0)
            self._phase = "over"
        elif self._phase == "starting":
            self._view.tell("stopping as soon as it has started (once more to stop at once)")
        elif self._phase == "running":
            self._view.tell("stopping: no more packets; delivering, sealing, uploading (once more to stop at once)")
            self._children["worker"].mailbox.send(StopIntake(self._settings.grace_s))
        elif self._phase != "over":
            self._view.tell(f"ending already ({self._phase}); once more to stop at once")

    def _end(self) -> None:
        self._scripts.kill_all()
        for child in self._children.values():
            child.mailbox.send(Quit())
        quit_s = clock.monotonic_s() + QUIT_S
        for child in self._children.values():
            child.wait(max(quit_s - clock.monotonic_s(), 0.0))
            self._on_log()
        self._control.close()
        if self._watch is not None:
            self._watch.close()
        os.close(self._log_write)
        self._on_log()
        self._lock.close()

    # -- scripts, counters, log ----------------------------------------------------------------------------------------

    def _load_scripts(self) -> None:
        if not self._settings.scripts.source:
            return
        folder = Path(self._settings.scripts.source)
        try:
            texts, unread = read_scripts(folder)
        except RemoraError as error:
            if self._phase == "starting":
                self._give_up(str(error), 2)
            else:
                self._view.tell(str(error))
            return
        if self._watch is None and self._settings.scripts.watch:
            self._watch = FolderWatch(folder)
            self._selector.register(self._watch, selectors.EVENT_READ, self._on_folder)
        self._scripts.set_texts(texts, clock.monotonic_s(), unread)

    def _on_folder(self) -> None:
        assert self._watch is not None, "it called us"
        self._watch.take()
        self._reload_s = clock.monotonic_s() + DEBOUNCE_S

    def _on_report(self, name: str, message: Report) -> None:
        self._counters[name] = message.counters
        if message.note:
            self._view.tell(message.note)

    def _totals(self) -> dict[str, int]:
        totals = dict(self._past)
        for counters in (*self._counters.values(), self._scripts.counters.snapshot()):
            for name, count in counters.items():
                totals[name] = totals.get(name, 0) + count
        return totals

    def _on_console(self, _: str, message: ConsoleLine) -> None:
        level = "" if message.level == "log" else f":{message.level.upper()}"
        self._view.tell(f"[{self._settings.node.name}-{message.script}{level}] {message.text}")

    def _on_log(self) -> None:
        try:
            data = self._unfinished_line + os.read(self._log_read, 1 << 20)
        except BlockingIOError:
            return
        *lines, self._unfinished_line = data.split(b"\n")
        if len(self._unfinished_line) > MAX_LINE_BYTES:
            lines, self._unfinished_line = [*lines, self._unfinished_line], b""
        for line in lines:
            self._view.tell(line.decode(errors="replace"))

    def _accept_query(self) -> dict[str, Any]:
        if not self._settings.dissect.enabled:
            raise RemoraError(
                "tap.capture.dissection.enabled is false: expected true for a query of live items; "
                "remora query --data DIR without --follow dissects what is stored"
            )
        if self._phase not in ("starting", "running"):
            raise RemoraError(f"the instance is {self._phase}: expected one that still reads packets")
        return {HELD: True}

    def _answer(self, operation: str, given: Mapping[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Rows and closing of a request on the control socket."""
        if operation == HELD:
            return [], self._accept_query()
        if operation == QUERIED:
            self._children["worker"].mailbox.send(_queried(given))
            return [], {}
        if operation != "status":
            raise RemoraError(f"control socket: expected the operation 'status' or {HELD!r}, got {operation!r}")
        rows = [
            {"process": child.name, "pid": child.pid, "up": child.alive, "deaths": child.deaths}
            for child in self._children.values()
        ]
        totals = self._totals()
        scripts = [
            {
                "script": script.name,
                "title": script.title,
                "state": script.state,
                "digest": script.digest,
                "memory_bytes": script.host.memory_bytes if script.host else 0,
                "hooks": script.host.hooks if script.host else [],
                **_deliveries(script.name, totals),
                "reasons": script.reasons,
            }
            for script in self._scripts.scripts.values()
        ]
        return rows + scripts, {"phase": self._phase, "run_id": self._run_id, "counters": totals}


def _deliveries(script: str, totals: Mapping[str, int]) -> dict[str, int]:
    """What became of the entries for one script."""
    drops = [
        count
        for name, count in totals.items()
        if name.startswith("script_dropped_total{") and name.endswith(f",script={script}}}")
    ]
    names = ("delivered", "errors", "matched")
    found = {name: totals.get(f"script_{name}_total{{script={script}}}", 0) for name in names}
    return {**found, "dropped": sum(drops), "waiting": totals.get(f"script_queue{{script={script}}}", 0)}


def _check_environment(environment: Mapping[str, str]) -> None:
    """Every host gets it in one message.

    Raises:
        ConfigError: it is larger than that.
    """
    size = len(msgspec.msgpack.encode(environment))
    if size > MAX_ENVIRONMENT_BYTES:
        limit = f"at most {MAX_ENVIRONMENT_BYTES} bytes in all, with what scripting.passEnv names"
        raise ConfigError("scripting.env", limit, size)


def _queried(given: Mapping[str, Any]) -> Queried:
    try:
        return msgspec.convert(dict(given), Queried)
    except msgspec.ValidationError as error:
        raise RemoraError(f"control socket: {QUERIED}: {error}") from None


def _as_file(data: bytes) -> int:
    """A descriptor to read ``data`` from."""
    descriptor = os.memfd_create("settings")
    os.write(descriptor, data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _drain(descriptor: int) -> None:
    os.read(descriptor, 4096)


def _how(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"exit status {status}"
