"""Ours beside theirs, and which differences are explained."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from tests.fidelity import contents, ours, theirs, witnesses
from tests.fidelity.corpus import CORPUS, expected_of
from tests.fidelity.facts import BODIES, DNS, HTTP, QUANTITIES, REQUESTS, SESSIONS, Fact
from tests.fidelity.second_view import load

EXPLAINED = Path(__file__).with_name("explained.toml")
_TYPES = {
    "A": "1",
    "NS": "2",
    "CNAME": "5",
    "SOA": "6",
    "PTR": "12",
    "MX": "15",
    "TXT": "16",
    "AAAA": "28",
    "SRV": "33",
}


class Difference(NamedTuple):
    """Facts of one quantity that only we have, and that only the others have."""

    capture: str
    quantity: str
    ours: str
    theirs: str


class Compared(NamedTuple):
    """What became of one capture."""

    facts: dict[str, int]
    """Facts of the others by quantity."""
    second: int
    """Exchanges that tshark sees only when it does not wait for the whole of a message."""
    differences: list[Difference]


def explained() -> list[dict[str, Any]]:
    """The rows of ``explained.toml``."""
    rows: list[dict[str, Any]] = tomllib.loads(EXPLAINED.read_text(encoding="utf-8"))["difference"]
    return rows


@cache
def _second_views() -> dict[str, dict[str, Any]]:
    return load()


@cache
def compare(capture: str) -> Compared:
    """All quantities of a capture."""
    expected, second = expected_of(capture), _second_views()[capture]
    others = theirs.facts_of(expected, second, capture)
    shaken = [frozenset((one["client"], one["server"])) for one in expected.get("tcp_streams", ()) if one["syn"]]
    mine = ours.facts_of(CORPUS / capture, shaken, others)
    others[BODIES] = contents.also_ours(others[BODIES], mine[HTTP])
    for name, requests in witnesses.requests_seen(capture, expected).items():
        others[REQUESTS] += requests
        mine[REQUESTS] += witnesses.requests_of(name, mine[HTTP].elements())
    others[SESSIONS] = witnesses.sessions_seen(capture, mine[SESSIONS])
    if not others[SESSIONS]:
        mine[SESSIONS].clear()
    differences, agreed = [], 0
    for quantity in QUANTITIES:
        only_mine, only_theirs = mine[quantity] - others[quantity], others[quantity] - mine[quantity]
        if quantity in (HTTP, DNS):
            agreed += _agree_by_heads(only_mine, only_theirs, others[quantity], second)
        if only_mine or only_theirs:
            differences.append(Difference(capture, quantity, _text(only_mine), _text(only_theirs)))
    return Compared({quantity: others[quantity].total() for quantity in QUANTITIES}, agreed, differences)


def _agree_by_heads(
    only_mine: Counter[Fact], only_theirs: Counter[Fact], theirs: Counter[Fact], second: Mapping[str, Any]
) -> int:
    """Take out what tshark sees as heads; how many exchanges that were.

    A message that is cut by a gap or by the end of the capture is none to tshark as it was asked for the corpus. It
    counts as agreed where its head, and that of what it answers, are in the second view and in no exchange of the
    first.
    """
    heads = Counter(map(tuple, second["heads"]))
    for fact, count in theirs.items():
        heads -= Counter(dict.fromkeys(_heads_of(fact), count))
    agreed = 0
    for fact in list(only_mine.elements()):
        unanswered = _unanswered(fact)
        wanted = Counter(_heads_of(fact))
        if only_theirs[unanswered]:
            wanted -= Counter(_heads_of(unanswered))
        if wanted and wanted <= heads:
            heads -= wanted
            only_mine[fact] -= 1
            only_theirs[unanswered] -= bool(only_theirs[unanswered])
            agreed += 1
    for left in (only_mine, only_theirs):
        left += Counter()  # drops what is zero
    return agreed


def _unanswered(fact: Fact) -> Fact:
    """The same request, without its response."""
    return (*fact[:3], None, *fact[4:]) if fact[0] == "http" else (*fact[:4], False, *fact[5:])


def _heads_of(fact: Fact) -> list[Fact]:
    """The messages that an exchange is made of, as the second view writes them."""
    *said, client, server = fact
    if said[0] == "dns":
        question = f"{said[1]} {_TYPES.get(str(said[2]), said[2])}"
        texts = [f"{question} 0" if said[3] else "", f"{question} 1" if said[4] else ""]
    else:
        texts = [f"{said[1]} {said[2]}" if said[1] else "", str(said[3] or "")]
    ends = (client, server), (server, client)
    return [(*sides, text) for sides, text in zip(ends, texts, strict=True) if text]


def _text(facts: Counter[Fact]) -> str:
    """As it stands in ``explained.toml``."""
    rows = [" ".join("-" if value is None else str(value) for value in fact) for fact in facts.elements()]
    return "; ".join(sorted(rows)) or "nothing"
