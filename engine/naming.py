"""Names that people see: of streams, as Kubeshark writes them."""

from __future__ import annotations

_SUFFIX = {17: "_udp", 132: "_sctp", 1: "_icmp", 58: "_icmp"}
"""By IP protocol number; TCP has none."""


def stream_name(stream_id: int, protocol: int) -> str:
    """``000000000144.pcap`` (TCP), ``000000000144_udp.pcap``."""
    return f"{str(stream_id).zfill(12)}{_SUFFIX.get(protocol, '')}.pcap"  # :012d takes three times as long


def stream_id_of(name: str) -> int:
    """The number in a stream's name; a bare number and a path are understood too.

    Raises:
        ValueError: no stream's name.
    """
    return int(name.rsplit("/", 1)[-1].removesuffix(".pcap").split("_", 1)[0])
