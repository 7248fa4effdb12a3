"""A batch of frames becomes columns; which of three ways is taken makes no difference to what comes out."""

from __future__ import annotations

from engine.capture.batch import Batch
from engine.capture.links import ETHERNET
from engine.decode.columns import Columns
from engine.decode.ethernet import decode_ethernet
from engine.decode.general import decode_general
from engine.decode.scalar import decode_scalar

SCALAR_BELOW = 40


def decode(batch: Batch) -> Columns:
    """Total: every record becomes a row with a payload or a row with a ``Drop`` reason."""
    if len(batch.offsets) < SCALAR_BELOW:
        return decode_scalar(batch)
    return decode_columnar(batch)


def decode_columnar(batch: Batch) -> Columns:
    """The same for a batch of any size, without a loop over its packets."""
    if batch.link_type == ETHERNET:
        return decode_ethernet(batch.buffer, batch.offsets)
    return decode_general(batch.buffer, batch.offsets, batch.link_type)
