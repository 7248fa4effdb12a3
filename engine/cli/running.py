"""`remora run`."""

from __future__ import annotations

import secrets
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.arguments import DEFAULT_DATA, ConfigFile, Data, Sets, Sources, all_sources, load
from engine.cli.progress import LogView, TerminalView
from engine.cli.summary import print_summary
from engine.errors import ConfigError
from engine.supervisor import Supervisor
from engine.units import parse_duration_s


def run(
    sources: Sources = None,
    pcap: Annotated[list[str] | None, typer.Option("--pcap", metavar="PATH", help="The same as SOURCE.")] = None,
    interface: Annotated[
        list[str] | None,
        typer.Option("--interface", metavar="IF", help="The same as iface:IF; needs root or CAP_NET_RAW."),
    ] = None,
    config: ConfigFile = None,
    sets: Sets = None,
    scripts: Annotated[
        Path | None, typer.Option("--scripts", metavar="DIR", help="Folder of scripts, watched.")
    ] = None,
    data: Data = DEFAULT_DATA,
    pace: Annotated[
        str, typer.Option("--pace", metavar="max|realtime", help="How fast captures are replayed.")
    ] = "max",
    grace: Annotated[str, typer.Option("--grace", help="How long an ending run goes on uploading.")] = "30s",
) -> None:
    """Capture or replay traffic, run the scripts, ship what they keep. Ctrl-C ends it in order; twice, at once.

    Example: remora run capture.pcap --scripts ./scripts --data ./remora-data

    Example: RECORDING_KFL='http' remora run --interface eth0 --scripts examples/gcs-recorder
    """
    if pace not in ("max", "realtime"):
        raise ConfigError("--pace", "max or realtime", pace)
    configuration = load(
        config,
        [*(sets or []), *([f"scripting.source={scripts}"] if scripts else [])],
        sources=all_sources(sources, pcap, interface),
        pace=pace,
        grace_s=parse_duration_s("--grace", grace),
        data=str(data.absolute()),
    )
    view = TerminalView() if sys.stderr.isatty() else LogView()
    try:
        for name in configuration.without_effect:
            view.tell(f"{name}: a key of Kubeshark, without effect here")
        outcome = Supervisor(configuration, run_id(), view).run()
    finally:
        view.close()
    print_summary(configuration.settings, outcome)
    raise typer.Exit(outcome.exit_code)


def run_id() -> str:
    """``20261120T103000Z-a1b2c3d4``: names batches, so that no two runs name the same object."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) + "-" + secrets.token_hex(4)
