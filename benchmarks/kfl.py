"""Nanoseconds per evaluation of typical filters: ``python -m benchmarks.kfl``.

The calibration loop says how fast this machine is; read the rest as ratios to it.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable
from typing import Any

from engine import kfl

CALLS = 200_000
ROUNDS = 7
NAMESPACED = 'http and response.status == 500 and src.namespace == "shop"'


def item(name: str, abbr: str, status: int, namespace: str) -> dict[str, Any]:
    """An item with what the filters below ask for, and as many keys as a real one."""
    side = {"ip": "10.0.0.1", "port": "40000", "name": "cart", "namespace": namespace, "pod": None}
    rest = dict.fromkeys(("id", "worker", "entryFile", "timestamp", "startTime", "requestSize", "responseSize"), 1)
    return {
        **rest,
        "protocol": {"name": name, "abbr": abbr, "layer4": "tcp", "version": "1.1"},
        "tls": False,
        "src": side,
        "dst": side,
        "request": {"method": "GET", "path": "/api/cart", "headers": {"Host": "shop", "User-Agent": "curl/8"}},
        "response": {"status": status, "headers": {}},
        "error": None,
    }


DNS = item("dns", "DNS", 0, "shop")
OK = item("http", "HTTP", 200, "shop")
ELSEWHERE = item("http", "HTTP", 500, "other")
HIT = item("http", "HTTP", 500, "shop")

CASES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("another protocol", NAMESPACED, DNS),
    ("another status", NAMESPACED, OK),
    ("another namespace", NAMESPACED, ELSEWHERE),
    ("match", NAMESPACED, HIT),
    ("http or dns, second", "http or dns", DNS),
    ("neither namespace", 'src.namespace == "x" or dst.namespace == "x"', HIT),
    ("regular expression", 'src.name == r"cata.*"', HIT),
    ("header, other case", 'request.headers["user-agent"] == "curl/8"', HIT),
    ("header, not there", 'request.headers["x-trace"] == "1"', HIT),
    ("port as a number", "src.port > 1024", HIT),
    ("prefix", 'request.path.startsWith("/api")', HIT),
    ("missing response", "response.status == 500", {**HIT, "response": None}),
    ("wildcard", 'request.headers.* == "shop"', HIT),
)


def best_ns(call: Callable[[], object], calls: int = CALLS) -> float:
    """The fastest round, per call, an empty lambda's cost taken off."""
    return min(timeit.repeat(call, number=calls, repeat=ROUNDS)) / calls * 1e9


def main() -> None:
    empty = best_ns(lambda: None)
    print(f"calibration: {empty:.0f} ns for an empty call")
    for label, text, against in CASES:
        matches = kfl.compile(text).matches
        print(f"{best_ns(lambda m=matches, i=against: m(i)) - empty:7.0f} ns  {label:20} {text}")  # type: ignore[misc]  # the defaults bind
    print(f"{best_ns(lambda: kfl.compile(NAMESPACED)) - empty:7.0f} ns  compile, remembered")
    compile_ns = best_ns(lambda: kfl.filters._compile.__wrapped__(NAMESPACED, "auto", ()), 200)
    print(f"{compile_ns:7.0f} ns  compile, new")


if __name__ == "__main__":
    main()
