"""Who a process is, and what it may do as that."""

from __future__ import annotations

import contextlib
import errno
import os

from engine.jail import kernel

LAST_CAPABILITY = 63
FILE_RIGHTS = 1 << 0 | 1 << 1 | 1 << 3
"""CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER: files are read, written and given away whoever owns them."""
NEW_USER, NEW_UTS, NEW_IPC, NEW_NET = 0x1000_0000, 0x0400_0000, 0x0800_0000, 0x4000_0000
NAMESPACES = {"net": NEW_NET, "ipc": NEW_IPC, "uts": NEW_UTS}


def change_user(user: int) -> None:
    """Become ``user``, group of the same number, no other groups; -1: stay who we are.

    Raises:
        PermissionError: root in a container may lack CAP_SETUID; or we are root and nobody said who else to be.
    """
    if os.geteuid() != 0:
        return  # an ordinary user is what it was to become
    if user < 0:
        raise PermissionError(errno.EPERM, "no user to become was named")
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def drop_capabilities(kept: int = 0) -> None:
    """No capability in any set, now or after an exec, but those of the mask ``kept``; needs no privilege itself."""
    for capability in range(LAST_CAPABILITY + 1):
        try:
            kernel.prctl(kernel.PR_CAPBSET_DROP, capability)
        except OSError:
            # EINVAL: past the last one the kernel knows. EPERM: without CAP_SETPCAP the bounding set stays;
            # no_new_privs makes it meaningless.
            break
    with contextlib.suppress(OSError):  # before Linux 4.3 there was no ambient set
        kernel.prctl(kernel.PR_CAP_AMBIENT, kernel.PR_CAP_AMBIENT_CLEAR_ALL)
    kernel.keep_capabilities(kept & permitted())


def permitted() -> int:
    """The mask of capabilities that this process may use."""
    with open("/proc/self/status") as status:
        (line,) = (line for line in status if line.startswith("CapPrm:"))
    return int(line.split()[1], 16)


def leave_namespace(name: str) -> None:
    """An empty network, no shared memory of others, a host name of our own: ``net``, ``ipc``, ``uts``.

    Needs CAP_SYS_ADMIN.

    Raises:
        OSError: we lack it.
    """
    kernel.unshare(NAMESPACES[name])


def leave_namespaces_as_user(names: list[str]) -> None:
    """The same inside a new user namespace, where nobody needs a capability.

    Raises:
        OSError: this machine does not let its users make one, as most containers.
    """
    flags = NEW_USER
    for name in names:
        flags |= NAMESPACES[name]
    kernel.unshare(flags)
