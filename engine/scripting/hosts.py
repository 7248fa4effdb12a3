"""Every script of an instance and the host that runs it: start, swap, restart with back-off, quarantine.

Owned by the supervisor. Nothing here waits: each method answers one event, and ``take_due`` does what time brings.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence

from engine.counters import Counters
from engine.frames.control import AttachHost, DetachHost, HostReady
from engine.jail.layers import wanted
from engine.jail.memory import resident_bytes
from engine.scripting.deaths import how_it_ended, label
from engine.scripting.environment import ScriptEnvironment
from engine.scripting.hosted import Host, Outbox, Script
from engine.scripting.options import ScriptOptions
from engine.scripting.spawning import Spawner
from engine.units import format_bytes

FIRST_BACKOFF_S, LAST_BACKOFF_S = 1.0, 300.0
CRASH_WINDOW_S = 600.0
WATCH_INTERVAL_S = 0.5
LOAD_WALL_S = 30.0
"""A host that is not ready by then is ended; its CPU is bounded by ``scripting.loadCpu``."""


class ScriptSet:
    """All scripts. Messages go to the zygote, the broker and the workers; what happened goes to ``tell``."""

    def __init__(
        self,
        options: ScriptOptions,
        environment: ScriptEnvironment,
        node: str,
        user: int,
        outboxes: Mapping[str, Outbox],
        workers: Sequence[Outbox],
        tell: Callable[[str], None],
        dialect: str = "auto",
        macros: Mapping[str, str] | None = None,
    ) -> None:
        """``outboxes``: ``zygote``, ``broker``. ``user``: uid hosts run as, -1 for ours.

        ``dialect`` and ``macros`` are those of the filters in scripts.
        """
        self._options, self._outboxes, self._workers, self._tell = options, outboxes, workers, tell
        zygote, macros = outboxes["zygote"], macros or {}
        self._spawner = Spawner(options, environment, node, user, zygote, len(workers), dialect, macros)
        self.scripts: dict[str, Script] = {}
        self.ending = False
        """Hosts are told to end, so their exits are no crashes."""
        self._hosts: dict[int, Host] = {}
        self._numbers = 0
        self._broker_listens = True
        self._watched_s = float("-inf")
        self._told_missing: list[str] = []
        self.counters = Counters()

    # -- the folder ----------------------------------------------------------------------------------------------------

    def set_texts(self, texts: Mapping[str, bytes], now_s: float, unread: Mapping[str, str] | None = None) -> None:
        """The folder holds exactly these scripts now: start what is new or changed, end what is gone.

        ``unread``: scripts that could not be read, and why; a version that was loaded before keeps running.
        """
        unread = unread or {}
        for name in [name for name in self.scripts if name not in texts and name not in unread]:
            self._remove(self.scripts.pop(name))
        for name, reason in unread.items():
            self._leave_unread(name, reason)
        for name, text in texts.items():
            script = self.scripts.get(name)
            if script is None or script.text != text:
                script = self.scripts.setdefault(name, Script(name, text))
                self.counters.add(f"script_kills_total{{script={name}}}", 0)
                script.text, script.digest, script.restart_s = text, hashlib.sha256(text).hexdigest()[:12], None
                script.crashes_s.clear()
                script.refused, script.reasons = None, []
                script.state = "loading" if script.host is None else script.state
                self._start(script, now_s)

    def _leave_unread(self, name: str, reason: str) -> None:
        script = self.scripts.setdefault(name, Script(name, b"", state="refused"))
        if script.reasons != [reason]:
            script.reasons = [reason]
            self._tell(f"script {name!r} was not loaded:\n  {reason}")

    def _remove(self, script: Script) -> None:
        for host in (script.host, script.candidate):
            if host is not None:
                self._retire(host, successor=False)
        self._tell(f"script {script.name!r} was unloaded")

    @property
    def settled(self) -> bool:
        """Every script is running or was refused."""
        return all(
            script.candidate is None and script.restart_s is None and not script.lost
            for script in self.scripts.values()
        )

    # -- starting ------------------------------------------------------------------------------------------------------

    def _start(self, script: Script, now_s: float) -> None:
        if script.candidate is not None:
            self._retire(script.candidate, successor=True)
        self._numbers += 1
        host = self._spawner.spawn(self._numbers, script, now_s)
        script.candidate = self._hosts[host.number] = host

    def started(self, number: int, pid: int) -> None:
        """The zygote forked this host."""
        host = self._hosts.get(number)
        if host is not None:
            host.pid = pid
            if self._broker_listens:  # else its successor is told, once
                self._introduce(host)
            if host.retired:
                self.kill(number, "")

    def _introduce(self, host: Host) -> None:
        attach = AttachHost(host.number, host.script.name, host.hooks, host.pid, taken_over=host.introduced)
        host.introduced = host.known = True
        self._outboxes["broker"].send(attach, (host.broker.fileno(),))

    def ready(self, message: HostReady) -> None:
        """The host compiled its script: it takes over from its predecessor."""
        host = self._hosts.get(message.host)
        if host is None or host.retired:
            return
        self._say_what_is_missing(message.layers)
        script, host.ready, host.hooks = host.script, True, message.hooks
        host.layers = message.layers
        script.title = message.title
        for warning in message.warnings:
            self._tell(f"script {script.name!r}: {warning}")
        attach = AttachHost(host.number, script.name, host.hooks, host.pid, message.filters)
        for worker, events in zip(self._workers, host.events, strict=True):
            worker.send(attach, (events.fileno(), host.progress_fd))
            events.close()
        previous, script.host, script.candidate = script.host, host, None
        if previous is not None:
            previous.retired = True  # its events socket closes when its last frame is acknowledged
        self._tell(
            f"script {script.name!r} {'replaced' if previous else 'loaded'}: {', '.join(host.hooks) or 'no hooks'}"
        )
        script.state, script.reasons, script.loaded, script.restart_s = "running", [], host.text, None

    def _say_what_is_missing(self, layers: Sequence[str]) -> None:
        """Once, and again when it changes."""
        mode = self._options.sandbox
        missing = [name for name in wanted(mode) if name not in layers]
        if mode == "off":
            missing = ["off"]
        if missing == self._told_missing:
            return
        self._told_missing = missing
        if mode == "off":
            self._tell("scripting.sandbox is off: a script that breaks out of its language is held by nothing")
        elif missing:
            names = ", ".join(missing)
            self._tell(f"scripting.sandbox: this machine does not give scripts {names}; 'remora doctor' says why")

    def refused(self, number: int, reasons: list[str]) -> None:
        """The host could not load its script; an older version keeps running."""
        host = self._hosts.get(number)
        if host is not None and not host.retired:
            self._refuse(host, reasons)

    def _refuse(self, host: Host, reasons: list[str]) -> None:
        self.kill(host.number, "")
        script = host.script
        host.retired, script.candidate, script.reasons, script.refused = True, None, reasons, host.text
        lines = "".join(f"\n  {reason}" for reason in reasons)
        if script.host is not None:
            self._tell(f"script {script.name!r} was not loaded, the version before it keeps running:{lines}")
        elif script.loaded not in (None, host.text):
            script.state, script.restart_s = "restarting", script.restart_s or 0.0
            self._tell(f"script {script.name!r} was not loaded, the version before it starts again:{lines}")
        else:
            script.state, script.restart_s = "refused", None
            self._tell(f"script {script.name!r} was not loaded:{lines}")
            self._detach(host, successor=False)

    def _detach(self, host: Host, *, successor: bool) -> None:
        for worker in self._workers:
            worker.send(DetachHost(host.number, host.script.name, successor))

    # -- ending --------------------------------------------------------------------------------------------------------

    def kill(self, number: int, reason: str) -> None:
        """End a host now; its exit is handled like any other crash."""
        host = self._hosts.get(number)
        if host is None or host.pid == 0:
            return
        if reason and not host.killed:
            self.counters.add("hosts_kills_total")
            self.counters.add(f"script_kills_total{{script={host.script.name}}}")
            self._tell(f"script {host.script.name!r} is ended: {reason}")
        host.killed = True
        with contextlib.suppress(ProcessLookupError):
            os.kill(host.pid, signal.SIGKILL)

    def _retire(self, host: Host, *, successor: bool) -> None:
        host.retired = True
        if host.ready:
            self._detach(host, successor=successor)
        self.kill(host.number, "")

    def exited(self, number: int, status: int, now_s: float) -> None:
        """The zygote saw a host end."""
        host = self._hosts.pop(number, None)
        if host is None:
            return
        self._outboxes["broker"].send(DetachHost(number, host.script.name, successor=not host.retired))
        for end in (*host.events, host.broker):
            end.close()
        os.close(host.progress_fd)
        script = host.script
        if host.retired or self.ending:
            script.host = None if script.host is host else script.host
            script.candidate = None if script.candidate is host else script.candidate
        elif script.candidate is host and (script.state == "loading" or script.host is not None):
            self.counters.add(f"hosts_deaths_total{{how={label(status)}}}")
            self._refuse(host, [f"it died while it was loaded ({how_it_ended(status)})"])
        else:
            self._crashed(host, status, now_s)

    def _crashed(self, host: Host, status: int, now_s: float) -> None:
        script = host.script
        script.crashes_s.append(now_s)
        while script.crashes_s[0] < now_s - CRASH_WINDOW_S:
            script.crashes_s.popleft()
        script.candidate = None if script.candidate is host else script.candidate
        script.host = None if script.host is host else script.host
        how, count = how_it_ended(status), len(script.crashes_s)
        self.counters.add(f"hosts_deaths_total{{how={label(status)}}}")
        self.counters.add(f"script_deaths_total{{how={label(status)},script={script.name}}}")
        if status == -signal.SIGSYS or count >= self._options.of(script.name).quarantine_after:
            script.state, script.restart_s, script.loaded = "quarantined", None, None
            times = "once" if count == 1 else f"{count} times"
            self._tell(f"script {script.name!r} died {times} ({how}) and is out until its text changes")
        else:
            delay_s = min(FIRST_BACKOFF_S * 2 ** (count - 1), LAST_BACKOFF_S)
            script.state, script.restart_s = "restarting", now_s + delay_s
            self.counters.add("hosts_restarts_total")
            self.counters.add(f"script_restarts_total{{script={script.name}}}")
            self._tell(f"script {script.name!r} died ({how}); it starts again in {delay_s:g} s")
        if host.ready or script.restart_s is None:
            self._detach(host, successor=script.restart_s is not None)

    # -- time and neighbours -------------------------------------------------------------------------------------------

    def take_due(self, now_s: float) -> None:
        """Restart what has waited out its back-off, end what does not get ready or uses too much memory."""
        if now_s - self._watched_s >= WATCH_INTERVAL_S:
            self._watched_s = now_s
            self._watch_memory()
        for script in self.scripts.values():
            if script.candidate is not None and now_s - script.candidate.born_s > LOAD_WALL_S:
                script.candidate.born_s = now_s
                self.kill(script.candidate.number, f"not loaded within {LOAD_WALL_S:g} s")
            if script.restart_s is not None and script.restart_s <= now_s and script.candidate is None:
                script.restart_s = None
                self._start(script, now_s)

    def _watch_memory(self) -> None:
        """The limit on address space comes first; this holds where ``scripting.sandbox`` is off."""
        for host in self._hosts.values():
            limit = self._options.of(host.script.name).memory_bytes
            host.memory_bytes = resident_bytes(host.pid) if host.pid and not host.killed else 0
            if host.memory_bytes > limit:
                used = format_bytes(host.memory_bytes)
                self.kill(host.number, f"uses {used} of memory, scripting.memory allows {format_bytes(limit)}")

    def due_s(self) -> float | None:
        """When ``take_due`` has something to do."""
        return min((script.restart_s for script in self.scripts.values() if script.restart_s is not None), default=None)

    def broker_died(self) -> None:
        """Its successor is to be told of every host."""
        self._broker_listens = False
        for host in self._hosts.values():
            host.known = False

    def broker_replaced(self, now_s: float) -> None:
        """A new broker is up: it gets every host's socket.

        A host that was still being loaded may have said so to the old one alone: it is replaced.
        """
        self._broker_listens = True
        for host in list(self._hosts.values()):
            if host is host.script.candidate and host.introduced and not host.known:
                self._start(host.script, now_s)
            elif host.pid and not host.known:
                self._introduce(host)

    def lose_hosts(self) -> None:
        """A worker or the zygote died: its hosts are of no use, and they are not to blame for their end."""
        for host in list(self._hosts.values()):
            host.retired = True
            self.kill(host.number, "")
        for script in self.scripts.values():
            if script.host is not None or script.candidate is not None:
                script.state = "restarting" if script.state == "running" else script.state
                script.host, script.candidate, script.lost = None, None, True

    def restart_all(self, now_s: float) -> None:
        """A worker or the zygote is back: every script that lost its host gets a new one."""
        self.lose_hosts()
        for script in self.scripts.values():
            if script.lost:
                script.lost = False
                self._start(script, now_s)

    def forget_hosts(self) -> None:
        """The zygote died, and every host with it: nobody will report their exits."""
        self.lose_hosts()
        for number in list(self._hosts):
            self.exited(number, 0, 0.0)

    def kill_all(self) -> None:
        """The end of the instance."""
        for host in self._hosts.values():
            host.retired = True
            self.kill(host.number, "")
