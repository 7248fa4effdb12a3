"""What can be set about capturing."""

from __future__ import annotations

from dataclasses import dataclass

from engine.options import option

MAX_WORKERS = 16
"""How many processes may share the packets of one interface."""


@dataclass(frozen=True, slots=True)
class CaptureOptions:
    """Live capture; files are read whole."""

    bpf: str = option(
        "",
        "tap.bpfOverride",
        "Packet filter of live capture, as tcpdump takes it; needs libpcap. Files are read whole.",
        environment=("BPF_OVERRIDE",),
    )
    workers: int = option(
        1,
        "capture.workers",
        "Processes that share the packets of live capture, each on a core of its own; 1 to 16.",
        least=1,
        most=MAX_WORKERS,
    )
    promiscuous: bool = option(True, "capture.promiscuous", "Capture what is addressed to other machines too.")
