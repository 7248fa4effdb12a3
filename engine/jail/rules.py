"""Which system calls a script host may make, with which arguments, and what becomes of the others.

An honest host makes about fifteen different calls after it is locked down; the rest of this list is what CPython and
the C library need under pressure: memory, locks, clocks, signals. No call that names a path, makes a socket, a process
or a thread, or maps memory to be executed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PROT_EXEC = 4
F_GETFD, F_GETFL = 1, 3


@dataclass(frozen=True, slots=True)
class Check:
    """One condition on one argument of a call."""

    argument: int
    """From 0."""
    kind: Literal["in", "without", "zero"]
    """``in``: its low 32 bits are one of ``values``; ``without``: none of the bits of ``values[0]`` is set in them;
    ``zero``: all 64 bits are 0 (a pointer that is not given)."""
    values: tuple[int, ...] = ()


Rules = dict[str, tuple[Check, ...]]
"""Call -> conditions that must all hold."""


def allowed(pid: int) -> Rules:
    """The calls of the host whose process is ``pid``."""
    return {**dict.fromkeys(_ALLOWED, ()), **_CHECKED, "tgkill": (Check(0, "in", (pid,)),)}


_ALLOWED = """
    recvfrom read write close poll ppoll recvmsg lseek
    futex sched_yield
    clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time
    rt_sigreturn rt_sigaction rt_sigprocmask sigaltstack setitimer restart_syscall
    munmap mremap brk madvise
    getpid gettid getrandom sched_getaffinity sysinfo
    exit exit_group
""".split()  # noqa: SIM905  # read as a text, not as 30 lines

_CHECKED: Rules = {
    "sendto": (Check(4, "zero"),),  # to the other end of the socket and nobody else
    "mmap": (Check(2, "without", (PROT_EXEC,)),),
    "mprotect": (Check(2, "without", (PROT_EXEC,)),),
    "prlimit64": (Check(0, "in", (0,)), Check(2, "zero")),  # our own limits, and only to read them
}

KILLED = frozenset(
    """
    execve execveat ptrace process_vm_readv process_vm_writev bpf perf_event_open
    mount umount2 pivot_root chroot fsopen fsmount move_mount open_tree mount_setattr unshare setns
    io_uring_setup io_uring_enter io_uring_register userfaultfd keyctl add_key request_key
    init_module finit_module delete_module kexec_load kexec_file_load reboot swapon swapoff
    open_by_handle_at pidfd_getfd socket connect bind listen accept accept4
    """.split()  # noqa: SIM905
)
"""Nothing in a host makes these by accident, so whoever makes one has broken out of the language: the process ends with
SIGSYS, which the engine sees. Any other call fails with EPERM: a library may try it in good faith (a thread, a file).
"""

ABSENT = frozenset({"clone3"})
"""Fails with ENOSYS: the C library then asks ``clone``, which fails with EPERM, and tells its caller."""
