from __future__ import annotations

import random
from typing import Any

import pytest

from engine import kfl
from engine.kfl.needs import ANYTHING, Needs, needs_of
from engine.units import ALWAYS

IPS, PORTS, TIMES, RECORDINGS = ("10.0.0.1", "10.0.0.2"), ("80", "443"), (1000, 2000, 3000), ("a", "b")
ATOMS = [
    *(f'{side}.ip == "{ip}"' for side in ("src", "dst") for ip in IPS),
    *(f'"{ip}" == src.ip' for ip in IPS),
    *(f'dst.port == "{port}"' for port in PORTS),
    *(f"dst.port == {port}" for port in PORTS),
    *(f"timestamp {operator} {at}" for operator in (">=", ">", "<", "<=", "==", "!=") for at in TIMES),
    *(f"{at} {operator} timestamp" for operator in (">=", "<") for at in TIMES),
    *(f'record("{name}")' for name in RECORDINGS),
    "http",
    "dns",
    "response.status == 200",
    "true",
]


def random_text(chance: random.Random, depth: int = 3) -> str:
    if depth == 0 or chance.random() < 0.3:
        return chance.choice(("", "", "", "!")) + f"({chance.choice(ATOMS)})"
    parts = [random_text(chance, depth - 1) for _ in range(chance.randrange(2, 4))]
    return f"({chance.choice((' and ', ' or ')).join(parts)})"


def random_item(chance: random.Random) -> dict[str, Any]:
    name = chance.choice(("http", "dns"))
    return {
        "protocol": {"name": name, "abbr": name.upper()},
        "src": {"ip": chance.choice(IPS), "port": "51234"},
        "dst": {"ip": chance.choice(IPS), "port": chance.choice(PORTS)},
        "timestamp": chance.choice(TIMES) + chance.choice((-1, 0, 1)),
        "response": {"status": chance.choice((200, 500))},
    }


def satisfied(needs: Needs, item: dict[str, Any], recording: str) -> bool:
    ends = {(part, item[side][part]) for side in ("src", "dst") for part in ("ip", "port")}
    return (
        (needs.protocols is None or item["protocol"]["name"] in needs.protocols)
        and needs.since_ms <= item["timestamp"] <= needs.until_ms
        and (needs.ends is None or not needs.ends.isdisjoint(ends))
        and (needs.recordings is None or recording in needs.recordings)
    )


@pytest.mark.parametrize("seed", range(300))
def test_whatever_matches_has_what_is_needed(seed: int) -> None:
    chance = random.Random(seed)
    compiled = kfl.compile(random_text(chance), "kfl")
    needs = needs_of(compiled)
    for _ in range(60):
        item, recording = random_item(chance), chance.choice(RECORDINGS)
        if compiled.matches(item, (recording,)):
            assert satisfied(needs, item, recording), compiled.text


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ('src.ip == "1.2.3.4" and http', Needs(frozenset({"http"}), ends=frozenset({("ip", "1.2.3.4")}))),
        ("timestamp >= 5 and timestamp < 9", Needs(since_ms=5, until_ms=10)),
        ('record("a") and dst.port == 443', Needs(ends=frozenset({("port", "443")}), recordings=frozenset("a"))),
        ('src.ip == "1.2.3.4" or http', ANYTHING),
        ('!(src.ip == "1.2.3.4")', ANYTHING),
        ('src.ip == r"1.*"', ANYTHING),
        ("", ANYTHING),
    ],
)
def test_what_is_needed_is_found(text: str, needs: Needs) -> None:
    assert needs_of(kfl.compile(text, "kfl"))[1:] == needs[1:]


def test_the_other_dialect_says_its_protocols() -> None:
    found = needs_of(kfl.compile("dns && timestamp > timestamp('2026-01-01T00:00:00Z')", "kfl2"))
    assert found.protocols == frozenset({"dns"})
    assert (found.since_ms, found.until_ms) == ALWAYS
    assert needs_of(None) == ANYTHING
