"""Scripts that look at what a query finds where nothing runs: an instance is started for them, beside the query."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from engine import controlsocket
from engine.cli.terminal import warn
from engine.configure import Configuration
from engine.errors import RemoraError
from engine.fetching import Onlookers
from engine.supervisor.invitation import written

HOOK = "onItemQueried"


class Invited:
    """Scripts that are loading from the moment this object is there; leaving its context ends them in order."""

    def __init__(self, scripts: Path, configuration: Configuration) -> None:
        self._scripts = scripts
        command = [sys.executable, "-P", "-m", "engine.cli.beside"]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the query, which then ends them in order
        )
        assert self._process.stdin, "a pipe"
        assert self._process.stdout, "a pipe"
        self._lifeline, self._answer = self._process.stdin, self._process.stdout
        with contextlib.suppress(BrokenPipeError):  # it has died: waiting for it says so
            self._lifeline.write(written(scripts, configuration))
            self._lifeline.flush()

    def wait(self) -> Onlookers:
        """They are loaded, all of them.

        Raises:
            SystemExit: they are not; why was printed.
            RemoraError: somebody ended them.
        """
        line = self._answer.readline()
        if not line and (code := self._process.wait()) > 0:
            raise SystemExit(code)
        if not line:
            raise RemoraError(f"{self._scripts}: the scripts' instance was ended before they were loaded")
        data = Path(line.decode(errors="surrogateescape").rstrip("\n"))
        try:
            rows, _ = controlsocket.ask(data / "control.sock", "status", {})
        except OSError as error:
            raise RemoraError(f"{self._scripts}: expected an answer of the scripts' instance, got {error}") from None
        if not any(HOOK in row.get("hooks", ()) for row in rows):
            warn(f"{self._scripts}: no script with {HOOK}; items are shown as they are stored")
        return Onlookers(data, warn)

    def past(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """``rows`` as they are to be shown; raises as ``wait``."""
        return self.wait().past(rows)

    def __enter__(self) -> Invited:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Raises ``SystemExit`` where the query went well and its scripts did not."""
        early = kind is None and self._process.poll() is not None
        if early:
            warn(
                f"{self._scripts}: the scripts' instance ended before the query; the last items are as they are stored"
            )
        with contextlib.suppress(BrokenPipeError):
            self._lifeline.close()
        code = self._process.wait()
        self._answer.close()
        if early or (kind is None and code):
            raise SystemExit(1)
