"""Texts that are hardly filters: ``python -m tests.fuzz.filters --seed 1 --count 100000``.

Filters of both languages are damaged, cut and joined, or thrown together from pieces. Each text, in each dialect, gives
a filter or a ``KflError`` that points into it, and nothing else; what compiles answers true or false for any item, says
its remarks, and answers the same where ``redact()`` is obeyed. The same seed gives the same texts.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from typing import Any, cast, get_args

from engine import kfl
from engine.kfl.filters import Dialect
from tests.engine.kfl.cel.cel_randoms import boolean
from tests.engine.kfl.randoms import ALONE, LITERALS, MACROS, PATHS, PATTERNS, random_filter, random_item

PIECES = [
    *PATHS, *PATTERNS, *LITERALS, *MACROS, *ALONE, *"()[]{}.,!-=<>?:'\"`\\/*%&|\n\t r\x00\u2028é\ud800",
    "and", "or", "in",
    "..", "//", "/*", "*/", "&&", "||", "==", "!=", ".json()", ".xml()", 'redact("', "limit(", "datetime(", "map_get(",
    "size(", "matches(", 'r"(', "request.headers", "status_code", "timestamp", "null", "nil", "1e999", "0x", "9" * 30,
]  # fmt: skip


def fuzz(count: int, seed: int) -> Counter[str]:
    """Compile ``count`` texts; how many became what."""
    chance = random.Random(seed)
    items = [random_item(chance) for _ in range(50)]
    became: Counter[str] = Counter()
    for _ in range(count):
        text = random_text(chance)
        dialect = cast(Dialect, chance.choice((*get_args(Dialect), "auto", "auto")))
        became[outcome(text, dialect, chance.choice(items))] += 1
    return became


def random_text(chance: random.Random) -> str:
    """A text that is nearly a filter, or hardly."""
    kind = chance.random()
    if kind < 0.15:
        return "".join(chance.choice(PIECES) + chance.choice(("", " ")) for _ in range(chance.randrange(14)))
    text = random_filter(chance, 2) if chance.random() < 0.5 else boolean(chance, 2)
    if kind < 0.2:
        return text[: chance.randrange(len(text) + 1)]
    if kind < 0.3:
        return text + chance.choice((" and ", " && ", " == ", "", ".")) + boolean(chance, 1)
    letters = list(text)
    for _ in range(chance.choice((0, 1, 1, 2, 4))):
        place = chance.randrange(len(letters) + 1)
        new = chance.choice((chance.choice(PIECES), chr(chance.randrange(128)), chr(chance.randrange(0x110000))))
        letters[place : place + chance.randrange(3)] = new
    return "".join(letters)


def outcome(text: str, dialect: Dialect, item: dict[str, Any]) -> str:
    """What ``text`` became: a dialect, or ``error``."""
    try:
        one = kfl.compile(text, dialect, clock=now_ms)
    except kfl.KflError as error:
        return located(error)
    answer = one.matches(item, ("mine",))
    assert isinstance(answer, bool), text
    assert one.apply(item, ("mine",))[0] is answer, text
    assert all(str(remark) for remark in one.diagnostics), text
    return one.dialect


def located(error: kfl.KflError) -> str:
    """``error``, which points into its text."""
    lines = f"{error.text}^".splitlines()
    assert error.reason, error.text
    assert 1 <= error.line <= len(lines), error.text
    assert 1 <= error.column <= len(lines[error.line - 1]) + 1, error.text
    return "error"


def now_ms() -> int:
    """A clock that stands."""
    return 1_700_000_000_000


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="damaged filters")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=100_000)
    given = parser.parse_args()
    began = time.process_time()
    became = fuzz(given.count, given.seed)
    told = ", ".join(f"{count} {name}" for name, count in became.most_common())
    print(f"seed {given.seed}: {became.total()} texts in {time.process_time() - began:.0f} s CPU: {told}")


if __name__ == "__main__":
    main()
