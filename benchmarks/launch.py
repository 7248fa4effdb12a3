"""A program on one core and what it cost, as JSON: ``python -I launch.py CORE STDOUT STDERR COMMAND…``.

A process of its own, and a small one, because the kernel counts what the parent held when it started a child into the
child's peak memory: a parent of 500 MiB would make every program look like one. Standard library alone.
"""

import json
import os
import sys
import time


def main(arguments: list[str]) -> None:
    """Run the command and print ``cpu_s``, ``wall_s``, ``peak_mib`` and ``exit_code``, negative for a signal."""
    core, stdout, stderr, *command = arguments
    os.sched_setaffinity(0, {int(core)})
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    files = [(os.POSIX_SPAWN_OPEN, fd, path, flags, 0o600) for fd, path in ((1, stdout), (2, stderr))]
    begin_s = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, os.environ, file_actions=files)
    _, status, usage = os.wait4(pid, 0)
    cost = {
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "wall_s": time.perf_counter() - begin_s,
        "peak_mib": usage.ru_maxrss / 1024,
        "exit_code": os.waitstatus_to_exitcode(status),
    }
    print(json.dumps(cost))


if __name__ == "__main__":
    main(sys.argv[1:])
