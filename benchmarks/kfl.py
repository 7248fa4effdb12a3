"""What filters cost, beside cel-python and jmespath on the same items: ``make bench-kfl``.

Every engine answers the same question about the same Python dicts; a row is shown only where all of them agree.
Each round measures all of them one after the other; the fastest round of each counts, a call of nothing taken off.
The calibration loop says how fast this machine is; read the rest as ratios to it.
"""

from __future__ import annotations

import importlib.util
import sys
import timeit
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from engine import kfl

ROUNDS = 60
ROUND_S = 0.006
NAMESPACED = 'http and response.status == 500 and src.namespace == "shop"'
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- kfl: begin -->\n", "<!-- kfl: end -->"


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
        "response": {"status": status, "headers": {}, "content": {"text": '{"order": {"id": 7}}'}},
        "error": None,
    }


DNS = item("dns", "DNS", 0, "shop")
OK = item("http", "HTTP", 200, "shop")
ELSEWHERE = item("http", "HTTP", 500, "other")
HIT = item("http", "HTTP", 500, "shop")

ITEMS = {"another protocol": DNS, "another status": OK, "another namespace": ELSEWHERE, "match": HIT}
KFL2 = 'http && status_code == 500 && src.namespace == "shop"'
CEL = 'item.protocol.abbr == "HTTP" && item.response.status == 500 && item.src.namespace == "shop"'
JMESPATH = "protocol.abbr == 'HTTP' && response.status == `500` && src.namespace == 'shop'"

MORE: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("http or dns, second", "http or dns", DNS),
    ("neither namespace", 'src.namespace == "x" or dst.namespace == "x"', HIT),
    ("pattern, plain", 'src.name == r"^cata.*"', HIT),
    ("pattern, RE2", 'src.name == r"c[a-z]+t$"', HIT),
    ("header, other case", 'request.headers["user-agent"] == "curl/8"', HIT),
    ("header, not there", 'request.headers["x-trace"] == "1"', HIT),
    ("port as a number", "src.port > 1024", HIT),
    ("prefix", 'request.path.startsWith("/api")', HIT),
    ("missing response", "response.status == 500", {**HIT, "response": None}),
    ("wildcard", 'request.headers.* == "shop"', HIT),
    ("JSON body", "response.content.text.json().order.id == 7", HIT),
    ("KFL2, headers", 'request.headers["user-agent"].startsWith("curl")', HIT),
    ("KFL2, arithmetic", "request_body_size + 5 > 4 * 1", HIT),
)


def rounds_ns(calls: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """The fastest round of each call, in nanoseconds, a call of nothing taken off."""
    timers = {name: timeit.Timer(call) for name, call in {"": lambda: None, **calls}.items()}
    counts = {name: max(5, int(ROUND_S / (timer.timeit(5) / 5))) for name, timer in timers.items()}
    best = dict.fromkeys(timers, float("inf"))
    for _ in range(ROUNDS):
        for name, timer in timers.items():
            best[name] = min(best[name], timer.timeit(counts[name]) / counts[name] * 1e9)
    return {name: max(ns - best[""], 1.0) for name, ns in best.items() if name}


def peers() -> dict[str, Callable[[dict[str, Any]], bool]]:
    """The engines that answer ``NAMESPACED``, compiled, by name."""
    found: dict[str, Callable[[dict[str, Any]], bool]] = {
        "kfl": kfl.compile(NAMESPACED, "kfl").matches,
        "kfl2": kfl.compile(KFL2, "kfl2").matches,
    }
    if importlib.util.find_spec("celpy") is not None:
        import celpy

        environment = celpy.Environment()
        program = environment.program(environment.compile(CEL))
        adapted = {id(one): {"item": celpy.json_to_cel(one)} for one in ITEMS.values()}  # its types, made beforehand
        found["cel-python"] = lambda one: bool(program.evaluate(adapted[id(one)]))
    if importlib.util.find_spec("jmespath") is not None:
        import jmespath

        expression = jmespath.compile(JMESPATH)
        found["jmespath"] = lambda one: bool(expression.search(one))
    return found


def side_by_side() -> list[str]:
    """A row per item: nanoseconds of each engine, and how many times faster ours are."""
    engines = peers()
    others = [name for name in engines if name not in ("kfl", "kfl2")]
    heads = ["item", *engines, *(f"{other} / {ours}" for ours in ("kfl", "kfl2") for other in others)]
    lines = ["| " + " | ".join(heads) + " |", "|---|" + "--:|" * (len(heads) - 1)]
    for label, one in ITEMS.items():
        answers = {name: matches(one) for name, matches in engines.items()}
        assert len(set(answers.values())) == 1, (label, answers)
        ns = rounds_ns({name: partial(matches, one) for name, matches in engines.items()})
        ratios = [f"{ns[other] / ns[ours]:,.0f}" for ours in ("kfl", "kfl2") for other in others]
        lines.append("| " + " | ".join([label, *(f"{cost:,.0f}" for cost in ns.values()), *ratios]) + " |")
    return lines


def others_of_ours() -> list[str]:
    """A row per kind of question, and what compiling costs."""
    lines = ["| | filter | ns |", "|---|---|--:|"]
    costs = rounds_ns({label: partial(kfl.compile(text).matches, one) for label, text, one in MORE})
    lines += [f"| {label} | `{text}` | {costs[label]:,.0f} |" for label, text, _ in MORE]
    compile_ns = rounds_ns(
        {
            "compile, remembered": lambda: kfl.compile(NAMESPACED),
            "compile, new": lambda: compile_new(NAMESPACED, "kfl"),
            "compile KFL2, new": lambda: compile_new(KFL2, "kfl2"),
            "compile, 2 KiB": lambda: compile_new(" or ".join([f"({NAMESPACED})"] * 32), "kfl"),
        }
    )
    return [*lines, *(f"| {label} | | {ns:,.0f} |" for label, ns in compile_ns.items())]


def compile_new(text: str, dialect: Any) -> kfl.Filter:
    """Compile without the cache."""
    return kfl.filters._compile.__wrapped__(text, dialect, (), kfl.filters.wall_ms)


def main() -> None:
    """Print the tables; with ``--write`` into docs/performance.md as well."""
    compile_new(NAMESPACED, "auto")  # the parser is made once
    started = timeit.timeit("x + 1", "x = 1", number=10_000_000)
    lines = [f"Calibration: {started:.2f} s for 10 million additions. CPython {sys.version.split()[0]}. Nanoseconds."]
    lines += ["", *side_by_side(), "", *others_of_ours(), ""]
    print("\n".join(lines))
    if "--write" in sys.argv:
        before, rest = PAGE.read_text().split(BEGIN)
        PAGE.write_text(before + BEGIN + "\n" + "\n".join(lines) + "\n" + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
