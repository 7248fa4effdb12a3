"""What the shelf is told of streams: rows of the stream table as records of the stream log, all of a batch at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from engine.segments.records import END, ERROR, SEEN, STREAM_RECORD
from engine.streams.register import Records, endpoints_of, pick


def seen_by_id(rows: Records) -> Callable[[npt.NDArray[np.uint64]], Records]:
    """``SEEN`` records for stream ids, all of which are among ``rows``."""

    def describe(ids: npt.NDArray[np.uint64]) -> Records:
        rank = np.argsort(rows["id"])
        found = pick(rows, rank[np.searchsorted(rows["id"], ids, sorter=rank)])
        return _records(found, found["start_ns"], np.full(ids.size, SEEN, np.uint8))

    return describe


def ends_of(rows: Records) -> Records:
    """``END`` of each stream, ``ERROR`` of one that has one."""
    return _records(rows, rows["end_ns"], np.where(rows["error"] != 0, ERROR, END).astype(np.uint8))


def _records(rows: Records, timestamp_ns: npt.NDArray[np.int64], event: npt.NDArray[np.uint8]) -> Records:
    records = np.zeros(rows.size, STREAM_RECORD)
    client, server = endpoints_of(rows)
    records["stream"], records["timestamp_ns"], records["event"] = rows["id"], timestamp_ns, event
    for name in ("packets", "bytes", "payload_bytes", "protocol", "state"):
        records[name] = rows[name]
    for side, (address, port) in (("client", client), ("server", server)):
        records[f"{side}_ip"], records[f"{side}_port"] = address.view("V16")[:, 0], port
    return records
