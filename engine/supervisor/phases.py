"""The phases of a run, each begun by a message to a child and ended by its answer.

A child that dies is started again and gets the message of the running phase once more::

    starting ─ Up, scripts settled ─► running ─ Drained ─► finishing ─► sealing ─► flushing ─► over

Several workers run side by side: ``running`` ends when all of them have drained. Nothing here waits; times are
monotonic seconds.
"""

from __future__ import annotations

import signal
from collections.abc import Callable

from engine.capture.sources import LIVE
from engine.children import HOPELESS, ChildProcess
from engine.config import Settings
from engine.frames.control import Begin, Drained, Failed, Finish, Finished, Flush, Seal, StopIntake
from engine.scripting.hosts import ScriptSet
from engine.supervisor.family import Family
from engine.supervisor.outcome import Outcome

SHUTDOWN_S = 5.0
DELIVERY_SHARE = 0.75
"""Of the grace, what slow scripts may take; the rest is for uploading, which also gets what they leave."""


class Phases:
    """Which phase it is, and what ends it."""

    def __init__(
        self, settings: Settings, family: Family, scripts: ScriptSet, outcome: Outcome, tell: Callable[[str], None]
    ) -> None:
        self.name = "starting"
        self._family, self._scripts, self._outcome, self._tell = family, scripts, outcome, tell
        self._grace_s, self._stdin = settings.grace_s, "-" in settings.sources
        self._replay = not any(source.startswith(LIVE) for source in settings.sources)
        self._for_scripts = not settings.sources
        """Nothing is captured: it runs for its scripts, and only with all of them."""
        self._begun: set[str] = set()
        """Workers that were told to begin."""
        self._drained: dict[str, bool] = {}
        """Workers that have nothing more to deliver, and whether their input ended by itself."""
        self._stopped_s: float | None = None
        """When somebody or an error ended the intake."""
        self._source_failed = False
        self._flush_s = settings.grace_s
        """What is left of the grace for uploading."""
        self._flush_until_s: float | None = None

    # -- starting and running ------------------------------------------------------------------------------------------

    def advance(self, now_s: float) -> None:
        """Begin reading once every process is up and every script was loaded or refused."""
        if self.name not in ("starting", "running"):
            return
        idle = [w for w in self._family.workers if w.name not in self._begun and w.name not in self._drained]
        if not idle or not self._family.all_up or not self._scripts.settled:
            return
        refused = [script for script in self._scripts.scripts.values() if script.state == "refused"]
        if self.name == "starting" and refused and self._for_scripts:
            names = ", ".join(script.name for script in refused)
            self.give_up(f"scripting.source: expected scripts that can be loaded, got {names}; nothing was read", 2)
            return
        if self.name == "starting" and refused and len(refused) == len(self._scripts.scripts) and self._replay:
            self.give_up("no script could be loaded; nothing was read")
            return
        self.name = "running"
        for worker in idle:
            self._begin_reading(worker, now_s)

    def _begin_reading(self, worker: ChildProcess, now_s: float) -> None:
        """After a stop that came before this: a live capture still gives what its ring holds, a file is not begun."""
        self._begun.add(worker.name)
        messages: list[Begin | StopIntake] = [Begin()]
        if self._stopped_s is not None:
            messages.insert(0 if self._replay else 1, StopIntake(self._deliver_s(now_s)))
        for message in messages:
            worker.mailbox.send(message)

    def _stop_intake(self, now_s: float) -> None:
        self._stopped_s = now_s if self._stopped_s is None else self._stopped_s
        for worker in self._family.workers:
            if worker.name in self._begun and worker.name not in self._drained:
                worker.mailbox.send(StopIntake(self._deliver_s(now_s)))  # the others are told when they begin

    def _deliver_s(self, now_s: float) -> float:
        """How long a worker goes on delivering: the grace is one for that and for uploading."""
        stopped_s = now_s if self._stopped_s is None else self._stopped_s
        return max(stopped_s + DELIVERY_SHARE * self._grace_s - now_s, 0.0)

    def drained(self, worker: str, message: Drained, now_s: float) -> None:
        """A worker has delivered everything."""
        if self.name == "running":
            self._drained[worker] = message.input_ended
            if len(self._drained) == len(self._family.workers):
                spent_s = 0.0 if self._stopped_s is None else now_s - self._stopped_s
                self._flush_s = max(self._grace_s - spent_s, (1 - DELIVERY_SHARE) * self._grace_s)
                self._begin("finishing", now_s)

    def failed(self, name: str, message: Failed, now_s: float) -> None:
        """A child cannot go on."""
        worker = any(child.name == name for child in self._family.workers)
        if self.name == "starting":
            self.give_up(message.message, 2 if message.wrong_use else 1)
        elif worker and self.name == "running":  # it delivers what it has read, then says that it drained
            self._source_failed = True
            self._outcome.fail(message.message)
            if len(self._family.workers) > 1:
                self._stop_intake(now_s)  # a part of the packets is not what was asked for
        else:
            self._tell(f"{name}: {message.message}")  # it ends and starts again

    # -- ending --------------------------------------------------------------------------------------------------------

    def _begin(self, phase: str, now_s: float) -> None:
        self.name = phase
        if phase == "finishing":
            self._scripts.ending = True
            jobs = self._source_failed or all(self._drained.values())
            self._family.mailbox("broker").send(Finish(jobs=jobs, shutdown_s=SHUTDOWN_S))
        elif phase == "sealing":
            self._family.mailbox("recorder").send(Seal())
        elif phase == "flushing":
            self._flush_until_s = self._flush_until_s or now_s + self._flush_s
            self._family.mailbox("shipper").send(Flush(max(self._flush_until_s - now_s, 0.0)))

    def finished(self, name: str, message: Finished, now_s: float) -> None:
        """The answer to the message that began a phase."""
        if name == "broker" and self.name == "finishing":
            if message.note:
                self._tell(f"onShutdown: {message.note}")
            self._begin("sealing", now_s)
        elif name == "recorder" and self.name == "sealing":
            if message.remaining:
                self._outcome.fail(message.note)
            self._begin("flushing", now_s)
        elif name == "shipper" and self.name == "flushing":
            self._outcome.remaining, self._outcome.note = message.remaining, message.note
            if message.remaining:
                self._outcome.exit_code = 1
            self.name = "over"

    def up(self, name: str, now_s: float) -> None:
        """A child is at work, perhaps a successor whose predecessor was asked to end something."""
        if (name, self.name) in (("broker", "finishing"), ("recorder", "sealing"), ("shipper", "flushing")):
            self._begin(self.name, now_s)

    def interrupted(self, times: int, now_s: float) -> None:
        """Somebody wants the end, for the first time or again."""
        if times > 1 or (self.name == "starting" and self._replay):
            waits = (
                "before a packet was read"
                if self.name == "starting"
                else "at once; what was sealed waits in the outbox"
            )
            self._outcome.note = self._outcome.note or f"stopped {waits}"
            self._outcome.exit_code = self._outcome.exit_code or (1 if self.name != "starting" else 0)
            self.name = "over"
        elif self.name == "starting":
            self._stopped_s = now_s
            self._tell("stopping as soon as it has started (once more to stop at once)")
        elif self.name == "running":
            self._tell("stopping: no more packets; delivering, sealing, uploading (once more to stop at once)")
            self._stop_intake(now_s)
        elif self.name != "over":
            self._tell(f"ending already ({self.name}); once more to stop at once")

    def let_go(self, now_s: float) -> None:
        """Nobody needs it any more, as was to be expected: it ends in order, without a word."""
        if self.name == "starting":
            self.name = "over"
        elif self.name == "running":
            self._stop_intake(now_s)

    def give_up(self, message: str, exit_code: int = 1) -> None:
        """Nothing more can be done."""
        self._outcome.errors.append(message)
        self._outcome.exit_code = exit_code
        self.name = "over"

    # -- deaths --------------------------------------------------------------------------------------------------------

    def died(self, child: ChildProcess, status: int, now_s: float) -> None:
        """Whether it starts again, and what its death means for the run."""
        worker = child in self._family.workers
        needless = worker and (self.name not in ("starting", "running") or child.name in self._drained)
        if self.name == "over" or needless:
            child.restart_s = None
        elif worker and self._source_failed:
            self.without(child, now_s)
        elif child.faults >= HOPELESS and (self._replay or self.name != "running"):
            self._abandon(child, status, now_s)
        elif worker and child.name in self._begun and self._stdin:
            self._outcome.fail("the worker died while it read standard input, which cannot be read again")
            self.without(child, now_s)
        else:
            self._tell(f"{child.name} died ({_how(status)}); it starts again")
            self._begun.discard(child.name)

    def without(self, worker: ChildProcess, now_s: float) -> None:
        """It does not come back; nothing is to be waited for."""
        worker.restart_s = None
        self.drained(worker.name, Drained(True), now_s)

    def _abandon(self, child: ChildProcess, status: int, now_s: float) -> None:
        """It dies whenever it is started: what it has done so far is sealed and shipped, if that does not need it."""
        message = f"{child.name} died {child.faults} times in a row ({_how(status)}); what was recorded stays"
        child.restart_s = None
        if child in self._family.workers and self.name == "running":
            self._outcome.fail(message)
            self.without(child, now_s)
        else:
            self.give_up(message)


def _how(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"exit status {status}"
