"""The command `remora`. Exit codes: 0 done, 1 failed, 2 wrong use."""

from __future__ import annotations

import gc
import importlib
import os
import resource
import signal
import sys
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported: 0.05 s of start-up for nothing

import click

from engine.cli.terminal import tell, tell_lines
from engine.errors import CaptureError, ConfigError, KflError, RemoraError, StorageError, UploadError


class LateGroup(click.Group):
    """A group whose commands are imported when they are called: `query` starts 0.1 s faster without the others."""

    def __init__(self, name: str, help: str, places: dict[str, str]) -> None:
        """``places``: command -> ``module:attribute``."""
        super().__init__(name, help=help, no_args_is_help=True)
        self._places = places

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # `remora query … | head`: the reader has enough; click would call it a failure
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self._places, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._places:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self._places[cmd_name].partition(":")
        gc.disable()  # modules make no garbage: what they make is never looked at, which would take 13 ms
        try:
            command: click.Command = getattr(importlib.import_module(f"engine.cli.{module}"), attribute)
        finally:
            gc.freeze()
            gc.enable()
        return command


app = LateGroup(
    "remora",
    "Captures traffic, dissects it, hands it to your scripts, ships what they keep.",
    {
        "run": "running:run",
        "query": "offline:query",
        "streams": "offline:streams",
        "stats": "stats:stats",
        "pcapdump": "dumping:pcapdump",
        "show": "data:show",
        "status": "data:status",
        "config": "inspect:config",
        "doctor": "doctor:doctor",
    },
)
app.add_command(
    LateGroup(
        "kfl",
        "The filter language.",
        {
            "check": "filters:check",
            "explain": "filters:explain",
            "match": "filters:match",
            "bench": "filters:bench",
            "translate": "filters:translate",
        },
    )
)
SCRIPTS = {
    "check": "inspect:scripts_check",
    "run": "scripts:run_script",
    "list": "scripts:list_scripts",
    "console": "scripts:console",
}
app.add_command(LateGroup("scripts", "User scripts.", SCRIPTS))
OUTBOX = {"list": "outbox:list_entries", "retry": "outbox:retry", "drop": "outbox:drop"}
app.add_command(LateGroup("outbox", "What waits for its upload.", OUTBOX))
RECORDINGS = {
    "create": "recordings:create",
    "list": "recordings:list_recordings",
    "show": "recordings:show",
    "search": "recordings:search",
    "stop": "recordings:stop",
    "delete": "recordings:delete",
    "export": "exporting:export",
    "estimate": "estimating:estimate",
}
app.add_command(LateGroup("recordings", "Recording jobs: what is recorded, when, and where it goes.", RECORDINGS))
app.add_command(LateGroup("data", "The data folder.", {"clean": "data:clean"}))


def main() -> None:
    """Entry point: an error of ours, or of the machine, is one message on standard error."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _end)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # A folder of captures is opened before rights are given up, each of them.
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        app(prog_name="remora")
    except RemoraError as error:
        sys.exit(told(error))
    except PermissionError as error:
        sys.exit(_not_allowed(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        tell(f"remora: {where}{error.strerror or error}")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what it still holds could not be written
        sys.exit(1)


def _end(number: int, _: object) -> None:
    """As an exit and not at once: what was unpacked or half written is removed."""
    sys.exit(128 + number)


def _not_allowed(error: PermissionError) -> int:
    """It was told whose the file is; the exit code."""
    from engine.owner import NotAllowed  # here and not above: it hardly ever happens

    if isinstance(error.filename, str | bytes):
        return told(NotAllowed(Path(os.fsdecode(error.filename))))
    tell(f"remora: {error.strerror or error}")
    return 1


def told(error: RemoraError) -> int:
    """Its message was printed; the exit code that goes with it.

    Filters and scripts are shown in lines; where names come from the wire or a bucket, a line feed makes no line.
    """
    say = tell if isinstance(error, CaptureError | StorageError | UploadError) else tell_lines
    say(f"remora: {error}")
    return 2 if isinstance(error, ConfigError | KflError) else 1


if __name__ == "__main__":
    main()
