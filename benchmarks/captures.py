"""The captures that are measured, generated from a seed: ``python -m benchmarks.captures [FOLDER] [--scale N]``.

=========  ===========================================================================================================
short      20,000 TCP connections of one HTTP exchange, 11 packets each, 5 % IPv6, over 20 s
keepalive  500 TCP connections of 100 HTTP exchanges each
dns        100,000 lookups, each from a port of its own, 5 % IPv6, over 30 s
bulk       20 transfers of 50 MB each in full segments, nothing that is dissected
mixed      all of these at once; of the TCP segments with payload 0.3 % are lost, sent twice or overtaken, of the
           conversations that are no transfer 10 % are in a VLAN and 5 % IPv6
crowd      100,000 connections that are open at the same time, one HTTP exchange each
=========  ===========================================================================================================

A scale multiplies both the conversations and the time, so that as many are open at once. What is there is not generated
again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import exchanges
from benchmarks.plan import MSS, TCP, UDP, Connection, Flow, Plan
from benchmarks.records import write

CACHE = Path("/dev/shm/remora-benchmarks")
VERSION = 1
"""Of what is generated: files of another version are not taken from the cache."""
SEED = 7
TROUBLE, IPV6_SHARE, VLAN_SHARE = 0.003, 0.05, 0.1
SECOND_US = 1_000_000
PAIR = 2 * MSS
"""Bulk goes out two full segments at a time, from 64 different ones."""


@dataclass(frozen=True, slots=True)
class Capture:
    """A file and what it holds."""

    path: Path
    packets: int
    http: int
    """Whole HTTP exchanges."""
    dns: int


@dataclass(frozen=True, slots=True)
class Mood:
    """How conversations of a capture behave, and when the last begins."""

    span_us: int
    trouble: float = 0.0
    vlan_share: float = 0.0


def build(name: str, folder: Path = CACHE, *, scale: float = 1.0, seed: int = SEED) -> Capture:
    """The capture of this name, generated where it is not there yet.

    Raises:
        KeyError: there is none of this name.
    """
    path = folder / f"{name}-v{VERSION}-seed{seed}-x{scale:g}.pcap"
    facts = path.with_suffix(".json")
    if not facts.exists():
        folder.mkdir(parents=True, exist_ok=True)
        plan = Plan(seed)
        PLANS[name](plan, scale)
        packets = write(plan, path)
        facts.write_text(json.dumps({"packets": packets, "http": plan.http, "dns": plan.dns}))
    return Capture(path, **json.loads(facts.read_text()))


def short(plan: Plan, count: int, mood: Mood) -> None:
    """Connections of one exchange."""
    for number in range(count):
        flow = _flow(plan, TCP, 0x20000 + number // 20, 32_768 + number % 28_000, 0x10000 + number % 50, mood)
        flow = flow._replace(server_port=8080 if number % 2 else 80)
        _talk(plan, flow, 1, number, mood)


def keepalive(plan: Plan, count: int, mood: Mood) -> None:
    """Connections of a hundred exchanges."""
    for number in range(count):
        flow = _flow(plan, TCP, 0x300000 + number, 20_000 + number % 12_000, 0x11000 + number % 20, mood)
        _talk(plan, flow, 100, number, mood)


def dns(plan: Plan, count: int, mood: Mood) -> None:
    """Lookups of 3000 clients at three servers."""
    for number in range(count):
        port = 1024 + number // 3000 * 7919 % 64_000
        flow = _flow(plan, UDP, 0x400000 + number % 3000, port, 0x12000 + number % 3, mood)
        query, answer = exchanges.lookup(plan.chance, number)
        plan.lookup(flow._replace(server_port=53), plan.chance.randrange(mood.span_us), query, answer)


def bulk(plan: Plan, transfers: int, size: int, mood: Mood) -> None:
    """Transfers of ``size`` bytes side by side, evenly over the time."""
    start = plan.keep(plan.chance.randbytes(PAIR * 64))
    bursts = size // PAIR
    for number in range(transfers):
        flow = Flow(TCP, 0x500000 + number, 40_000 + number, 0x13000, 5201)
        connection = Connection(plan, flow, number * 37, 300, mood.trouble)
        connection.open()
        for burst in range(bursts):
            wait_us = max(mood.span_us * (burst + 1) // bursts - connection.at_us, 10)
            connection.say(1, start + (burst + number) % 64 * PAIR, PAIR, wait_us=wait_us)
        connection.close()


def crowd(plan: Plan, count: int, mood: Mood) -> None:
    """Connections that all wait for their response while the last of them is opened."""
    for number in range(count):
        flow = _flow(plan, TCP, 0x600000 + number // 20, 32_768 + number % 28_000, 0x10000 + number % 50, mood)
        _talk(plan, flow, 1, number, mood, think_us=mood.span_us + SECOND_US)


def mixed(plan: Plan, scale: float) -> None:
    """All of them."""
    mood = Mood(round(20 * SECOND_US * scale), TROUBLE, VLAN_SHARE)
    short(plan, round(8_000 * scale), mood)
    keepalive(plan, round(100 * scale), mood)
    dns(plan, round(40_000 * scale), mood)
    bulk(plan, 5, round(40_000_000 * scale), mood)


PEERED = ("short", "keepalive", "dns", "bulk", "mixed")
"""Those that peers are measured on."""
PLANS: dict[str, Callable[[Plan, float], None]] = {
    "short": lambda plan, scale: short(plan, round(20_000 * scale), Mood(round(20 * SECOND_US * scale))),
    "keepalive": lambda plan, scale: keepalive(plan, round(500 * scale), Mood(round(2 * SECOND_US * scale))),
    "dns": lambda plan, scale: dns(plan, round(100_000 * scale), Mood(round(30 * SECOND_US * scale))),
    "bulk": lambda plan, scale: bulk(plan, 20, round(50_000_000 * scale), Mood(round(30 * SECOND_US * scale))),
    "mixed": mixed,
    "crowd": lambda plan, scale: crowd(plan, round(100_000 * scale), Mood(5 * SECOND_US)),
}


def _flow(plan: Plan, protocol: int, client: int, port: int, server: int, mood: Mood) -> Flow:
    chance = plan.chance
    vlan = 100 if chance.random() < mood.vlan_share else 0
    return Flow(protocol, client, port, server, 80, chance.random() < IPV6_SHARE, vlan)


def _talk(plan: Plan, flow: Flow, count: int, number: int, mood: Mood, *, think_us: int = 0) -> None:
    """A connection of some HTTP exchanges; the server thinks before it answers."""
    chance = plan.chance
    connection = Connection(plan, flow, chance.randrange(mood.span_us), chance.randrange(200, 2500), mood.trouble)
    connection.open()
    for turn in range(number, number + count):
        connection.at_us += chance.randrange(100, 5000) if count > 1 else 0
        for side, make in ((1, exchanges.request), (0, exchanges.response)):
            data = make(chance, turn, keep=count > 1)
            connection.at_us += 0 if side else think_us
            connection.say(side, plan.keep(data), len(data))
        plan.http += 1
    connection.close()


def main() -> None:
    """Generate all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=CACHE)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    for line in _built(options.folder, options.scale, options.seed):
        print(line, flush=True)


def _built(folder: Path, scale: float, seed: int) -> Iterator[str]:
    for name in PLANS:
        begin_s = time.perf_counter()
        capture = build(name, folder, scale=scale, seed=seed)
        facts = {key: value for key, value in asdict(capture).items() if key != "path"}
        size = capture.path.stat().st_size / 1e6
        yield f"{name:10} {facts} {size:.1f} MB in {time.perf_counter() - begin_s:.1f} s: {capture.path}"


if __name__ == "__main__":
    main()
