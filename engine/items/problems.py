"""Why half of an exchange is missing, in words of the items."""

from __future__ import annotations

from engine.dissect.message import Problem

LATE = Problem("pair-not-found", "the request of this response was not seen, or was given up before it came")
REPEATED = Problem("pair-not-found", "asked again with the same id before an answer came")
CROWDED = Problem("pair-not-found", "too many requests of this stream wait for a response (dissect.maxPending)")
HEAVY = Problem("pair-not-found", "too many bytes of this stream wait for their other half (dissect.maxPendingBytes)")
HEAVY_IN_ALL = Problem("pair-not-found", "too many bytes of all streams wait (dissect.maxPendingTotal)")
IN_GAP = Problem("pair-not-found", "the response may lie in a gap of the capture")
ENDINGS = {
    "reset": Problem("connection", "the connection was reset before a response"),
    "closed": Problem("connection", "the connection was closed before a response"),
    "half_open": Problem("pair-not-found", "no packet of the server was captured"),
    "idle": Problem("timeout", "no response before the stream fell silent"),
}
"""By the state in which a stream ends."""
PAUSED = Problem("dissection", "dissection stopped before a response came (tap.capture.dissection.stopAfter)")
TOO_MUCH_HELD = Problem("dissection", "unfinished messages took too much memory (dissect.maxHeldTotal)")
CUT_OFF = Problem("pair-not-found", "no response before the end of the capture")


def overdue(timeout_s: float) -> Problem:
    """Nobody answered within that time."""
    return Problem("timeout", f"no response within {timeout_s:g} s")
