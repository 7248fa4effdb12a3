"""`remora run`."""

from __future__ import annotations

import dataclasses
import secrets
import sys
import time
from pathlib import Path
from typing import NoReturn

import click

from engine.cli import arguments
from engine.cli.progress import LogView, TerminalView
from engine.configure import Configuration
from engine.errors import CaptureError
from engine.opening import Opened
from engine.resolve.targets import overruled
from engine.units import parse_duration_s


@click.command()
@arguments.sources
@click.option("--pcap", multiple=True, metavar="PATH", help="The same as SOURCE.")
@click.option("--interface", multiple=True, metavar="IF", help="The same as iface:IF; needs root or CAP_NET_RAW.")
@arguments.config_file
@arguments.sets
@click.option("--scripts", type=click.Path(path_type=Path), metavar="DIR", help="Folder of scripts, watched.")
@arguments.data
@click.option(
    "--pace",
    type=click.Choice(["max", "realtime"]),
    default="max",
    show_default=True,
    help="How fast captures are replayed.",
)
@click.option("--follow", is_flag=True, help="The capture is still being written: read on as it grows, until Ctrl-C.")
@click.option("--user", default="", metavar="NAME", help="Started by root: run as this user, who gets the data folder.")
@click.option(
    "--grace", default="30s", show_default=True, help="How long an ending run goes on delivering and uploading."
)
def run(
    sources: tuple[str, ...],
    pcap: tuple[str, ...],
    interface: tuple[str, ...],
    config_file: Path | None,
    sets: tuple[str, ...],
    scripts: Path | None,
    data: Path,
    pace: str,
    follow: bool,
    user: str,
    grace: str,
) -> None:
    """Capture or replay traffic, run the scripts, ship what they keep. Ctrl-C ends it in order; twice, at once.

    SOURCE is a capture file, a folder of them, a tar, - for standard input, a recording (its folder or gs://bucket/prefix),
    or iface:NAME.

    \b
    Example: remora run capture.pcap --scripts ./scripts --data ./remora-data

    \b
    Example: RECORDING_KFL='http' remora run --interface eth0 --scripts examples/gcs-recorder/script
    """
    arguments.check_follow(follow, (*sources, *pcap), interface)
    configuration = arguments.load(
        config_file,
        (*sets, *([f"scripting.source={scripts}"] if scripts else [])),
        sources=arguments.all_sources((*sources, *pcap), interface),
        pace=pace,
        follow=follow,
        user=user,
        grace_s=parse_duration_s("--grace", grace),
        data=str(data.absolute()),
    )
    start(configuration)


def start(configuration: Configuration, *, kept: bool = True) -> NoReturn:
    """Run it to its end; ``kept``: its data folder stays, so that what lies there may be named."""
    from engine.cli.summary import print_summary  # here and not above: `query` starts 0.1 s faster without them
    from engine.supervisor.supervisor import Supervisor

    view = TerminalView() if sys.stderr.isatty() else LogView()
    opened = Opened(configuration.settings.sources, configuration.settings.shipping.key_json)
    try:
        configuration = with_sources(configuration, opened.as_captures(view.tell))
        for doubt in configuration.doubts:
            view.tell(doubt)
        for name in configuration.without_effect:
            view.tell(f"{name}: a key of Kubeshark, without effect here")
        settings = configuration.settings
        for name in overruled(settings.targets, settings.sources, settings.capture.bpf):
            view.tell(f"{name}: without effect, tap.bpfOverride takes its place")
        run_id = new_run_id()
        outcome = Supervisor(configuration, run_id, view).run()
    finally:
        view.close()
        opened.close()
    print_summary(configuration.settings, outcome, run_id, kept=kept)
    raise SystemExit(outcome.exit_code)


def with_sources(configuration: Configuration, captures: list[str]) -> Configuration:
    """The same with what its sources turned out to be.

    Raises:
        CaptureError: there is not a packet in them.
    """
    if not captures:
        raise CaptureError(" ".join(configuration.settings.sources), "a recording with packets", "one without any")
    settings = dataclasses.replace(configuration.settings, sources=tuple(captures))
    return dataclasses.replace(configuration, settings=settings)


def new_run_id() -> str:
    """``20261120T103000Z-a1b2c3d4``: names batches, so that no two runs name the same object."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) + "-" + secrets.token_hex(4)
