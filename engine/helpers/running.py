"""Runs of jobs: when one begins, when it is over, and what becomes of a host whose job takes too long."""

from __future__ import annotations

from collections.abc import Callable

from engine.clock import NS_PER_S, cpu_ns_of
from engine.errors import ProtocolViolation
from engine.frames.host import JobDone, RunJob
from engine.helpers.instance import Instance
from engine.helpers.script import Host, RunningJob, Script
from engine.units import format_duration


class JobRunner:
    """Starts the jobs of every script, one at a time per script, and watches their budgets."""

    def __init__(self, instance: Instance, kill: Callable[[Host, str], None]) -> None:
        self._instance, self._kill = instance, kill
        self.ending = False
        """No job begins by the clock any more."""

    def attach(self, host: Host) -> None:
        """A host is there; one that lived before us may be in the middle of a job."""
        run = host.script.schedule.attach(host.number, taken_over=host.taken_over)
        if run is not None:
            host.job = RunningJob(run.run, run.tag, self._instance.monotonic_s(), None)

    def start_due(self, script: Script) -> None:
        """Begin the job that waits longest, or a timer, if there is one and none is running; they take turns."""
        host = script.active
        if self.ending or host is None or host.listening or any(other.job for other in script.hosts):
            return
        tag = script.schedule.due(host.number, self._instance.wall_ns())
        timer = None if tag is not None and host.timer_ran else host.timers.take_due()
        host.timer_ran = timer is not None
        if timer is not None:
            run = script.schedule.begin_timer(host.number, f"setTimeout {timer}")
            self._send(host, RunJob(run.run, run.tag, timer))
        elif tag is not None:
            self.begin(host, tag)

    def begin(self, host: Host, tag: str) -> None:
        """Begin this job now."""
        run = host.script.schedule.begin(host.number, tag, self._instance.wall_ns())
        self._send(host, RunJob(run.run, tag))

    def _send(self, host: Host, message: RunJob) -> None:
        host.job = RunningJob(message.run, message.tag, self._instance.monotonic_s(), _cpu_ns(host))
        self._instance.counters.add("broker_job_runs_total")
        if not host.send(message):
            self._kill(host, "does not read what it is sent")

    def done(self, host: Host, message: JobDone) -> None:
        """A host says that a run is over.

        Raises:
            ProtocolViolation: it is none that it was asked for.
        """
        job = host.job
        if job is None or job.run != message.run:
            if host.taken_over and 0 < message.run <= host.script.schedule.last_run:
                return  # said to our predecessor before, and sent again
            raise ProtocolViolation(f"the end of run {message.run}, which is not running")
        self._over(host)
        if message.error:
            self._failed(host, job, message.error)
        self.start_due(host.script)

    def check(self, host: Host) -> None:
        """Hold a running job to its budgets."""
        job = host.job
        if job is None or host.gone:
            return
        limits = host.script.limits
        wall_s = self._instance.monotonic_s() - job.since_s
        cpu_s = (_cpu_ns(host) - job.cpu_ns) / NS_PER_S if job.cpu_ns is not None else 0.0
        if wall_s > limits.job_wall_s and job.cpu_ns is None:
            self._over(host)  # perhaps nobody ever told the host about this run
            self._failed(host, job, f"no answer for {format_duration(limits.job_wall_s)} after the broker was replaced")
        elif wall_s > limits.job_wall_s:
            self._stop(host, job, f"took more than {format_duration(limits.job_wall_s)} (scripting.jobWall)")
        elif cpu_s > limits.job_cpu_s:
            self._stop(host, job, f"used more than {format_duration(limits.job_cpu_s)} of CPU (scripting.jobCpu)")

    def _stop(self, host: Host, job: RunningJob, reason: str) -> None:
        self._over(host)
        self._failed(host, job, reason)
        self._kill(host, f"job {job.tag!r} {reason}")

    def _over(self, host: Host) -> None:
        host.job = None
        host.script.schedule.end(host.number)

    def _failed(self, host: Host, job: RunningJob, reason: str) -> None:
        self._instance.counters.add("broker_job_failures_total")
        host.script.console.say(f"job {job.tag!r} failed: {reason}", self._instance.wall_ns())


def _cpu_ns(host: Host) -> int:
    """The host's CPU clock; 0 for one that has just died, which its end will tell."""
    try:
        return cpu_ns_of(host.pid)
    except OSError:
        return 0
