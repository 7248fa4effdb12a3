"""Who is behind an address, at the time of a packet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Name:
    """What is known about one end of a stream; empty where nothing is."""

    name: str = ""
    """What people call it, such as ``kube-dns.kube-system``."""
    namespace: str = ""
    service: str = ""
    pod: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of the pod."""
    node: str = ""
    process: str = ""
    process_id: int = 0

    def section(self) -> dict[str, Any]:
        """``src`` and ``dst`` without ``ip`` and ``port``; pod and service in the form of the Kubernetes API."""
        section: dict[str, Any] = {"name": self.name, "namespace": self.namespace}
        if self.pod:
            metadata = {"name": self.pod, "namespace": self.namespace, "labels": dict(self.labels)}
            section["pod"] = {"metadata": metadata, "spec": {"nodeName": self.node}}
        if self.service:
            section["service"] = {"metadata": {"name": self.service, "namespace": self.namespace}}
        if self.process:
            section["processName"] = self.process
        if self.process_id:
            section["processId"] = self.process_id
        return section


NOBODY = Name()


class Resolver(Protocol):
    """Names for addresses. Answers from memory; never waits."""

    @property
    def generation(self) -> int:
        """Grows whenever a name came, went or changed: what was concluded from the names before holds no longer."""

    @property
    def by_port(self) -> bool:
        """There are names that hold for one port of an address alone."""

    def refresh(self, now_s: float) -> str:
        """Take in what has changed, where that does not come by itself; call some times a second.

        Returns what the operator should be told, most times nothing; ``now_s`` is monotonic.
        """

    def name_of(self, ip: str, port: int, timestamp_ns: int) -> Name:
        """Who had ``ip`` (and listened on ``port``) at ``timestamp_ns``; ``NOBODY`` where that is not known."""

    def history(self) -> dict[str, dict[str, dict[str, str]]]:
        """Every name there was: second since the epoch -> ``ip`` or ``ip:port`` -> FullAddress and Namespace."""
