"""What the language of scripts costs beside plain Python: ``python -m benchmarks.policy``, or ``make bench-policy``.

Each program is compiled twice from the same text, once as scripts are and once as it stands, and both run in turn, pair
by pair, on the same data. The figure is the median of the pairs' ratios of CPU time, so that a busy machine does not
matter. The last row is their mean weight: every program counts the same.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from engine.scripting.facades.modules import MODULES
from engine.scripting.facades.scope import helper_names
from engine.scripting.guards import guards, script_builtins
from engine.scripting.loading import compile_script
from hooks.items import Item
from tests.support.scripthost import ITEM

LIMIT = 1.2
PAIRS = 41
TARGET_S = 0.02
"""CPU time of one half of a pair."""
SCRIPTS = Path(__file__).parents[1] / "scripts"

PROGRAMS = {
    "the hook of a counter": """
n = 0
def run(data):
    global n
    if data.response.status >= 500 or data.protocol.name == "http":
        n += 1
""",
    "count by key": """
from collections import Counter
seen = Counter()
def run(data):
    seen[data.dst.name] += data.elapsedTime
""",
    "nested dicts": """
seen = {}
def run(data):
    seen.setdefault(data.src.name, {})[data.dst.name] = data.timestamp
""",
    "objects": """
class Route:
    def __init__(self):
        self.seen = 0
        self.slowest = 0
    def add(self, elapsed):
        self.seen += 1
        self.slowest = max(self.slowest, elapsed)
routes = {}
def run(data):
    name = f"{data.request.method} {data.request.path}"
    route = routes.get(name)
    if route is None:
        route = routes[name] = Route()
    route.add(data.elapsedTime)
""",
    "text": """
import re
ID = re.compile(r"\\d+")
def run(data):
    return ID.sub("{id}", data.request.path).split("/")[-1].upper()
""",
    "loop": """
def run(data):
    total = 0
    for i in range(100):
        total += i * i
    return total
""",
    "comprehension": """
def run(data):
    return sum([i * i for i in range(100) if i % 2])
""",
    "closures and sorting": """
def run(data):
    pairs = [(name, len(name)) for name in ("a", "bb", "ccc", "dddd")]
    return sorted(pairs, key=lambda pair: pair[1], reverse=True)[0]
""",
    "exceptions": """
def run(data):
    try:
        return data["nothing"]
    except KeyError as error:
        return str(error)
""",
}
HOOKS = {"top_talkers": "onItemCaptured", "slow_endpoints": "measure", "error_rate_alert": "count"}
"""Of the scripts that come with Remora."""


class Nothing:
    """Stands for helpers, so that both halves do the same."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


class Row(NamedTuple):
    """One program."""

    name: str
    plain_ns: float
    ratio: float


def main() -> None:
    """Print a row per program; fails above the limit."""
    rows = [measure(name, text, "run") for name, text in PROGRAMS.items()]
    rows += [measure(f"{name}.py", (SCRIPTS / f"{name}.py").read_text(), hook) for name, hook in HOOKS.items()]
    print(f"{'program':24} {'plain':>10} {'as a script':>12}")
    for row in rows:
        print(f"{row.name:24} {row.plain_ns:7.0f} ns {row.ratio:11.2f}x")
    mean = statistics.geometric_mean(row.ratio for row in rows)
    print(f"{'all':24} {'':10} {mean:11.2f}x (limit {LIMIT}x)")
    if mean > LIMIT:
        raise SystemExit(1)


def measure(name: str, text: str, function: str) -> Row:
    """The program under both compilers."""
    plain, restricted = as_python(text)[function], as_script(text)[function]
    blob = msgspec.msgpack.encode({**ITEM, "timestamp": 1, "requestSize": 1, "responseSize": 1})
    rounds = calibrate(plain, blob)
    pairs = []
    gc.disable()
    for _ in range(PAIRS):
        pairs.append((cpu_s(plain, blob, rounds), cpu_s(restricted, blob, rounds)))
    gc.enable()
    ratio = statistics.median(script / python for python, script in pairs)
    return Row(name, statistics.median(python for python, _ in pairs) / rounds * 1e9, ratio)


def as_python(text: str) -> dict[str, Any]:
    """The globals of the text, run as it stands."""
    scope = _helpers() | _environment()
    exec(compile(text, "plain", "exec"), scope)
    return scope


def as_script(text: str) -> dict[str, Any]:
    """The globals of the text, compiled and run as a script."""
    scope = _helpers() | guards() | _environment()
    scope |= {"__name__": "script", "__builtins__": script_builtins({}), "_import_": MODULES.__getitem__}
    exec(compile_script(text.encode(), "script").code, scope)
    return scope


def _helpers() -> dict[str, Any]:
    # Not ``dict.fromkeys``: of a set it makes a table for keys of any kind, which the interpreter specialises not.
    # The globals of a script are a table for text (``test_a_look_at_the_flag_is_one_specialised_instruction``).
    return {name: Nothing() for name in helper_names()}


def _environment() -> dict[str, Any]:
    unset: Any = type("Env", (), {"__getattr__": lambda *_: None})()
    return {"env": unset, "on_item": lambda *_, **__: lambda function: function, "state": {}, "Item": Item}


def calibrate(function: Callable[[Any], Any], blob: bytes) -> int:
    """Rounds that take about the target."""
    rounds = 16
    while (spent := cpu_s(function, blob, rounds)) < TARGET_S / 4:
        rounds *= 2
    return max(int(rounds * TARGET_S / spent), 1)


def cpu_s(function: Callable[[Any], Any], blob: bytes, rounds: int) -> float:
    """CPU of calling it so often with an item that was looked at before."""
    item = Item.decode(blob)
    function(item)
    begin = time.thread_time()
    for _ in range(rounds):
        function(item)
    return time.thread_time() - begin


if __name__ == "__main__":
    main()
