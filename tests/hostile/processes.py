"""Ways out of a process whose language holds nothing any more: plain Python and system calls, one function each.

An attempt succeeds when it returns. Each is harmless where it succeeds, since each is run as root without any layer, to
show that it is one: signals are number 0 or to a victim that waits for them, what is set is set to what it was.
"""

from __future__ import annotations

import _thread
import array
import ctypes
import fcntl
import mmap
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple

from tests.hostile.calls import call, libc, prctl, reach


class Target(NamedTuple):
    """What there is to attack."""

    victim: int
    """pid of a process of the user that the attacker is or becomes."""
    folder: str
    """Anybody may write in it: ``old`` and ``mine`` are files, ``empty`` a folder, ``link`` leads to /etc/passwd."""
    port: int
    """Of a TCP and a UDP socket on 127.0.0.1."""
    abstract: bytes
    """Name of an abstract socket."""
    pipe: int
    """The only descriptor that is left open: a socket to the engine."""
    parent: int


Attack = Callable[[Target], object]
ATTEMPTS: dict[str, dict[str, Attack]] = {}
"""Category -> name -> attempt."""


def attempt(category: str, name: str) -> Callable[[Attack], Attack]:
    """Add a row."""

    def add(attack: Attack) -> Attack:
        assert name not in ATTEMPTS.setdefault(category, {}), name
        ATTEMPTS[category][name] = attack
        return attack

    return add


def rows(category: str, **attacks: Attack) -> None:
    """Add rows that are one expression each."""
    for name, attack in attacks.items():
        attempt(category, name.strip("_").replace("_", " "))(attack)


# -- files -------------------------------------------------------------------------------------------------------------

rows(
    "files",
    read_a_file=lambda t: os.open("/etc/passwd", os.O_RDONLY),
    read_a_secret=lambda t: os.open("/etc/shadow", os.O_RDONLY),
    read_by_a_way_up=lambda t: os.open(f"{t.folder}/../../../../etc/passwd", os.O_RDONLY),
    read_through_a_link=lambda t: os.open(f"{t.folder}/link", os.O_RDONLY),
    read_by_openat2=lambda t: call("openat2", -100, b"/etc/passwd", struct.pack("QQQ", 0, 0, 0), 24),
    open_a_path_only=lambda t: os.open("/etc", os.O_PATH),
    list_a_folder=lambda t: os.listdir("/"),
    stat=lambda t: os.stat("/etc/passwd"),
    readlink=lambda t: os.readlink(f"{t.folder}/link"),
    access=lambda t: None if os.access("/etc/passwd", os.R_OK) else _refuse(),
    chdir=lambda t: os.chdir("/etc"),
    statvfs=lambda t: os.statvfs("/"),
    create=lambda t: os.open(f"{t.folder}/new", os.O_CREAT | os.O_WRONLY),
    create_without_a_name=lambda t: os.open(t.folder, os.O_TMPFILE | os.O_WRONLY),
    append=lambda t: os.open(f"{t.folder}/old", os.O_WRONLY | os.O_APPEND),
    truncate=lambda t: os.truncate(f"{t.folder}/old", 0),
    delete=lambda t: os.unlink(f"{t.folder}/old"),
    rename=lambda t: os.rename(f"{t.folder}/old", f"{t.folder}/other"),
    link=lambda t: os.link(f"{t.folder}/old", f"{t.folder}/hard"),
    symlink=lambda t: os.symlink("/etc/shadow", f"{t.folder}/soft"),
    mkdir=lambda t: os.mkdir(f"{t.folder}/made"),
    rmdir=lambda t: os.rmdir(f"{t.folder}/empty"),
    chmod=lambda t: os.chmod(f"{t.folder}/mine", 0o777),
    setuid_bit=lambda t: os.chmod(f"{t.folder}/mine", 0o4755),
    chown=lambda t: os.chown(f"{t.folder}/mine", 1234, 1234),
    utime=lambda t: os.utime(f"{t.folder}/mine", (0, 0)),
    make_a_fifo=lambda t: os.mkfifo(f"{t.folder}/fifo"),
    make_a_device=lambda t: os.mknod(f"{t.folder}/dev", 0o20666, os.makedev(1, 1)),
    watch_a_folder=lambda t: libc_ok(libc.inotify_add_watch(call("inotify_init1", 0), b"/etc", 0x100)),
    watch_the_file_system=lambda t: call("fanotify_init", 0, 0),
    file_in_memory=lambda t: os.write(os.memfd_create("x"), b"x" * 100_000),
    handle_of_a_file=lambda t: reach("name_to_handle_at", -100, b"/etc/passwd", 0, 0, 0),
)

