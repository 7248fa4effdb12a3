"""How much memory a process really uses, seen from outside."""

from __future__ import annotations

import os


def resident_bytes(pid: int) -> int:
    """What of its memory lies in RAM; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (FileNotFoundError, ProcessLookupError):
        return 0
