"""Configuration of dissection."""

from __future__ import annotations

from dataclasses import dataclass

from engine.dissect.names import DEFAULT
from engine.options import option


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """Where the secrets of TLS sessions come from; they themselves are in no option."""

    key_log: str = option(
        "",
        "tls.keyLog",
        "File with secrets of TLS sessions (SSLKEYLOGFILE), followed while it grows; their plaintext is dissected.",
        kind="path",
    )


@dataclass(frozen=True, slots=True)
class DissectOptions:
    """Caps that keep memory bounded; what is cut says so in its item."""

    enabled: bool = option(
        True,
        "tap.capture.dissection.enabled",
        "Dissect while a script, a recording or a connected query wants items; false: store packets only.",
    )
    stop_after_s: float = option(
        300.0,
        "tap.capture.dissection.stopAfter",
        "How long dissection goes on after nobody wants items any more; 0: it never stops.",
        kind="duration",
    )
    dissectors: list[str] = option(
        list(DEFAULT),
        "tap.enabledDissectors",
        "Dissectors that run. On request `tcp`, `udp`, `sctp` (raw payload), `tcp-conn`, `udp-conn` (connections).",
    )
    ports: dict[str, str] = option(
        {},
        "tap.portMapping",
        "Ports where a protocol is expected, if its bytes do not tell, by dissector; as `tap.portMapping.NAME=80` too.",
    )
    max_body_bytes: int = option(1 << 20, "dissect.maxBody", "Bytes of a body kept in an item.", kind="size")
    max_header_bytes: int = option(64 << 10, "dissect.maxHeader", "Bytes of one message head.", kind="size")
    max_records: int = option(1000, "dissect.maxRecords", "Records of one Kafka message shown in an item.")
    max_pending: int = option(1024, "dissect.maxPending", "Requests of one stream that may wait for their response.")
    max_pending_bytes: int = option(
        16 << 20,
        "dissect.maxPendingBytes",
        "Bytes of the requests of one stream that may wait; beyond, the oldest become items without a response.",
        kind="size",
    )
    max_pending_total_bytes: int = option(
        256 << 20, "dissect.maxPendingTotal", "The same of all streams of a worker together.", kind="size"
    )
    max_held_total_bytes: int = option(
        256 << 20,
        "dissect.maxHeldTotal",
        "Bytes of unfinished messages in all streams of a worker; beyond, those that hold most are cut short.",
        kind="size",
    )
    max_raw_bytes: int = option(
        64 << 10, "dissect.maxRaw", "Bytes of payload kept in an item of `tcp`, `udp` or `sctp`.", kind="size"
    )
    connection_interval_s: float = option(
        60.0,
        "dissect.connInterval",
        "How often a connection that has packets is told again by `tcp-conn` and `udp-conn`; 0: not before its end.",
        kind="duration",
    )
    pair_timeout_s: float = option(
        30.0,
        "tap.misc.staleTimeoutSeconds",
        "A request without response becomes an item with an error after this long.",
        kind="duration",
    )
