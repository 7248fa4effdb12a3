"""The programs that are measured: how each is called, where its output goes, and how many exchanges it found."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SURICATA_YAML = Path(__file__).with_name("suricata.yaml")
FIELDS = (
    "frame.time_epoch", "ip.src", "ip.dst", "tcp.stream", "http.request.method", "http.request.uri",
    "http.response.code", "http.host", "dns.qry.name", "dns.a", "dns.flags.rcode",
)  # fmt: skip
ANSWERED = (FIELDS.index("http.response.code"), FIELDS.index("dns.flags.rcode"))


@dataclass(frozen=True, slots=True)
class Tool:
    """One program. ``output`` is a folder of its own on tmpfs, empty before each run."""

    name: str
    binary: str
    """What must be on the path."""
    command: Callable[[Path, Path], list[str]]
    """``(capture, output folder)`` -> words; standard output goes to ``output/stdout``."""
    version: Callable[[], str]
    found: Callable[[Path], int] | None = None
    """Exchanges in the output; ``None``: it does not tell."""

    @property
    def installed(self) -> bool:
        """Whether it can be run."""
        return shutil.which(self.binary) is not None


def lines(output: Path) -> int:
    """A line per exchange."""
    with (output / "stdout").open("rb") as file:
        return sum(1 for _ in file)


def eve_found(output: Path) -> int:
    """A transaction of HTTP is one event; of DNS there is one for the query and one for the answer."""
    with (output / "eve.json").open("rb") as file:
        return sum(
            1
            for line in file
            if b'"event_type":"http"' in line or (b'"event_type":"dns"' in line and b'"type":"answer"' in line)
        )


def fields_found(output: Path) -> int:
    """Messages that answer: a status or a response code is there."""
    with (output / "stdout").open(errors="replace") as file:
        rows = (line.rstrip("\n").split("\t") for line in file)
        return sum(1 for row in rows if any(row[index] for index in ANSWERED))


def first_line(*command: str) -> Callable[[], str]:
    """What the program says about itself; tcpflow says it and fails."""

    def ask() -> str:
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        line = (answer.stdout or answer.stderr).strip().splitlines()[0]
        return line.removeprefix("This is ").strip(" .")

    return ask


def of_ours() -> str:
    """Version of this project, and the commit where there is one."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return f"Remora {version}" + (f" ({commit.stdout.strip()})" if commit.returncode == 0 else "")


ENGINE = Tool(
    "engine",
    sys.executable,
    lambda capture, _: [sys.executable, "-m", "benchmarks.engine_run", str(capture), "--output", "/dev/stdout"],
    of_ours,
    lines,
)
QUERY = Tool(
    "query",
    sys.executable,
    lambda capture, _: [sys.executable, "-m", "engine.cli.app", "query", str(capture)],
    of_ours,
    lines,
)
OURS = (ENGINE, QUERY)

SURICATA = Tool(
    "suricata",
    "suricata",
    lambda capture, output: [
        *("suricata", "-c", str(SURICATA_YAML), "--runmode", "single", "-S", "/dev/null"),
        *("-l", str(output), "-r", str(capture)),
    ],
    first_line("suricata", "-V"),
    eve_found,
)
TSHARK = Tool(
    "tshark",
    "tshark",
    lambda capture, _: [
        *("tshark", "-o", "tcp.reassemble_out_of_order:TRUE", "-r", str(capture), "-Y", "http or dns", "-T", "fields"),
        *(word for field in FIELDS for word in ("-e", field)),
    ],
    first_line("tshark", "--version"),
    fields_found,
)
TCPFLOW = Tool(
    "tcpflow",
    "tcpflow",
    lambda capture, output: ["tcpflow", "-q", "-o", str(output), "-r", str(capture)],
    first_line("tcpflow", "--version"),
)
PEERS = (SURICATA, TSHARK, TCPFLOW)
