"""One packet at a time: the slow lane of odd packets, and the path of small batches."""

from __future__ import annotations

from struct import Struct

import numpy as np

from engine.capture.batch import RECORD_HEADER_BYTES
from engine.capture.links import LINKS
from engine.counters import Drop
from engine.decode.columns import COLUMN_TYPES, Columns
from engine.decode.fragments import Fragments
from engine.decode.frame import Frame
from engine.decode.layout import Offsets

_RECORD = Struct("<IIII").unpack_from
_ROW_TYPE = np.dtype(list(zip(Columns._fields, COLUMN_TYPES, strict=True)))
_ROW = Struct("<" + "".join(np.dtype(kind).char for kind in COLUMN_TYPES).replace("l", "q").replace("L", "Q"))
_NOTHING = (0,) * (len(COLUMN_TYPES) - 4)


def decode_scalar(buffer: memoryview, offsets: Offsets, link_type: int, fragments: Fragments | None = None) -> Columns:
    """Total: every record becomes a row with a payload or a row with a ``Drop`` reason."""
    table = bytearray(_ROW.size * len(offsets))
    position = 0
    for offset in offsets.tolist():
        _ROW.pack_into(table, position, *decode_one(buffer, offset, link_type, fragments))
        position += _ROW.size
    rows = np.frombuffer(table, _ROW_TYPE)
    return Columns(*(np.ascontiguousarray(rows[name]) for name in Columns._fields))


def decode_one(buffer: memoryview, offset: int, link_type: int, fragments: Fragments | None) -> tuple[int, ...]:
    """The row of the record at ``offset``, in the order of ``Columns``."""
    seconds, ns, captured, wire = _RECORD(buffer, offset)
    start = offset + RECORD_HEADER_BYTES
    link = LINKS.get(link_type)
    found = (
        Frame(buffer[start : start + captured], wire, start, fragments).link(link)
        if link is not None
        else Drop.UNKNOWN_LINK_TYPE
    )
    head = (seconds * 1_000_000_000 + ns, captured, wire)
    return (*head, *_NOTHING, found) if isinstance(found, Drop) else (*head, *found, 0)