# -- /proc -------------------------------------------------------------------------------------------------------------

rows(
    "proc",
    own_environment=lambda t: os.open("/proc/self/environ", os.O_RDONLY),
    own_memory=lambda t: os.open("/proc/self/mem", os.O_RDWR),
    own_maps=lambda t: os.open("/proc/self/maps", os.O_RDONLY),
    own_descriptors=lambda t: os.listdir("/proc/self/fd"),
    own_oom_score=lambda t: os.write(os.open("/proc/self/oom_score_adj", os.O_WRONLY), b"0"),
    environment_of_the_parent=lambda t: os.read(os.open(f"/proc/{t.parent}/environ", os.O_RDONLY), 1),
    memory_of_a_sibling=lambda t: os.open(f"/proc/{t.victim}/mem", os.O_RDWR),
    command_line_of_init=lambda t: os.open("/proc/1/cmdline", os.O_RDONLY),
    connections=lambda t: os.open("/proc/net/tcp", os.O_RDONLY),
    kernel_settings=lambda t: os.open("/proc/sys/kernel/hostname", os.O_RDWR),
)

# -- other processes ---------------------------------------------------------------------------------------------------

rows(
    "other processes",
    signal_a_sibling=lambda t: os.kill(t.victim, signal.SIGCONT),
    signal_everybody=lambda t: os.kill(-1, 0),
    signal_the_parent=lambda t: os.kill(t.parent, 0),
    signal_a_thread=lambda t: call("tgkill", t.victim, t.victim, signal.SIGCONT),
    queue_a_signal=lambda t: call("rt_sigqueueinfo", t.victim, 0, struct.pack("iii116x", 0, 0, -1)),
    pidfd=lambda t: os.pidfd_open(t.victim),
    signal_by_pidfd=lambda t: signal.pidfd_send_signal(os.pidfd_open(t.victim), signal.SIGCONT),
    steal_a_descriptor=lambda t: reach("pidfd_getfd", 0, 0, 0),
    trace=lambda t: call("ptrace", 0x4206, t.victim, 0, 0),
    read_memory=lambda t: reach("process_vm_readv", t.victim, 0, 0, 0, 0, 0),
    write_memory=lambda t: reach("process_vm_writev", t.victim, 0, 0, 0, 0, 0),
    priority=lambda t: os.setpriority(os.PRIO_PROCESS, t.victim, 1),
    affinity=lambda t: os.sched_setaffinity(t.victim, os.sched_getaffinity(t.victim)),
    limits=lambda t: resource.prlimit(t.victim, resource.RLIMIT_CORE, (0, 0)),
    io_priority=lambda t: call("ioprio_set", 1, t.victim, 2 << 13 | 7),
)

# -- network -----------------------------------------------------------------------------------------------------------


@attempt("network", "TCP to this machine")
def _tcp(t: Target) -> None:
    socket.create_connection(("127.0.0.1", t.port), 1)


@attempt("network", "UDP")
def _udp(t: Target) -> None:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", t.port))


@attempt("network", "listen")
def _listen(t: Target) -> None:
    socket.create_server(("", 0))


@attempt("network", "UNIX socket of another process")
def _unix(t: Target) -> None:
    socket.socket(socket.AF_UNIX).connect(f"{t.folder}/../sock")


@attempt("network", "abstract UNIX socket")
def _abstract(t: Target) -> None:
    socket.socket(socket.AF_UNIX).connect(t.abstract)


@attempt("network", "name lookup")
def _lookup(t: Target) -> None:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("127.0.0.53", 53))


rows(
    "network",
    IPv6=lambda t: socket.socket(socket.AF_INET6),
    raw_socket=lambda t: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
    packet_socket=lambda t: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0),
    netlink=lambda t: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0),
    uevents=lambda t: socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 15),
    crypto_socket=lambda t: reach_socket(38, socket.SOCK_SEQPACKET),
    vsock=lambda t: reach_socket(40, socket.SOCK_STREAM),
    bluetooth=lambda t: reach_socket(31, socket.SOCK_RAW),
    a_pair_of_sockets=lambda t: socket.socketpair(),
    pass_a_descriptor=lambda t: pass_descriptor(t.pipe),
)


