"""What the instance says of itself: on the control socket and to Prometheus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from engine.config import Settings
from engine.controlsocket import HELD, HURRY, QUERIED, RECORDINGS, Later
from engine.errors import RemoraError
from engine.frames.control import AskRecordings, Hurry
from engine.jail.layers import LAYERS
from engine.scripting.hosts import ScriptSet
from engine.supervisor.family import Family
from engine.supervisor.fetches import MAX_ITEMS, Fetches
from engine.supervisor.outcome import View
from engine.supervisor.phases import Phases
from engine.supervisor.totals import Totals

if TYPE_CHECKING:
    from engine.metrics import Metrics

PUBLISH_S = 1.0
"""Age of what metrics say."""


class Answers:
    """Reads what the others own; changes nothing of it."""

    def __init__(
        self,
        settings: Settings,
        run_id: str,
        family: Family,
        phases: Phases,
        scripts: ScriptSet,
        totals: Totals,
        fetches: Fetches,
    ) -> None:
        self._settings, self._run_id, self._family, self._phases = settings, run_id, family, phases
        self._scripts, self._totals, self._fetches = scripts, totals, fetches
        self._asked = 0
        self._metrics: Metrics | None = None
        self._publish_s = 0.0

    def totals(self) -> dict[str, int]:
        """Sums over all processes."""
        return self._totals.sums(self._scripts.counters.snapshot())

    def answer(self, operation: str, given: Mapping[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Rows and closing of a request on the control socket.

        Raises:
            Later: they come when scripts have answered, or the recorder has.
        """
        if operation == HELD:
            return [], self._accept_query()
        if operation == QUERIED:
            self._asked += 1
            return self._fetches.begin(self._asked, *_queried(given))
        if operation == HURRY:
            self._family.mailbox("shipper").send(Hurry())
            return [], {}
        if operation.startswith(RECORDINGS):
            self._ask_recorder(operation.removeprefix(RECORDINGS), given)
        if operation != "status":
            known = f"'status', {HELD!r}, {HURRY!r} or '{RECORDINGS}…'"
            raise RemoraError(f"control socket: expected one of the operations {known}, got {operation!r}")
        rows = [
            {"process": child.name, "pid": child.pid, "up": child.alive, "deaths": child.deaths}
            for child in self._family
        ]
        totals = self.totals()
        scripts = [
            {
                "script": script.name,
                "title": script.title,
                "state": script.state,
                "digest": script.digest,
                "memory_bytes": script.host.memory_bytes if script.host else 0,
                "hooks": script.host.hooks if script.host else [],
                "layers": script.host.layers if script.host else [],
                **_deliveries(script.name, totals),
                "reasons": script.reasons,
            }
            for script in self._scripts.scripts.values()
        ]
        return rows + scripts, {"phase": self._phases.name, "run_id": self._run_id, "counters": totals}

    def _ask_recorder(self, operation: str, given: Mapping[str, Any]) -> NoReturn:
        """Recordings are the recorder's: it answers when it has time."""
        recorder = self._family.mailbox("recorder")
        if recorder.endpoint is None or self._phases.name not in ("starting", "running"):
            raise RemoraError(f"the recorder does not answer, the instance is {self._phases.name}: ask again")
        self._asked += 1
        recorder.send(AskRecordings(self._asked, operation, dict(given)))
        raise Later(self._asked)

    def _accept_query(self) -> dict[str, Any]:
        if not self._settings.dissect.enabled:
            raise RemoraError(
                "tap.capture.dissection.enabled is false: expected true for a query of live items; "
                "remora query --data DIR without --follow dissects what is stored"
            )
        if self._phases.name not in ("starting", "running"):
            raise RemoraError(f"the instance is {self._phases.name}: expected one that still reads packets")
        return {HELD: True}

    # -- metrics -------------------------------------------------------------------------------------------------------

    def serve_metrics(self, view: View) -> None:
        """Begin to, where a port is set."""
        if not self._settings.metrics.port:
            return
        from engine.metrics import Metrics, serve  # 40 ms that only those pay who want it

        self._metrics = Metrics()
        port = serve(self._metrics, self._settings.metrics)
        view.tell(f"metrics: http://{self._settings.metrics.host}:{port}/metrics")

    def publish(self, now_s: float) -> None:
        """What metrics say, once a second."""
        if self._metrics is not None and now_s >= self._publish_s:
            self._publish_s = now_s + PUBLISH_S
            self._metrics.publish({**self.totals(), **self._costs(), **self._layers()})

    def _layers(self) -> dict[str, float]:
        """What holds each script: 1 for a layer that its process has, 0 for one that it has not."""
        return {
            f"script_layer{{layer={layer.name},script={script.name}}}": float(layer.name in script.host.layers)
            for script in self._scripts.scripts.values()
            if script.host
            for layer in LAYERS
        }

    def _costs(self) -> dict[str, float]:
        from engine.metrics import of_process

        running = {child.name: child.pid for child in self._family if child.alive}
        running |= {
            f"script {script.name}": script.host.pid for script in self._scripts.scripts.values() if script.host
        }
        return {name: value for label, pid in running.items() for name, value in of_process(label, pid).items()}


def _queried(given: Mapping[str, Any]) -> tuple[list[tuple[int, bytes]], list[str]]:
    """Items, and the scripts that are not to see them."""
    try:
        items = msgspec.convert(given.get("items"), list[tuple[int, bytes]])
        if len(items) > MAX_ITEMS or any(stream < 0 for stream, _ in items):
            raise msgspec.ValidationError(f"expected at most {MAX_ITEMS} items of streams, got {len(items)}")
        return items, msgspec.convert(given.get("without", []), list[str])
    except msgspec.ValidationError as error:
        raise RemoraError(f"control socket: {QUERIED}: {error}") from None


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
