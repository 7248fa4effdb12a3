"""Which names hold nothing but containers of the script, and that nothing else loses its guard."""

from __future__ import annotations

import ast

import pytest

from engine.scripting.containers import own_containers
from engine.scripting.loading import compile_script
from engine.scripting.names import known_names

COLLECTIONS = "from collections import Counter, defaultdict, deque, OrderedDict\n"
PROVED = {
    "x = {}": {"x"},
    "x = []\ny = [i for i in 'a']\nz: dict = {i: 1 for i in 'a'}": {"x", "y", "z"},
    "x = dict()\ny = list('ab')": {"x", "y"},
    COLLECTIONS + "x = Counter()\ny = defaultdict(list)\nz = deque(maxlen=3)": {"x", "y", "z"},
    "x = {}\ndef f():\n    global x\n    x = []": {"x"},
    "x = y = {}": {"x", "y"},
}
NOT_PROVED = [
    "x = console",
    "x = {}\nx = console",
    "x = {}\ndef f(x): x[1] = 2",
    "x = {}\nfor x in [console]: pass",
    "x = {}\nwith env as x: pass",
    "x = {}\n(x := console)",
    "x = {}\n[x, y] = console, 1",
    "x = {}\nfrom json import loads as x",
    "x = {}\nimport re as x",
    "x = {}\nclass x: pass",
    "x = {}\ntry: pass\nexcept ValueError as x: pass",
    "x = {}\nlambda x: x",
    "x = {} if env.A else console",
    "x = {}['a']",
    "file = {}",
    "def f():\n    file = {}\nfile['x'] = 1",
    "def dict(): return console\nx = dict()",
    "Counter = console.log\nx = Counter()",
    COLLECTIONS + "def Counter(): return console\nx = Counter()",
    "x = Counter()",
    "from collections import deque as Counter\nx = Counter()",
    "x += {}",
]


@pytest.mark.parametrize(("source", "names"), PROVED.items())
def test_a_name_that_holds_containers_alone_is_proved(source: str, names: set[str]) -> None:
    assert own_containers(ast.parse(source), known_names()) == names


@pytest.mark.parametrize("source", NOT_PROVED)
def test_a_name_that_may_hold_anything_else_is_not(source: str) -> None:
    assert own_containers(ast.parse(source), known_names()) == set()


def guarded(source: str) -> bool:
    return "_write_" in compile_script(source.encode(), "t").code.co_names


def test_stores_lose_their_guard_where_and_only_where_it_is_proved() -> None:
    assert not guarded("x = {}\nx['a'] = 1\nx['a'] += 1\ndel x['a']\n")
    assert guarded("x = {}\nx['a']['b'] = 1\n")
    assert guarded("x = {}\ny = x\ny['a'] = 1\n")
    assert guarded("class A: pass\nx = A()\nx.y = 1\n")
    assert guarded("x = []\nx.y = 1\n")
