"""The instance that runs beside a query: without a source, on a data folder of its own, for scripts that look at items.

A process of its own, which ``engine.cli.invited`` starts: an ``Invitation`` comes in on standard input; the path of the
data folder goes out on standard output, a line, when all scripts are ready. It ends in order when standard input does,
so also when the query was killed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from engine.cli.app import told
from engine.cli.progress import LogView
from engine.cli.running import new_run_id
from engine.cli.terminal import tell
from engine.config import MetricsOptions, Settings
from engine.configure import Configuration
from engine.errors import ConfigError, RemoraError
from engine.recording.options import RecordingOptions
from engine.supervisor.invitation import Invitation, read
from engine.supervisor.supervisor import Supervisor

GRACE_S = 4.0
"""How long it may take to end: a script that hangs is not waited for much longer than its query waited."""


class _View(LogView):
    """What scripts write and what becomes of them, on standard error; and to the query, that they are ready."""

    def __init__(self, data: Path) -> None:
        super().__init__()
        self._data, self._ready = data, False

    def progress(self, totals: Mapping[str, int], phase: str) -> None:  # noqa: ARG002 - a view
        """The query has no use for the totals of an instance that captures nothing."""
        if phase == "running" and not self._ready:
            self._ready = True
            with contextlib.suppress(BrokenPipeError):  # the query is gone: standard input ends too
                os.write(sys.stdout.fileno(), os.fsencode(self._data) + b"\n")


def main() -> int:
    """From the invitation to the end of standard input; the exit code."""
    try:
        with tempfile.TemporaryDirectory(prefix="remora-") as folder:
            return _run(read(sys.stdin.fileno()), Path(folder))
    except RemoraError as error:
        return told(error)


def _run(invitation: Invitation, folder: Path) -> int:
    settings = _settings(invitation, folder)
    configuration = Configuration(settings, {}, (), (), invitation.secrets, invitation.script_env)
    outcome = Supervisor(configuration, new_run_id(), _View(Path(settings.data)), sys.stdin.fileno()).run()
    for line in [*outcome.errors, *([outcome.note] if outcome.note else [])]:
        tell(f"remora: {line}")
    return outcome.exit_code


def _settings(invitation: Invitation, folder: Path) -> Settings:
    """Those of the query, for its scripts alone: nothing is captured, recorded or served."""
    given = invitation.settings
    scripts = _only(Path(invitation.scripts), folder / "scripts")
    return replace(
        given,
        scripts=replace(given.scripts, source=str(scripts), sources=[], watch=False),
        recording=RecordingOptions(),
        metrics=MetricsOptions(),
        sources=(),
        grace_s=GRACE_S,
        data=str(folder / "data"),
    )


def _only(scripts: Path, folder: Path) -> Path:
    """``scripts``, or a folder that holds this one script.

    Raises:
        ConfigError: there is no such script.
    """
    if scripts.is_dir():
        return scripts
    folder.mkdir()
    try:
        shutil.copyfile(scripts, folder / scripts.name)
    except OSError as error:
        raise ConfigError("--scripts", "a script or a folder of scripts", str(scripts), error.strerror or "") from None
    return folder


if __name__ == "__main__":
    sys.exit(main())
