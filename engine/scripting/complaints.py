"""What the author of a script reads when it failed, and how often."""

from __future__ import annotations

from engine.scripting.calls import HelperError
from engine.scripting.guards import Stop

MAX_CHARACTERS = 500
LINES_PER_S = 10


def describe(error: BaseException, script: str, cpu_s: float) -> str:
    """``line 12: KeyError: 'path'``: where in the script, what, and no more than 500 characters.

    Total: the text of an exception is the script's, and asking for it may fail again.
    """
    where = _line(error, script)
    if isinstance(error, Stop):
        return f"{where}used more than {cpu_s:g} s of CPU and was abandoned"
    try:
        text = str(error)[:MAX_CHARACTERS].encode(errors="backslashreplace").decode()
    except BaseException as again:
        text = f"its text cannot be shown ({type(again).__name__})"
    kind = "" if isinstance(error, HelperError) else type(error).__name__[:100].encode(errors="replace").decode()
    return f"{where}{': '.join(part for part in (kind, text) if part)}"


def _line(error: BaseException, script: str) -> str:
    """The deepest line of the script itself that the exception passed."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == script:
            line = trace.tb_lineno
        trace = trace.tb_next
    return f"line {line}: " if line else ""


class Complaints:
    """At most ten lines a second; what was left out is counted on the next one."""

    def __init__(self) -> None:
        self._since_s = float("-inf")
        self._written = 0
        self._left_out = 0

    def line(self, text: str, now_s: float) -> str | None:
        """The line to write now, if any."""
        if now_s - self._since_s >= 1.0:
            self._since_s, self._written = now_s, 0
        if self._written == LINES_PER_S:
            self._left_out += 1
            return None
        self._written += 1
        left_out, self._left_out = self._left_out, 0
        return text + (f" (and {left_out} errors more since the last line)" if left_out else "")
