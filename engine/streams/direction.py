"""Who is the client of a stream, told from its first packet."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engine.decode.columns import ICMP_QUERIES, Columns
from engine.streams.marks import ACK, SYN
from engine.streams.stream import SCTP, TCP, UDP

WELL_KNOWN_END = 1024
EPHEMERAL_BEGIN = 32768
"""Linux hands out client ports from here on (``ip_local_port_range``)."""
DHCPV6_CLIENT, DHCPV6_SERVER = 546, 547
"""The one pair of well-known ports of which the lower is the client's (RFC 8415, 7.2)."""


def sender_is_client(columns: Columns, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """For each of ``rows``, taken as the first packet of a stream.

    A handshake decides. Without one, a well-known port is the server's, then a port below the ephemeral range; the
    reply to an ICMP query is the server's; when that says nothing, whoever speaks first is the client.
    """
    shake = columns.flags[rows] & (SYN | ACK)
    source, target, protocol = columns.source_port[rows], columns.target_port[rows], columns.protocol[rows]
    lower, higher = np.minimum(source, target), np.maximum(source, target)
    telling = (lower < WELL_KNOWN_END) | ((lower < EPHEMERAL_BEGIN) & (higher >= EPHEMERAL_BEGIN))
    telling &= (protocol == TCP) | (protocol == UDP) | (protocol == SCTP)
    by_port = np.where(telling, source >= target, True)
    dhcp = (protocol == UDP) & (lower == DHCPV6_CLIENT) & (higher == DHCPV6_SERVER)
    by_port = np.where(dhcp, source < target, by_port) & ~_replies(protocol, source, target)
    return np.where(shake == SYN, True, np.where(shake == SYN | ACK, False, by_port))


def _replies(
    protocol: npt.NDArray[np.uint8], source: npt.NDArray[np.uint16], target: npt.NDArray[np.uint16]
) -> npt.NDArray[np.bool_]:
    """Which are replies to ICMP queries: the type of the query stands in place of their source port.

    One whose identifier is itself the number of such a type cannot be told from a query.
    """
    found = np.zeros(protocol.size, np.bool_)
    for number, queries in ICMP_QUERIES.items():
        mine = protocol == number
        if mine.any():
            from_query, to_query = (
                np.logical_or.reduce([ports == kind for kind in queries]) for ports in (source, target)
            )
            found |= mine & from_query & ~to_query
    return found
