"""Configuration of batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from engine.options import option


@dataclass(frozen=True, slots=True)
class RecordingOptions:
    """A batch is sealed by whichever of these comes first, by a script, at the UTC hour and at shutdown."""

    batch_bytes: int = option(
        64 << 20, "recording.batchMaxSize", "Packet bytes after which a batch is sealed.", kind="size"
    )
    batch_packets: int = option(
        1_000_000, "recording.batchMaxPackets", "Packets after which a batch is sealed; 0: any number."
    )
    batch_interval_s: float = option(
        3600.0, "recording.batchInterval", "Age at which a batch is sealed.", kind="duration"
    )
    limit_bytes: int = option(
        10 << 30,
        "recording.limit",
        "Budget for what is kept and not yet shipped; then new streams are refused.",
        kind="size",
    )
    format: Literal["pcap", "pcapng"] = option(
        "pcap",
        "recording.format",
        "`pcapng` has names of addresses and comments; several link types make it one anyway.",
        choices=("pcap", "pcapng"),
    )
    with_secrets: bool = option(
        False,
        "recording.withSecrets",
        "Put the TLS keys of the recorded sessions, and no others, into their pcapng: whoever has it reads plaintext.",
    )
    when_full: Literal["refuse", "oldest"] = option(
        "refuse",
        "recording.whenFull",
        "At the limit: `refuse` new streams, or delete the `oldest` batches that wait for their upload.",
        choices=("refuse", "oldest"),
    )
    kfl: str = option(
        "", "recording.kfl", "Record what this filter matches, as the recording `recording.name`; removed: it stops."
    )
    name: str = option("recording", "recording.name", "Name of the recording that `recording.kfl` makes.")
    jobs: list[dict[str, Any]] = option(
        [], "recordings", "Recording jobs, each a map of its properties (`docs/recordings.md`).", kind="jobs"
    )
    cluster: str = option("local", "tap.clusterName", "Name of the cluster in object names.")

    @property
    def all_jobs(self) -> list[dict[str, Any]]:
        """Those of the list, and the one of ``kfl``."""
        return [*self.jobs, *([{"name": self.name, "kfl": self.kfl}] if self.kfl.strip() else [])]
