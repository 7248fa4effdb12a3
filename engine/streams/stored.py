"""Packets that were streams before: read back from segments, they are the same streams again."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Stored(NamedTuple):
    """What is known of each row of a batch; it stands instead of what the table would find out by itself.

    A table that begins in the middle does not know what the one before it knew: a handshake that has expired told the
    client, a stream of the same five-tuple had ended. The number of the stream tells where it begins, and nothing else.
    """

    stream_ids: npt.NDArray[np.uint64]
    """Never 0 where a row is not dropped."""
    from_client: npt.NDArray[np.bool_]
    """The stream's client sent it."""


def splits_by_id(
    ids: npt.NDArray[np.uint64], starts: npt.NDArray[np.int64], known: npt.NDArray[np.uint64]
) -> list[int]:
    """Positions where another stream begins although the five-tuple is known.

    Args:
        ids: per packet, five-tuple by five-tuple.
        starts: where each five-tuple begins.
        known: the stream that each five-tuple had before, 0 for none.
    """
    differs = np.zeros(ids.size, np.bool_)
    differs[1:] = ids[1:] != ids[:-1]
    differs[starts] = (known != 0) & (ids[starts] != known)
    return np.flatnonzero(differs).tolist()
