"""One line per event: ``name key=value key=value``. INFO lifecycle, WARNING act, ERROR lost or stopped."""

from __future__ import annotations

import codecs
import logging
import sys
import time

codecs.lookup("unicode_escape")  # `printable` needs it when a child may no longer read its own installation


def start_logging(process: str, level: str = "INFO") -> None:
    """Log to standard error; the supervisor reads that of its children and prints it above the progress line."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = logging.Formatter(f"%(asctime)s %(levelname)s {process} %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def printable(text: str, limit: int = 2048) -> str:
    """``text`` from traffic or a script, safe for a log and a terminal: control characters escaped, length capped."""
    short = text if len(text) <= limit else text[:limit] + "…"
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in short)
