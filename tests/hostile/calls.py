"""System calls of this processor by number, for those that Python has no function for. x86-64 only, like the tests."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Any

NUMBERS = {
    "ptrace": 101, "personality": 135, "pivot_root": 155, "acct": 163, "settimeofday": 164, "mount": 165,
    "umount2": 166, "swapon": 167, "swapoff": 168, "reboot": 169, "sethostname": 170, "setdomainname": 171,
    "quotactl": 179, "tgkill": 234, "mq_open": 240,
    "add_key": 248, "request_key": 249, "keyctl": 250, "ioprio_set": 251, "inotify_init1": 294, "perf_event_open": 298,
    "fanotify_init": 300, "name_to_handle_at": 303, "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311,
    "seccomp": 317, "bpf": 321, "userfaultfd": 323, "pkey_mprotect": 329, "pidfd_send_signal": 424,
    "io_uring_setup": 425, "open_tree": 428, "fsopen": 430, "clone3": 435, "openat2": 437, "pidfd_getfd": 438,
    "mmap": 9, "mprotect": 10, "shmget": 29, "clone": 56, "vfork": 58, "semget": 64, "msgget": 68, "ftruncate": 77,
    "syslog": 103, "capset": 126, "rt_sigqueueinfo": 129, "unshare": 272, "splice": 275, "mlockall": 151,
    "modify_ldt": 154, "shmctl": 31, "semctl": 66, "msgctl": 71, "mq_unlink": 241,
}  # fmt: skip
REFUSALS = (errno.EPERM, errno.EACCES, errno.ENOSYS)

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def call(name: str, *arguments: Any) -> int:
    """Make it; raises ``OSError`` with what the kernel says."""
    given = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    result = int(libc.syscall(ctypes.c_long(NUMBERS[name]), *given))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def reach(name: str, *arguments: Any) -> None:
    """Make a call that is wrong in itself: any answer but a refusal shows that the kernel went on to look at it."""
    try:
        call(name, *arguments)
    except OSError as error:
        if error.errno in REFUSALS:
            raise


def prctl(operation: int, *arguments: int) -> None:
    """Raises ``OSError`` with what the kernel says."""
    padded = [ctypes.c_ulong(argument) for argument in (*arguments, 0, 0, 0, 0)[:4]]
    if libc.prctl(operation, *padded) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
