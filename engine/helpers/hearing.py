"""Console lines on their way to the scripts that have ``onLogCall``: some at a time, and never more than fit.

A host has one message of lines under way and answers it before the next, so that lines cannot fill the socket that
carries the answers to its calls. While it works on them no job of its script begins, and the reverse.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.clock import NS_PER_S, cpu_ns_of
from engine.counters import Drop
from engine.errors import ProtocolViolation
from engine.frames.host import Lines, LinesHeard
from engine.helpers.instance import Instance
from engine.helpers.script import Host, Listening
from engine.units import format_duration

HOOK = "onLogCall"
MAX_WAITING = 512
MAX_LINES, MAX_CHARACTERS = 64, 12_000
"""Of one message; a line is escaped and at most 8 KiB long."""


class Hearing:
    """Owned by the loop."""

    def __init__(self, instance: Instance, hosts: Callable[[], list[Host]], kill: Callable[[Host, str], None]) -> None:
        self._instance, self._hosts, self._kill = instance, hosts, kill

    def tell(self, level: str, text: str) -> None:
        """A line was written: it waits for each script that listens, but for those that have too many waiting."""
        for host in self._hosts():
            if HOOK in host.hooks and host.ready and not host.gone:
                self._instance.counters.add("broker_lines_told_total")
                if len(host.lines) >= MAX_WAITING:
                    self._instance.counters.drop("broker_lines", Drop.SCRIPT_QUEUE_FULL)
                else:
                    host.lines.append((level, text))

    def step(self, host: Host, now_s: float) -> None:
        """Send what waits, if the host is free; hold what is under way to the budget of a job."""
        if host.gone:
            return
        if host.listening is not None:
            self._check(host, host.listening, now_s)
        elif host.lines and host.job is None and host.ready and not host.asked_to_shut_down:
            self._send(host, now_s)

    def _send(self, host: Host, now_s: float) -> None:
        lines: list[tuple[str, str]] = []
        characters = 0
        while host.lines and len(lines) < MAX_LINES and characters + len(host.lines[0][1]) <= MAX_CHARACTERS:
            lines.append(host.lines.popleft())
            characters += len(lines[-1][1])
        host.heard += 1
        host.listening = Listening(host.heard, now_s, _cpu_ns(host))
        if not host.send(Lines(host.heard, lines)):
            self._kill(host, "does not read what it is sent")

    def heard(self, host: Host, message: LinesHeard) -> None:
        """A host has worked through its lines.

        Raises:
            ProtocolViolation: none of this number were sent.
        """
        if host.listening is not None and host.listening.number == message.number:
            host.listening = None
        elif not host.taken_over:  # else a predecessor of ours sent them
            raise ProtocolViolation(f"the end of lines {message.number}, which were not sent")

    def forget(self, host: Host) -> None:
        """The host is gone: what waited for it is dropped and counted."""
        if host.lines:
            self._instance.counters.drop("broker_lines", Drop.SCRIPT_GONE, len(host.lines))
            host.lines.clear()

    def _check(self, host: Host, listening: Listening, now_s: float) -> None:
        limits = host.script.limits
        if now_s - listening.since_s > limits.job_wall_s:
            self._kill(host, f"{HOOK} took more than {format_duration(limits.job_wall_s)} (scripting.jobWall)")
        elif (_cpu_ns(host) - listening.cpu_ns) / NS_PER_S > limits.job_cpu_s:
            self._kill(host, f"{HOOK} used more than {format_duration(limits.job_cpu_s)} of CPU (scripting.jobCpu)")


def _cpu_ns(host: Host) -> int:
    """The host's CPU clock; 0 for one that has just died, which its end will tell."""
    try:
        return cpu_ns_of(host.pid)
    except OSError:
        return 0
