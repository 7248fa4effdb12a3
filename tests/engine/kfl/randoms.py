"""Random filters and random items that have something to do with each other."""

from __future__ import annotations

import random
from typing import Any

PATHS = (
    "tls", "passed", "index", "error", "error.msg", "elapsedTime", "src.name", "src.port", "protocol.name",
    "protocol.ports", "request", "request.path", "request.headers.host", 'request.headers["User-Agent"]',
    "request.headers.*", "request.list", "request.list[0]", "request.list[1].name", "request.list.*",
    "request.list[*].name", "request..name", "response.status", "response.headers", "response.body.a.b", "response",
    "data.payload", "event.list", "data.json().a", "request.body.json().list[0]", "request.path.json()",
    "request.list.*.json().a.b", "timestamp",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 200, 500, 0.5, -0.5, 500.0, 2**53 + 1, 1635190131000, "", "500", "true",
    "null", "cart",
    "catalogue", "1", "0.5", "-1", "1e3", "1_0", "nan", "abc", [], [1, "cart"], [500], ["cart", None],
    [[1], {"name": "cart"}],
    '{"a": {"b": "cart"}, "list": [1, 2]}', '{"a": 500}', "[1", 1_700_000_000_001,
    {}, {"name": "cart"}, {"a": {"b": "cart"}}, {"name": 500, "b": {"name": "x"}}, [{"name": "cart"}, {"name": 500}],
)  # fmt: skip
LITERALS = (
    "0", "1", "200", "500", "-1", "- -5", "0.5", "1e3", "9007199254740993", "1635190131000", "true", "false", "nil",
    '""',
    '"500"', '"true"', '"null"', "'cart'", '"cart"', "`cart`", '"1"', '"0.5"', '"catalogue"',
)  # fmt: skip
PATTERNS = ('r"cat.*"', 'r"^5"', "r'^$'", "r`[0-9]+`", 'r"null|true"')
MACROS = ("http", "dns", "tls", "grpc", "tcp", "redis", "error", "https", "gqlv1")
ALONE = (
    "now()", "seconds(-5)", "minutes(1)", "days(0)", 'record("mine")', 'record("other")', "limit(5)",
    'redact("src.name")',
)  # fmt: skip


def random_filter(rng: random.Random, depth: int = 3) -> str:
    operands = [equality(rng, depth) for _ in range(rng.choice((1, 1, 2, 2, 3, 4)))]
    return join(rng, operands, ("and", "or"))


def equality(rng: random.Random, depth: int) -> str:
    kind = rng.random()
    if kind < 0.15:
        return rng.choice(PATHS) + rng.choice((" == ", " != ")) + rng.choice(PATTERNS)
    if kind < 0.2:
        return rng.choice(PATTERNS) + rng.choice((" == ", " != ")) + unary(rng, depth)
    if kind < 0.6:
        return rng.choice(PATHS) + rng.choice((" == ", "!=", "<", " <= ", ">", " >= ")) + rng.choice(LITERALS)
    operands = [ordering(rng, depth) for _ in range(rng.choice((1, 1, 2, 3)))]
    return join(rng, operands, ("==", "!="))


def ordering(rng: random.Random, depth: int) -> str:
    return join(rng, [unary(rng, depth) for _ in range(rng.choice((1, 1, 1, 2, 3)))], ("<", "<=", ">", ">="))


def unary(rng: random.Random, depth: int) -> str:
    return rng.choice(("", "", "", "!", "-", "!-", "!!", "-!")) + primary(rng, depth)


def primary(rng: random.Random, depth: int) -> str:
    kind = rng.random()
    if depth and kind < 0.35:
        return f"({random_filter(rng, depth - 1)})"
    if kind < 0.5:
        return rng.choice(LITERALS)
    if kind < 0.6:
        return rng.choice(MACROS)
    if kind < 0.65:
        return rng.choice(ALONE)
    if depth and kind < 0.75:
        argument = random_filter(rng, 0) if rng.random() < 0.3 else rng.choice(LITERALS)
        return f"{rng.choice(PATHS)}.{rng.choice(('startsWith', 'endsWith', 'contains'))}({argument})"
    return rng.choice(PATHS)


def join(rng: random.Random, operands: list[str], operators: tuple[str, ...]) -> str:
    text = operands[0]
    for operand in operands[1:]:
        text += f" {rng.choice(operators)} {operand}"
    return text


def random_item(rng: random.Random) -> dict[str, Any]:
    item: dict[str, Any] = {
        "protocol": maybe(rng, protocol(rng)),
        "src": maybe(rng, {"name": rng.choice(VALUES), "port": rng.choice(("80", "40000", 80, None))}),
        "request": maybe(rng, message(rng)),
        "response": maybe(rng, message(rng)),
    }
    names = ("tls", "passed", "index", "error", "elapsedTime", "data", "event", "timestamp")
    item |= {name: rng.choice(VALUES) for name in names if rng.random() < 0.7}
    return {key: value for key, value in item.items() if rng.random() < 0.9}


def maybe(rng: random.Random, value: dict[str, Any]) -> Any:
    return value if rng.random() < 0.85 else rng.choice(VALUES)


def protocol(rng: random.Random) -> dict[str, Any]:
    abbrs = {"http": ("HTTP", "HTTP/2", "gRPC"), "dns": ("DNS",), "tls": ("TLS",), "redis": ("REDIS",)}
    name = rng.choice(list(abbrs))
    layer4 = rng.choice(("tcp", "udp"))
    return {"name": name, "abbr": rng.choice(abbrs[name]), "layer4": layer4, "ports": rng.choice(VALUES)}


def message(rng: random.Random) -> dict[str, Any]:
    headers = {name: rng.choice(VALUES) for name in ("Host", "user-agent", "X-Other") if rng.random() < 0.7}
    keys = ("path", "list", "status", "body", "name")
    return {key: rng.choice(VALUES) for key in keys if rng.random() < 0.8} | {"headers": maybe(rng, headers)}
