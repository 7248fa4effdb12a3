"""Random expressions of KFL2, well typed, over variables that random items have something to do with."""

from __future__ import annotations

import random

STRINGS = ("src.name", "path", "method", "protocol", "url", "redis_command", "tcp_error_type", "node_name", "stream")
INTS = ("status_code", "src.port", "index", "elapsed_time", "request_body_size", "kafka_api_key", "grpc_status")
BOOLS = ("http", "dns", "tls", "tcp", "grpc", "redis", "has_pcap", "dns_request", "gqlv2")
LISTS = ("namespaces", "dns_questions", "tlsx_alpn", "services")
HEADERS = ("request.headers", "response.headers")
KEYS = ('"Host"', '"user-agent"', '"a"', '"x-other"', '"name"')


def boolean(rng: random.Random, depth: int) -> str:
    kind = rng.randrange(12) if depth else rng.randrange(3)
    if kind == 0:
        return rng.choice(BOOLS)
    if kind == 1:
        return f"{text(rng, 0)} {rng.choice(('==', '!='))} {text(rng, 0)}"
    if kind == 2:
        return f"{whole(rng, 0)} {rng.choice(('==', '!=', '<', '<=', '>', '>='))} {whole(rng, 0)}"
    if kind in (3, 4, 5):
        sign = rng.choice((" && ", " || "))
        return f"({sign.join(boolean(rng, depth - 1) for _ in range(rng.randrange(2, 4)))})"
    if kind == 6:
        return f"!({boolean(rng, depth - 1)})"
    if kind == 7:
        return f"{atom(text(rng, depth - 1))}.{rng.choice(('contains', 'startsWith', 'endsWith'))}({text(rng, 0)})"
    if kind == 8:
        return rng.choice((f"{text(rng, 0)} in {rng.choice(LISTS)}", f"{rng.choice(KEYS)} in {rng.choice(HEADERS)}"))
    if kind == 9:
        return f"({boolean(rng, depth - 1)} ? {boolean(rng, depth - 1)} : {boolean(rng, depth - 1)})"
    if kind == 10:
        return dynamic(rng) + rng.choice((" == ", " != ", " < ", " >= ")) + rng.choice((text(rng, 0), whole(rng, 0)))
    return f"{whole(rng, depth - 1)} {rng.choice(('==', '<', '>='))} {whole(rng, depth - 1)}"


def text(rng: random.Random, depth: int) -> str:
    kind = rng.randrange(6) if depth else rng.randrange(2)
    if kind == 0:
        return rng.choice(('"cart"', '"GET"', '""', '"http"', '"500"', '"a"', '"catalogue"'))
    if kind == 1:
        return rng.choice(STRINGS)
    if kind == 2:
        return f"({text(rng, depth - 1)} + {text(rng, depth - 1)})"
    if kind == 3:
        return f"{rng.choice(HEADERS)}[{rng.choice(KEYS)}]"
    if kind == 4:
        return f"map_get({rng.choice(HEADERS)}, {rng.choice(KEYS)}, {text(rng, 0)})"
    return f"({boolean(rng, depth - 1)} ? {text(rng, depth - 1)} : {text(rng, depth - 1)})"


def whole(rng: random.Random, depth: int) -> str:
    kind = rng.randrange(5) if depth else rng.randrange(2)
    if kind == 0:
        return rng.choice(("0", "1", "-1", "500", "40000", "9223372036854775807"))
    if kind == 1:
        return rng.choice(INTS)
    if kind == 2:
        return f"({whole(rng, depth - 1)} {rng.choice('+-*/%')} {whole(rng, depth - 1)})"
    if kind == 3:
        return f"size({rng.choice((*LISTS, *HEADERS, *STRINGS))})"
    return f"-({whole(rng, depth - 1)})"


def dynamic(rng: random.Random) -> str:
    return rng.choice(("query_string.name", 'capture["a"]', "query_string.b.name", 'map_get(capture, "a", 1)'))


def atom(code: str) -> str:
    return code if code[0] in '("' or code.isidentifier() else f"({code})"
