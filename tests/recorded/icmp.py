"""ICMP as the kernel and ping speak it: echoes of IPv4 and IPv6, closed ports that DNS asks."""

from __future__ import annotations

import subprocess

from tests.recorded.recording import Scene


def record(scene: Scene) -> None:
    """Two pings each; one lookup each that nobody answers."""
    with scene.capture("recorded_icmp_ping", "icmp or icmp6 or udp port 5300"):
        for host, size in (("127.0.0.1", "56"), ("::1", "16")):
            run("ping", "-n", "-c", "2", "-i", "0.3", "-s", size, host)
        for host in ("127.0.0.1", "::1"):
            run("dig", f"@{host}", "-p", "5300", "+time=1", "+tries=1", "closed.shop.test", "A")


def run(*command: str) -> None:
    """What it says is in the trace."""
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL, timeout=30)