def reach_socket(family: int, kind: int) -> None:
    """A family that the kernel may lack: then it says so, which is no refusal."""
    try:
        socket.socket(family, kind, 0)
    except OSError as error:
        if error.errno in (1, 13):
            raise


def pass_descriptor(pipe: int) -> None:
    """Send one to the engine."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=pipe)
    try:
        sock.sendmsg([b"\n"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [pipe]))])
    finally:
        sock.detach()


# -- programs, processes, threads --------------------------------------------------------------------------------------


def fork() -> None:
    """A child that ends at once."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def bomb() -> None:
    """More than one."""
    for _ in range(20):
        fork()


def execute(run: Callable[[], object]) -> None:
    """In place of this process: success is the exit status of what takes its place."""
    run()
    raise AssertionError("nothing took our place")


rows(
    "programs",
    execve=lambda t: execute(lambda: os.execve("/bin/true", ["true"], {})),
    execve_by_descriptor=lambda t: execute(lambda: os.execve(os.open("/bin/true", os.O_RDONLY), ["true"], {})),
    execve_from_memory=lambda t: execute(lambda: os.execve(program_in_memory(), ["true"], {})),
    posix_spawn=lambda t: os.posix_spawn("/bin/true", ["true"], {}),
    subprocess=lambda t: subprocess.run(["/bin/true"], check=True),
    shell=lambda t: None if os.system("/bin/true") == 0 else _refuse(),
    fork=lambda t: fork(),
    fork_by_clone=lambda t: os._exit(0) if call("clone", signal.SIGCHLD, 0, 0, 0, 0) == 0 else None,
    fork_by_clone3=lambda t: os._exit(0) if call("clone3", struct.pack("4Q4Q", *[0] * 4, 17, 0, 0, 0), 64) == 0 else 0,
    thread=lambda t: _thread.start_new_thread(int, ()),
    many_forks=lambda t: bomb(),
)


def program_in_memory() -> int:
    """A file without a name that holds /bin/true."""
    with open("/bin/true", "rb") as file:
        memory = os.memfd_create("p", 0)
        os.sendfile(memory, file.fileno(), 0, os.fstat(file.fileno()).st_size)
    return memory


# -- code --------------------------------------------------------------------------------------------------------------

RWX = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC

rows(
    "machine code",
    executable_memory=lambda t: mmap.mmap(-1, 4096, prot=RWX),
    make_memory_executable=lambda t: call("mprotect", call("mmap", 0, 4096, 3, 0x22, -1, 0), 4096, 5),
    the_same_with_a_key=lambda t: call("pkey_mprotect", call("mmap", 0, 4096, 3, 0x22, -1, 0), 4096, 5, -1),
    executable_file_in_memory=lambda t: mmap.mmap(memory_file(), 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC),
    every_page_executable=lambda t: call("personality", 0x0400000),
    load_a_library=lambda t: ctypes.CDLL("libresolv.so.2"),
    foreign_segments=lambda t: reach("modify_ldt", 1, 0, 0),
)


def memory_file() -> int:
    """4 KiB without a name."""
    memory = os.memfd_create("code")
    os.ftruncate(memory, 4096)
    return memory


# -- rights and limits -------------------------------------------------------------------------------------------------

rows(
    "rights and limits",
    become_root=lambda t: os.setresuid(0, 0, 0),
    become_another_user=lambda t: os.setresuid(1234, 1234, 1234),
    groups_of_root=lambda t: os.setgroups([0]),
    capabilities=lambda t: call(
        "capset", struct.pack("=Ii", 0x20080522, 0), struct.pack("6I", 1 << 21, 1 << 21, 0, 0, 0, 0)
    ),
    be_dumpable=lambda t: prctl(4, 1),
    outlive_the_parent=lambda t: prctl(1, 0),
    raise_memory_limit=lambda t: resource.setrlimit(resource.RLIMIT_AS, (-1, -1)),
    raise_file_limit=lambda t: resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512)),
    higher_priority=lambda t: os.nice(-1),
    real_time=lambda t: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    lock_memory=lambda t: libc_ok(libc.mlock(ctypes.create_string_buffer(1 << 20), 1 << 20)),
    a_gigabyte=lambda t: bytes(1 << 30),
    a_hundred_descriptors=lambda t: [os.dup(t.pipe) for _ in range(100)],
    core_dump=lambda t: None if resource.getrlimit(resource.RLIMIT_CORE)[1] != 0 else _refuse(),
    set_the_clock=lambda t: call("settimeofday", 0, 0),
    write_endlessly=lambda t: os.write(os.open("/dev/shm", os.O_TMPFILE | os.O_RDWR), b"x" * (1 << 20)),
)

