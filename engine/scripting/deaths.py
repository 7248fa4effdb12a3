"""How a process ended, in words for the author of its script and as a label for counters."""

from __future__ import annotations

import signal

_SIGNALS = {
    signal.SIGSYS: "the sandbox ended it: it asked the kernel for what no script may do, so it left its language",
    signal.SIGSEGV: "it crashed the interpreter",
    signal.SIGABRT: "it crashed the interpreter",
    signal.SIGVTALRM: "loading it took more CPU than scripting.loadCpu allows",
    signal.SIGALRM: "loading it took too long",
}


def how_it_ended(status: int) -> str:
    """``SIGSEGV: it crashed the interpreter``; ``status`` as ``os.waitstatus_to_exitcode`` gives it."""
    if status >= 0:
        return f"exit status {status}"
    number = signal.Signals(-status)
    return number.name + (f": {_SIGNALS[number]}" if number in _SIGNALS else "")


def label(status: int) -> str:
    """``sigsegv``, ``status_1``: for a counter."""
    return signal.Signals(-status).name.lower() if status < 0 else f"status_{status}"
