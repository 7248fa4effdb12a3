"""A whole instance as an operator starts it: the real command, real processes, a data folder of its own."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from engine import controlsocket

ROOT = Path(__file__).resolve().parents[2]
SHOP = ROOT / "examples/gcs-recorder/captures"
PATIENCE_S = 120.0
"""When a test gives up; no test waits for this."""


def remora(
    *arguments: str, environment: Mapping[str, str] | None = None, **rest: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command(*arguments),
        check=False,
        env=clean(environment),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        **rest,
    )


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "engine.cli.app", *arguments]


def clean(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment without anything that configures Remora."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", **(environment or {})}


class Instance:
    """A `remora run` in the background."""

    def __init__(
        self,
        folder: Path,
        *sources: str,
        scripts: Mapping[str, str],
        sets: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
        stdin: Any = subprocess.DEVNULL,
        wrapper: tuple[str, ...] = (),
        grace: str = "60s",
    ) -> None:
        """``wrapper``: a command that runs the command; ``grace``: of which nothing is used but what is needed."""
        self.data, self.scripts = folder / "data", folder / "scripts"
        self.scripts.mkdir(exist_ok=True)
        for name, text in scripts.items():
            (self.scripts / name).write_text(text)
        self._output = (folder / "output.txt").open("ab+")
        arguments = ["run", *sources, "--scripts", str(self.scripts), "--data", str(self.data), "--grace", grace]
        for pair in sets:
            arguments += ["--set", pair]
        self.process = subprocess.Popen(
            [*wrapper, *command(*arguments)],
            env=clean(environment),
            stdin=stdin,
            stdout=self._output,
            stderr=self._output,
        )

    def status(self) -> dict[str, Any]:
        """The running instance's own words; empty while it does not answer."""
        try:
            rows, done = controlsocket.ask(self.data / "control.sock", "status", {})
        except OSError:
            return {}
        processes = {row["process"]: row for row in rows if "process" in row}
        return {**done, "processes": processes, "scripts": {row["script"]: row for row in rows if "script" in row}}

    def until(self, condition: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Ask for the status until it is so."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            status = self.status()
            if status and condition(status):
                return status
            assert self.process.poll() is None, f"it ended too early:\n{self.output()}"
            time.sleep(0.02)
        raise AssertionError(f"it never came to that: {self.status()}\n{self.output()}")

    def kill(self, process: str) -> None:
        """SIGKILL one of its processes."""
        status = self.until(lambda status: status["processes"].get(process, {}).get("pid"))
        os.kill(status["processes"][process]["pid"], signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, then its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Its exit code."""
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"it does not end:\n{self.output()}") from None

    def output(self) -> str:
        """What it has told so far."""
        self._output.seek(0)
        return self._output.read().decode(errors="replace")

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._output.close()


class Recording:
    """What arrived at a local destination."""

    def __init__(self, folder: Path, name: str) -> None:
        self.manifests = [
            json.loads(path.read_text()) for path in sorted(folder.glob(f"recording={name}/manifest/*/*/*/*/*.json"))
        ]
        self.folder = folder

    def _files(self, kind: str) -> list[Path]:
        return [self.folder / manifest["files"][kind]["name"] for manifest in self.manifests]

    def lines(self, kind: str) -> list[dict[str, Any]]:
        """JSON lines of ``items`` or ``streams`` of all batches."""
        return [
            json.loads(line) for path in self._files(kind) for line in gzip.decompress(path.read_bytes()).splitlines()
        ]

    def frames(self) -> list[tuple[int, bytes]]:
        """``(timestamp ns, frame)`` of all packets of all batches."""
        return [packet for path in self._files("pcap") for packet in pcap_frames(gzip.decompress(path.read_bytes()))]


def pcap_frames(data: bytes) -> list[tuple[int, bytes]]:
    """Packets of a little-endian pcap, microseconds or nanoseconds; slow and obvious."""
    unit_ns = {b"\xd4\xc3\xb2\xa1": 1000, b"\x4d\x3c\xb2\xa1": 1}[data[:4]]
    packets, position = [], 24
    while position < len(data):
        seconds, fraction, captured, _ = (
            int.from_bytes(data[position + i : position + i + 4], "little") for i in (0, 4, 8, 12)
        )
        packets.append((seconds * 10**9 + fraction * unit_ns, data[position + 16 : position + 16 + captured]))
        position += 16 + captured
    return packets
