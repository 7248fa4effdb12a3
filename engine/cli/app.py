"""The command `remora`. Exit codes: 0 done, 1 failed, 2 wrong use."""

from __future__ import annotations

import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported: 0.05 s of start-up for nothing

import typer

from engine.cli import data, inspect, offline, running
from engine.errors import ConfigError, KflError, RemoraError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Captures traffic, dissects it, hands it to your scripts, ships what they keep.",
)
kfl = typer.Typer(no_args_is_help=True, help="The filter language.")
scripts = typer.Typer(no_args_is_help=True, help="User scripts.")
data_app = typer.Typer(no_args_is_help=True, help="The data folder.")
app.add_typer(kfl, name="kfl")
app.add_typer(scripts, name="scripts")
app.add_typer(data_app, name="data")

app.command("run")(running.run)
app.command("query")(offline.query)
app.command("streams")(offline.streams)
app.command("show")(data.show)
app.command("status")(data.status)
app.command("config")(inspect.config)
data_app.command("clean")(data.clean)
kfl.command("check")(inspect.kfl_check)
scripts.command("check")(inspect.scripts_check)


def main() -> None:
    """Entry point: an error of ours is one message on standard error."""
    try:
        app()
    except RemoraError as error:
        print(f"remora: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, ConfigError | KflError) else 1)
    except BrokenPipeError:  # `remora query … | head`: the reader has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


if __name__ == "__main__":
    main()
