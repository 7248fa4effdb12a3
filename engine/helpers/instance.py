"""What all helpers of a broker are made of: facts of the instance, limits, and where things go."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.clock import monotonic_s, wall_ns
from engine.counters import Counters
from engine.frames.control import Shown
from engine.helpers.console import Console
from engine.helpers.handles import Handles
from engine.helpers.pcap import Keeping
from engine.helpers.space import Room
from engine.helpers.streams import Streams
from engine.helpers.vendor import EnqueueOf, Send


@dataclass(frozen=True, slots=True)
class Limits:
    """What one script may use (``scripting.*``, ``scripting.scripts.NAME.*``)."""

    work_folder: Room
    log_lines_per_s: int
    upload_bytes: int
    """Of ``vendor.gcs.put`` that may wait."""
    calls_per_s: int
    """0: any number."""
    job_cpu_s: float
    job_wall_s: float


@dataclass(frozen=True, slots=True)
class Instance:
    """One broker's surroundings."""

    data: Path
    node: str
    node_ip: str
    run_id: str
    limits_of: Callable[[str], Limits]
    """Of the script of this name."""
    counters: Counters
    streams: Streams
    keeping: Keeping
    console: Console
    handles_of: Callable[[str], Handles]
    """Of the script of this name."""
    enqueue: EnqueueOf
    send: Send
    show: Callable[[Shown], None]
    """Tells the supervisor what ``onItemQueried`` returned."""
    names: Callable[[], Mapping[str, Mapping[str, Any]]]
    zone: datetime.tzinfo = datetime.UTC
    """Of the cron specs of jobs."""
    dialect: str = "auto"
    """Of filters of recordings."""
    macros: Mapping[str, str] = field(default_factory=dict)
    """Of the same."""
    wall_ns: Callable[[], int] = wall_ns
    monotonic_s: Callable[[], float] = monotonic_s
