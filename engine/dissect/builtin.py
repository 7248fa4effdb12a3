"""The protocols that come with Remora, registered as any other package registers its own."""

from __future__ import annotations

from engine.dissect import (
    amqp,
    dns,
    graphql_queries,
    http1,
    http2,
    icmp,
    kafka,
    redis,
    tls,
    tls_certificates,
    websocket,
)
from engine.dissect.table import ProtocolRow
from hooks.plugins import hookimpl


@hookimpl
def remora_dissectors() -> list[ProtocolRow]:
    """One row per protocol and transport; the likeliest first."""
    rows = [http1.ROW, http2.ROW, tls.ROW, redis.ROW, dns.UDP_ROW, dns.TCP_ROW, kafka.ROW, amqp.ROW, websocket.ROW]
    return [*rows, icmp.V4_ROW, icmp.V6_ROW]


def prepare() -> None:
    """Import now what dissectors else import when they first need it: by then a process may not read files any more."""
    tls_certificates.prepare()
    graphql_queries.prepare()
