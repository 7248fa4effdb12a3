"""A live capture whose worker is killed: what was in segments arrives once, what was on the wire meanwhile is a gap."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections import Counter as Bag
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.crash.replay import Frames, in_segments
from tests.support.audit import Recorded, audit, objects_in
from tests.support.instance import Instance, remora

SETS = ("recording.batchInterval=1s", "tap.misc.pcapTTL=1h")
HEADERS_BYTES = 14 + 20 + 8
DRIVER = """
import signal, socket, subprocess, sys, time
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
child = subprocess.Popen(sys.argv[2:])
signal.signal(signal.SIGTERM, lambda *_: child.terminate())
sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(5)]
for each in sockets:
    each.bind(("127.0.0.1", 0))
receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver.bind(("127.0.0.1", 4000))
receiver.setblocking(False)
number = 0
with open(sys.argv[1], "w", buffering=1) as sent:
    while child.poll() is None:
        sent.write(f"{number} {time.time_ns()}\\n")
        sockets[number % 5].sendto(number.to_bytes(4, "big"), ("127.0.0.1", 4000))
        number += 1
        try:
            while receiver.recv(100): pass
        except BlockingIOError:
            pass
        time.sleep(0.003)
sys.exit(child.returncode)
"""


@dataclass(frozen=True)
class LiveRan:
    """One capture and what it left."""

    kills: int
    exit_code: int
    output: str
    sent: dict[int, int]
    """Number of a datagram, and when it was sent."""
    stored: Frames
    recorded: Frames
    gaps: list[dict[str, Any]]

    def numbers(self) -> Bag[int]:
        """Of the datagrams that were recorded."""
        payloads = ((frame[HEADERS_BYTES:], times) for (_, frame), times in self.recorded.items())
        return Bag({int.from_bytes(payload[:4], "big"): times for payload, times in payloads})

    def unexplained(self, first: int, last: int, slack_ns: int) -> list[int]:
        """Datagrams between two that are in no recording and in no gap."""
        there = self.numbers()
        return [
            number
            for number in range(first, last)
            if number not in there
            and not any(gap["from_ns"] - slack_ns <= self.sent[number] <= gap["to_ns"] + slack_ns for gap in self.gaps)
        ]


def _reads(instance: Instance) -> int:
    """The worker's pid, once it has read some packets."""
    before = instance.until(lambda status: "counters" in status)["counters"].get("capture_packets_total", 0)
    status = instance.until(lambda status: status["counters"].get("capture_packets_total", 0) > before + 20)
    return int(status["processes"]["worker"]["pid"])


def run(folder: Path, kills: int, seed: int) -> LiveRan:
    """Capture the loopback of a namespace of its own; everything is recorded."""
    chance = random.Random(seed)
    wrapper = ("unshare", "--net", sys.executable, "-c", DRIVER, str(folder / "sent"))
    instance = Instance(folder, "--interface", "lo", scripts={}, sets=SETS, wrapper=wrapper, grace="60s")
    done = 0
    try:
        instance.until(lambda status: status["counters"].get("capture_packets_total", 0) > 0)
        made = remora("recordings", "create", "live", "--from-start", "--data", str(instance.data))
        assert made.returncode == 0, made.stderr
        instance.until(lambda status: status["counters"].get("recorder_packets_total", 0) > 50)
        while done < kills:
            pid = _reads(instance)
            time.sleep(chance.random() * 0.5)
            os.kill(pid, signal.SIGKILL)
            done += 1
            instance.until(lambda status, pid=pid: status["processes"]["worker"]["pid"] not in (0, pid))  # type: ignore[misc]  # default binds
        _reads(instance)
        exit_code, output = instance.stop(), instance.output()
    finally:
        instance.close()
    found = audit(objects_in(instance.data / "recordings")).get("live", Recorded())
    lines = (line.split() for line in (folder / "sent").read_text().splitlines())
    return LiveRan(
        done,
        exit_code,
        output,
        {int(number): int(at) for number, at in lines},
        in_segments(instance.data, None),
        Bag(found.packets),
        [gap for manifest in found.manifests for gap in manifest["gaps"]],
    )
