"""Landlock with no rule at all: no path can be opened, no TCP port used, no process outside signalled."""

from __future__ import annotations

import os
import struct

from engine.jail import kernel

FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
"""Version of Landlock -> how many rights on files it knows (execute, write, read … rename, truncate, ioctl)."""
TCP_RIGHTS, SCOPES = 0b11, 0b11
"""Bind and connect, since version 4; abstract sockets and signals, since version 6."""


def attributes(version: int) -> bytes:
    """All that ``version`` can handle, as the kernel reads it; newer versions get what we know."""
    rights = (1 << FILE_RIGHTS[max(known for known in FILE_RIGHTS if known <= version)]) - 1
    fields = [rights, *([TCP_RIGHTS] if version >= 4 else []), *([SCOPES] if version >= 6 else [])]
    return struct.pack(f"={len(fields)}Q", *fields)


def forbid_everything() -> None:
    """Needs ``no_new_privs`` or CAP_SYS_ADMIN.

    Raises:
        OSError: the kernel has no Landlock, or does not use it.
    """
    ruleset = kernel.landlock_ruleset(attributes(kernel.landlock_version()))
    try:
        kernel.landlock_enforce(ruleset)
    finally:
        os.close(ruleset)
