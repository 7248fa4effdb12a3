"""A filter in KFL2 answers as it does in KFL, or is refused with a reason."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from engine import kfl
from engine.kfl.samples import SAMPLES
from engine.kfl.translating import translated

PATHS = (
    "src.name", "dst.namespace", "src.port", "request.path", "response.status", "protocol.name", "protocol.abbr", "tls",
    "elapsedTime", "request.headers.Host", 'response.headers["x-a"]', "stream", "index", "request.url", "timestamp",
)  # fmt: skip
LITERALS = (
    '"cart"',
    '"catalogue"',
    '"80"',
    "80",
    "500",
    "0",
    "12",
    "-1",
    '"500"',
    '"HTTP"',
    '"http"',
    '"dns"',
    "true",
    '""',
)
MACROS = ("http", "http2", "dns", "tcp", "udp", "tls", "grpc", "gqlv1", "redis", "https", "mine")
MINE = {"mine": "http or dns and src.name == 'catalogue'"}


def random_filter(rng: random.Random, depth: int = 2) -> str:
    operands = [operand(rng, depth) for _ in range(rng.choice((1, 2, 2, 3)))]
    return "".join(f"{rng.choice((' and ', ' or ')) if at else ''}{one}" for at, one in enumerate(operands))


def operand(rng: random.Random, depth: int) -> str:
    kind = rng.randrange(8 if depth else 6)
    path = rng.choice(PATHS)
    if kind == 0:
        return rng.choice(MACROS)
    if kind == 1:
        return f"{path} {rng.choice(('==', '!='))} {rng.choice(PATTERNS)}"
    if kind == 2:
        return f"{path}.{rng.choice(('startsWith', 'endsWith', 'contains'))}({rng.choice(LITERALS[:3])})"
    if kind == 3:
        return path
    if kind in (4, 5):
        return f"{path} {rng.choice(('==', '!=', '<', '>='))} {rng.choice(LITERALS)}"
    return f"{rng.choice(('', '!'))}({random_filter(rng, depth - 1)})"


PATTERNS = ('r"^cat"', 'r"5"', 'r"a.*t"', 'r"^$"')


def items(rng: random.Random) -> list[dict[str, Any]]:
    found = [copy.deepcopy(item) for item in SAMPLES.values()]
    for item in found:
        item["src"]["name"] = rng.choice(("cart", "catalogue", ""))
        item["index"], item["elapsedTime"] = rng.choice((0, 1, 80)), rng.choice((0, 12, 500))
        item["tls"] = rng.random() < 0.3
        if item["response"] and "status" in item["response"]:
            item["response"]["status"] = rng.choice((200, 404, 500, 80))
            item["response"]["headers"] = rng.choice(({}, {"X-A": "cart"}))
    return found


@pytest.mark.parametrize("seed", range(20))
def test_a_translated_filter_answers_the_same(seed: int) -> None:
    rng = random.Random(seed)
    samples = items(rng)
    for _ in range(60):
        text = random_filter(rng)
        one = kfl.compile(text, "kfl", MINE)
        try:
            other = kfl.compile(translated(text, MINE), "kfl2")
        except kfl.KflError as error:
            assert error.reason.startswith("KFL2 has no counterpart: "), (text, error)  # noqa: PT017 # one or the other
            continue
        for item in samples:
            assert one.matches(item) is other.matches(item), (text, other.text, item)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("http or dns", 'http && !http_version.startsWith("HTTP/2") || dns'),
        ('src.name == r"cata.*"', 'src.name.matches("cata.*")'),
        ('src.port == "80"', "src.port == 80"),
        ('request.path != "/" or dns', 'path != "" && (path != "/" || dns)'),
        ("response.status < 500", "status_code != 0 && status_code < 500"),
        ("timestamp > minutes(-5)", 'timestamp > now() - duration("300000ms")'),
        ("elapsedTime > 10", "elapsed_time > 10000"),
        ("!(dns and tls)", "!(dns && tls)"),
    ],
)
def test_kfl_in_kfl2(text: str, expected: str) -> None:
    assert translated(text, {}) == expected


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ('http and redact("src.name")', 10),
        ("dns and limit(5)", 9),
        ('record("x") or dns', 1),
        ('response.content.text.json().a == "x"', 1),
        ("request.headers.* == 1", 1),
        ("dns and error", 9),
        ("!src.name", 1),
        ("src.name == dst.name", 13),
        ("dns and mine", 9),
    ],
)
def test_what_has_no_counterpart_is_pointed_at(text: str, column: int) -> None:
    with pytest.raises(kfl.KflError, match="KFL2 has no counterpart: ") as caught:
        translated(text, {"mine": "limit(5) and dns"})
    assert (caught.value.line, caught.value.column) == (1, column)
