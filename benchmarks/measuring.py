"""Programs run in rounds on one core: CPU and wall time, peak memory, exchanges found."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.captures import Capture
from benchmarks.tools import TCPFLOW, Tool

LAUNCHER = Path(__file__).with_name("launch.py")
WARM_BYTES = 1 << 30
"""The default ``storageLimit`` twice: what the engine's data folder and its neighbours' outputs take at most."""
CANNOT = {("dns", TCPFLOW.name)}
"""``(capture, tool)``: tcpflow knows no UDP."""


class Cost(NamedTuple):
    """Of one run of one program, start-up included."""

    cpu_s: float
    wall_s: float
    peak_mib: float


@dataclass(slots=True)
class Measured:
    """All rounds over one capture."""

    name: str
    capture: Capture
    costs: dict[str, list[Cost]]
    """By the tool's name; one per round."""
    found: dict[str, int]
    """Exchanges, where the tool tells."""

    @property
    def expected(self) -> int:
        """Exchanges that the generator made; 0: nobody knows."""
        return self.capture.http + self.capture.dns

    def comparable(self, ours: str, theirs: str) -> bool:
        """Whether a tool that tells what it found did find what ours did, but for 1 %."""
        return theirs not in self.found or self.found[theirs] >= 0.99 * self.found[ours]

    def median(self, tool: str) -> Cost:
        """Of the rounds, each figure on its own."""
        return Cost(*map(statistics.median, zip(*self.costs[tool], strict=True)))

    def ratio(self, ours: str, theirs: str, *, wall: bool = False) -> float:
        """The median of the rounds' ratios, of CPU or of wall time."""
        rounds = zip(self.costs[ours], self.costs[theirs], strict=True)
        return statistics.median(mine[wall] / other[wall] for mine, other in rounds)


def warm(folder: Path, size_bytes: int = WARM_BYTES) -> None:
    """Write a file of this size and delete it.

    Memory that a virtual machine has never used costs its host 0.8 s of this CPU per GB when it is first touched, which
    would be charged to whoever writes most in the first round.
    """
    block = bytes(1 << 20)
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(size_bytes // len(block)):
            file.write(block)


def measure(name: str, capture: Capture, tools: Sequence[Tool], *, rounds: int, core: int, tmpfs: Path) -> Measured:
    """Run all tools one after the other, ``rounds`` times; neighbours in ``tools`` are neighbours in time."""
    able = [tool for tool in tools if (name, tool.name) not in CANNOT]
    measured = Measured(name, capture, {tool.name: [] for tool in able}, {})
    for _ in range(rounds):
        for tool in able:
            with tempfile.TemporaryDirectory(dir=tmpfs) as folder:
                measured.costs[tool.name].append(run(tool, capture.path, Path(folder), core))
                if tool.found and tool.name not in measured.found:
                    measured.found[tool.name] = tool.found(Path(folder))
    return measured


def run(tool: Tool, capture: Path, output: Path, core: int) -> Cost:
    """One whole process on one core; raises as ``launch``."""
    return launch(tool.command(capture, output), output, core)


def launch(command: Sequence[str], output: Path, core: int) -> Cost:
    """What a command costs; it leaves ``stdout`` and ``stderr`` in the folder ``output``.

    Python may keep its bytecode, as it is kept of a package that pip installed: start-up takes 0.15 s more without.

    Raises:
        SystemExit: it failed; with its last words.
    """
    stdout, stderr = output / "stdout", output / "stderr"
    launcher = [sys.executable, "-I", str(LAUNCHER), str(core), str(stdout), str(stderr)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    answer = subprocess.run([*launcher, *command], check=True, stdout=subprocess.PIPE, env=environment)
    cost = json.loads(answer.stdout)
    if code := cost.pop("exit_code"):
        last = stderr.read_text(errors="replace").strip().splitlines()[-1:]
        raise SystemExit(f"{command[0]} failed with {code}: {' '.join(last)}")
    return Cost(**cost)