# -- kernel ------------------------------------------------------------------------------------------------------------


@attempt("namespaces and mounts", "mount")
def _mount(t: Target) -> None:
    call("mount", b"tmpfs", f"{t.folder}/empty".encode(), b"tmpfs", 0, 0)
    call("umount2", f"{t.folder}/empty".encode(), 2)


rows(
    "namespaces and mounts",
    user_namespace=lambda t: call("unshare", 0x10000000),
    network_namespace=lambda t: call("unshare", 0x40000000),
    mount_namespace=lambda t: call("unshare", 0x20000),
    pid_namespace=lambda t: call("unshare", 0x20000000),
    enter_that_of_another=lambda t: call("setns", os.pidfd_open(t.victim), 0x40000000),
    new_mount_interface=lambda t: call("fsopen", b"tmpfs", 0),
    clone_a_mount=lambda t: call("open_tree", -100, b"/", 1),
    chroot=lambda t: os.chroot(t.folder),
    pivot_root=lambda t: reach("pivot_root", b"/", b"/"),
    host_name=lambda t: socket.sethostname(socket.gethostname()),
    domain_name=lambda t: reach("setdomainname", b"(none)", 6),
    unmount=lambda t: reach("umount2", b"/nowhere", 0),
)


def message_queue() -> None:
    """Made and removed."""
    call("mq_open", b"remora-hostile", os.O_CREAT | os.O_RDWR, 0o600, 0)
    call("mq_unlink", b"remora-hostile")


def own(t: Target) -> None:
    """Have the kernel signal somebody when the engine writes."""
    fcntl.fcntl(t.pipe, fcntl.F_SETOWN, t.victim)


rows(
    "kernel interfaces",
    bpf=lambda t: call("bpf", 0, struct.pack("4I112x", 2, 4, 4, 1), 128),
    perf=lambda t: call("perf_event_open", struct.pack("IIQ112x", 1, 128, 0), 0, -1, -1, 0),
    io_uring=lambda t: call("io_uring_setup", 4, bytes(120)),
    userfaultfd=lambda t: call("userfaultfd", 1),
    keyring=lambda t: call("keyctl", 0, -3, 1, 0, 0),
    add_a_key=lambda t: call("add_key", b"user", b"remora", b"x", 1, -2),
    ask_for_a_key=lambda t: reach("request_key", b"user", b"remora", 0, -2),
    reboot=lambda t: reach("reboot", 0, 0, 0, 0),
    swap=lambda t: reach("swapon", 0, 0),
    accounting=lambda t: reach("acct", b"/nowhere/at/all"),
    quota=lambda t: reach("quotactl", 0x80000100, b"/nowhere", 0, 0),
    kernel_log=lambda t: call("syslog", 10, 0, 0),
    shared_memory=lambda t: call("shmctl", call("shmget", 0, 4096, 0o1600), 0, 0),
    semaphores=lambda t: call("semctl", call("semget", 0, 1, 0o1600), 0, 0, 0),
    message_queue=lambda t: call("msgctl", call("msgget", 0, 0o1600), 0, 0),
    named_message_queue=lambda t: message_queue(),
    terminal=lambda t: reach_ioctl(t.pipe),
    own_the_signals_of_the_pipe=own,
)


def reach_ioctl(descriptor: int) -> None:
    """Put a character into a terminal that this is not."""
    if libc.ioctl(descriptor, ctypes.c_ulong(0x5412), b"x") < 0 and ctypes.get_errno() in (1, 13):
        _refuse()


def libc_ok(result: int) -> None:
    """Raises ``OSError`` where a function of the C library said -1."""
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _refuse() -> None:
    raise PermissionError(1, "refused")


assert sys.platform == "linux", "the numbers are those of Linux"
