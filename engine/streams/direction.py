"""Who is the client of a stream, told from its first packet."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engine.decode.columns import Columns
from engine.streams.entry import ACK, SYN
from engine.streams.stream import SCTP, TCP, UDP

WELL_KNOWN_END = 1024
EPHEMERAL_BEGIN = 32768
"""Linux hands out client ports from here on (``ip_local_port_range``)."""


def sender_is_client(columns: Columns, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """For each of ``rows``, taken as the first packet of a stream.

    A handshake decides. Without one, a well-known port is the server's, then a port below the ephemeral range; when
    that says nothing, whoever speaks first is the client.
    """
    shake = columns.flags[rows] & (SYN | ACK)
    source, target, protocol = columns.source_port[rows], columns.target_port[rows], columns.protocol[rows]
    lower, higher = np.minimum(source, target), np.maximum(source, target)
    telling = (lower < WELL_KNOWN_END) | ((lower < EPHEMERAL_BEGIN) & (higher >= EPHEMERAL_BEGIN))
    telling &= (protocol == TCP) | (protocol == UDP) | (protocol == SCTP)
    by_port = np.where(telling, source >= target, True)
    return np.where(shake == SYN, True, np.where(shake == SYN | ACK, False, by_port))
