"""Configuration of the stream table and of reassembly."""

from __future__ import annotations

from dataclasses import dataclass

from engine.options import option


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """When a stream ends by itself, and what may be held back for it."""

    tcp_timeout_s: float = option(
        1200.0, "tap.misc.tcpFlowTimeout", "A TCP stream without packets for this long has ended.", kind="duration"
    )
    udp_timeout_s: float = option(
        1200.0, "tap.misc.udpFlowTimeout", "A UDP stream without packets for this long has ended.", kind="duration"
    )
    max_streams: int = option(
        500_000,
        "streams.max",
        "Streams that are remembered at a time; beyond it those that were silent for longest end early.",
        least=1,
    )
    gap_wait_s: float = option(
        2.0, "streams.gapWait", "How long out-of-order data waits for what is missing before it.", kind="duration"
    )
    stream_hold_bytes: int = option(
        4 << 20, "streams.holdPerStream", "Out-of-order bytes held for one stream.", kind="size"
    )
    total_hold_bytes: int = option(64 << 20, "streams.holdTotal", "Out-of-order bytes held in total.", kind="size")
