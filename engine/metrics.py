"""Counters for Prometheus: ``GET /metrics``, text format (https://prometheus.io/docs/instrumenting/exposition_formats).

A total ``segments_stored_total`` is ``remora_segments_stored_total``; levels are gauges. The thread that answers reads
what was published last, never what the loop is changing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from engine.config import MetricsOptions
from engine.errors import ConfigError

Family = CounterMetricFamily | GaugeMetricFamily

_TICKS_PER_S, _PAGE_BYTES = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
_NAME = re.compile(r"([a-z][a-z0-9_]*)(?:\{(.*)\})?", re.DOTALL)
_NAMED = re.compile(r"(?:^|,)((?:script|process)=.*)", re.DOTALL)


class Metrics(Collector):
    """What one instance says of itself."""

    def __init__(self) -> None:
        self._published: Mapping[str, float] = {}

    def publish(self, values: Mapping[str, float]) -> None:
        """Replace what is served; ``name`` or ``name{label=value,label=value}``, the last value may hold anything."""
        self._published = dict(values)

    def collect(self) -> Iterable[Family]:
        """One family per name."""
        families: dict[str, Family] = {}
        for name, value in sorted(self._published.items()):
            match = _NAME.fullmatch(name)
            assert match is not None, f"a counter has a name: {name!r}"
            pairs = [pair.partition("=")[::2] for pair in _pairs(match[2])]
            family = families.get(match[1])
            if family is None:
                family = families[match[1]] = _family(match[1], [key for key, _ in pairs])
            family.add_metric([label for _, label in pairs], value)
        return families.values()


def _pairs(labels: str | None) -> list[str]:
    """``a=b,script=d,e=f``: whatever a script is called, its name is the last value, and whole."""
    if not labels:
        return []
    named = _NAMED.search(labels)
    ours = labels[: named.start()] if named else labels
    return [*filter(None, ours.split(",")), *([named[1]] if named else [])]


def _family(name: str, labels: list[str]) -> Family:
    kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
    return kind(f"remora_{name}", name.removesuffix("_total").replace("_", " "), labels=labels)


def of_process(label: str, pid: int) -> dict[str, float]:
    """CPU seconds and resident memory of a process, labelled; nothing of one that is gone (proc_pid_stat(5))."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return {}
    return {
        f"process_cpu_seconds_total{{process={label}}}": (int(fields[11]) + int(fields[12])) / _TICKS_PER_S,
        f"process_resident_bytes{{process={label}}}": int(fields[21]) * _PAGE_BYTES,
    }


def serve(metrics: Metrics, options: MetricsOptions) -> int:
    """Answer on the configured port, from a thread; the port.

    Raises:
        ConfigError: it cannot be had.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(metrics)
    try:
        server, _ = start_http_server(options.port, options.host, registry)
    except (OSError, OverflowError) as error:
        where = f"{options.host}:{options.port}"
        raise ConfigError("tap.metrics", "an address and a free port", where, str(error)) from error
    return int(server.server_port)
