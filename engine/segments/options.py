"""Configuration of what lies on disk, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

from engine.options import option


@dataclass(frozen=True, slots=True)
class StorageOptions:
    """TTLs are minimums: what is leased or kept stays longer."""

    pcap_ttl_s: float = option(
        10.0,
        "tap.misc.pcapTTL",
        "How long a stream's PCAP outlives its last packet.",
        kind="duration",
        environment=("PCAP_TTL",),
    )
    pcap_error_ttl_s: float = option(
        60.0,
        "tap.misc.pcapErrorTTL",
        "The same for a stream with an error.",
        kind="duration",
        environment=("PCAP_ERROR_TTL",),
    )
    json_ttl_s: float = option(
        300.0, "tap.misc.jsonTTL", "How long an item's JSON can be shown.", kind="duration", environment=("JSON_TTL",)
    )
    storage_limit_bytes: int = option(
        500 << 20,
        "tap.storageLimit",
        "Budget for segments, items and work folders; recordings have their own.",
        kind="size",
        environment=("STORAGE_LIMIT",),
        least=64 << 10,
    )
    window: bool = option(
        True,
        "pcapdump.enabled",
        "Keep packets beyond their TTL for remora pcapdump, as long as the storage limit allows.",
        environment=("PCAP_DUMP_ENABLE",),
    )
    window_s: float = option(
        3600.0,
        "pcapdump.maxTime",
        "How old packets may become in that window.",
        kind="duration",
        environment=("PCAP_MAX_TIME",),
    )
    window_bytes: int = option(
        50_000_000,
        "pcapdump.maxSize",
        "How large the segments may become with that window; packets within their TTL stay all the same.",
        kind="size",
        environment=("PCAP_MAX_SIZE",),
    )
