"""What the language does is what Python does; what it refuses stands in ``test_loading`` and ``tests/hostile``."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from engine.scripting.guards import Stop, guards, script_builtins
from engine.scripting.policy import Policy

SIGNS = ("+", "-", "*", "/", "//", "%", "**", "<<", ">>", "|", "&", "^")

PROGRAMS = {
    "counter": "n = 0\ndef f():\n    global n\n    n += 1\nf(); f()\nout = n",
    "closure": """
def f():
    a = 1
    def g():
        nonlocal a
        a += 2
        return a
    return g
out = f()()
""",
    "item augmented": "d = {'a': 1}\nd['a'] += 2\nd['b'] = d.get('b', 0) + 1\nout = d",
    "slice augmented": "x = [1, 2, 3]\nx[1:2] += [9]\nout = x",
    "nested augmented": "d = {'a': {'b': [1]}}\nd['a']['b'] *= 3\nd['a']['b'][0] -= 5\nout = d",
    "target evaluated once": "log = []\ndef f():\n    log.append(1)\n    return log\nf()[0] += 5\nout = log",
    "attribute augmented": "class A: pass\na = A()\na.x = 1\na.x += 2\na.x **= 2\nout = a.x",
    "class attribute": "class A:\n    n = 0\nA.n += 1\nout = A.n",
    **{f"augmented {sign}=": f"x = [64]\nx[0] {sign}= 3\nout = x" for sign in SIGNS},
    "annotated": "x: int = 3\ny: list[int]\nclass A:\n    z: str = 'z'\na = A()\na.w: int = 4\nout = x, a.z, a.w",
    "annotated functions": "def f(a: Nothing, *b: Nothing, c: Nothing = 1) -> Nothing:\n    return a\nout = f(1)",
    "unpacking": "(a, (b, *c)), d = (1, (2, 3, 4)), 5\nout = a, b, c, d",
    "loop unpacking": "out = [a + b for a, b in {'x': 'y', 'z': 'w'}.items()]",
    "star calls": "def f(*a, **k): return a, k\nout = f(*[1, 2], 3, **{'x': 4})",
    "comprehensions": "out = [i * j for i in range(5) if i % 2 for j in range(i)], {i: 1 for i in {j for j in 'ab'}}",
    "generators": "def g():\n    x = yield 1\n    yield from [x, 3]\ni = g()\nout = next(i), i.send(2), list(i)",
    "lambda": "out = list(map(lambda a, b=2: a + b, [1, 2]))",
    "lambda that is false": "out = (lambda: 0)(), (lambda: None)()",
    "sort": "out = sorted([(2, 'b'), (1, 'c')], key=lambda pair: pair[1], reverse=True)",
    "exceptions": """
out = []
try:
    [][1]
except (KeyError, IndexError) as e:
    out.append(str(e))
else:
    out.append(1)
finally:
    out.append(2)
""",
    "own exception": """
class Mine(ValueError): pass
try:
    raise Mine('x') from KeyError('y')
except ValueError as e:
    out = e.args
""",
    "loop else": """
for i in range(3):
    if i == 5: break
else:
    out = 'else'
while i < 10:
    i += 1
    if i % 2: continue
out = out, i
""",
    "inheritance": """
class A:
    def __init__(self, x): self.begin(x)
    def begin(self, x): self.x = x
    def __lt__(self, o): return self.x < o.x
class B(A):
    def begin(self, x): A.begin(self, x + 1)
out = [b.x for b in sorted([B(3), B(1)])]
""",
    "property": """
class A:
    n = 1
    @property
    def x(self): return self.n
    @x.setter
    def x(self, value): self.n = value * 2
    @classmethod
    def make(cls): return cls()
    @staticmethod
    def two(): return 2
a = A.make()
a.x = 4
a.x += 1
out = a.x, A.two(), a.n
""",
    "f-strings": "x = 3.14159\nout = f'{x:.2f} {x!r:>10} {{}} {x=}'",
    "percent": "out = '%s %05d' % ('a', 3)",
    "walrus": "out = [y for x in range(5) if (y := x * 2) > 4]",
    "chained comparison": "out = 1 < 2 < 3 != 4",
    "conditional": "out = 'a' if 0 else 'b'",
    "slices": "x = list(range(10))\nx[2:4] = []\ndel x[0]\nout = x[::2], x[-1], 'abc'[1:]",
    "docstring": "def f():\n    'doc'\n    return 1\nout = f()",
    "decorator": "def twice(f):\n    return lambda x: f(f(x))\n@twice\ndef inc(x): return x + 1\nout = inc(1)",
    "display": "a = [1]\nout = [*a, 2], {**{'x': 1}, 'y': 2}, (*a,)",
    "format of an own class": "class A:\n    def format(self, x): return x\nout = A().format(3)",
    "assert": "try:\n    assert 0, 'no'\nexcept AssertionError as e:\n    out = str(e)",
}


def run(code: Any, scope: dict[str, Any]) -> Any:
    exec(code, scope)
    return scope["out"]


def restricted(source: str) -> tuple[Any, list[str]]:
    tree, policy = ast.parse(source), Policy()
    policy.visit(tree)
    return tree, policy.errors


@pytest.mark.parametrize("source", PROGRAMS.values(), ids=PROGRAMS)
def test_a_script_means_what_python_means(source: str) -> None:
    tree, errors = restricted(source)
    assert errors == []
    scope = {"__name__": "test", "__builtins__": script_builtins({}), **guards()}
    assert run(compile(tree, "test", "exec"), scope) == run(compile(source, "test", "exec"), {"Nothing": None})


LOOPS = {
    "while": "while True: pass",
    "for": "for i in endless: pass",
    "list comprehension": "[0 for i in endless]",
    "generator": "any(0 for i in endless)",
    "function": "def f(): pass\nf()",
    "lambda": "(lambda: 1)()",
    "handler": "try:\n    1 / 0\nexcept:\n    reached = 1",
    "swallowed": "while True:\n    try:\n        while True: pass\n    except:\n        pass",
    "finally": "while True:\n    try:\n        while True: pass\n    finally:\n        continue",
    "method": "class A:\n    def f(self): pass\nA().f()",
}


@pytest.mark.parametrize("source", LOOPS.values(), ids=LOOPS)
def test_a_set_flag_ends_the_call_wherever_it_could_go_on(source: str) -> None:
    tree, errors = restricted(source)
    assert errors == []
    scope = {"__name__": "test", "__builtins__": script_builtins({}), **guards(), "endless": iter(int, 1)}
    scope["_stop_"] = True
    with pytest.raises(Stop):
        exec(compile(tree, "test", "exec"), scope)
    assert "reached" not in scope


def test_loads_are_plain() -> None:
    tree, _ = restricted("x = data.response['status']\nfor k, v in x.items(): y = v[1:2]\nf(*x)")
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert called == {"f", "_over_"}


def test_line_numbers_survive_the_rewriting() -> None:
    source = "x = {}\nx['a'] = 1\n\nclass A:\n    pass\n\nx['b'] += 1\n"
    tree, _ = restricted(source)
    scope = {"__name__": "test", "__builtins__": script_builtins({}), **guards()}
    with pytest.raises(KeyError) as raised:
        exec(compile(tree, "test.py", "exec"), scope)
    assert raised.traceback[-1].lineno + 1 == 7


def test_what_upstream_refuses_tomorrow_is_refused_in_its_own_words() -> None:
    _, errors = restricted("x.anything__roles__\nprinted = 1")
    assert errors == [
        "Line 1: '.anything__roles__' is not available; it leads into the interpreter",
        "Line 2: 'printed' cannot be used as a name; it is reserved",
    ]
