"""The end of an instance: each script's jobs once more, then ``onShutdown``, within a limit of time."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.frames.control import Finish, Finished
from engine.frames.host import Shutdown
from engine.helpers.hosts import Hosts
from engine.helpers.script import Host


@dataclass(slots=True, eq=False)
class _Leaving:
    """What is left to do with one host."""

    host: Host
    jobs: list[str]
    deadline_s: float | None = None
    """Until when ``ShutdownDone`` may come; None before ``Shutdown``."""
    gave_up: bool = False

    @property
    def over(self) -> bool:
        return self.host.shut_down or self.gave_up


@dataclass(slots=True)
class Ending:
    """The answer to one ``Finish``. ``step`` goes on as far as it can at this moment."""

    finish: Finish
    hosts: Hosts
    _leaving: list[_Leaving] = field(default_factory=list)

    def __post_init__(self) -> None:
        for script in self.hosts.scripts:
            for host in script.hosts:
                if host.ready:
                    wanted = self.finish.jobs and host is script.active
                    self._leaving.append(_Leaving(host, list(script.schedule.jobs(host.number)) if wanted else []))

    def step(self, now_s: float) -> Finished | None:
        """The answer, once every host is done or its time is up."""
        for leaving in self._leaving:
            self._advance(leaving, now_s)
        if not all(leaving.over for leaving in self._leaving):
            return None
        silent = [leaving.host for leaving in self._leaving if not leaving.host.shut_down]
        note = ", ".join(host.script.name for host in silent)[:1000]
        return Finished(len(silent), f"did not answer: {note}" if silent else "")

    def _advance(self, leaving: _Leaving, now_s: float) -> None:
        host = leaving.host
        if leaving.over or (host.job is not None and not host.gone):
            return
        if host.gone or (leaving.deadline_s is not None and now_s >= leaving.deadline_s):
            leaving.gave_up = True
        elif leaving.jobs:
            tag = leaving.jobs.pop(0)
            if tag in host.script.schedule.jobs(host.number):  # another job may have removed it
                self.hosts.runner.begin(host, tag)
        elif leaving.deadline_s is None:
            host.asked_to_shut_down = True
            leaving.deadline_s = now_s + self.finish.shutdown_s
            if not host.send(Shutdown()):
                self.hosts.kill(host, "does not read what it is sent")
