"""Ways out of a script, and what becomes of each: in real hosts, with a good script beside them."""

from __future__ import annotations

import select
import signal

import pytest

from engine import clock
from tests.support.scripthost import ITEM, HostEnds, Zygote

HOOK = "def onItemCaptured(data):\n    "

REFUSED = {
    # attributes that lead into the interpreter
    "class of a tuple": "x = ().__class__",
    "class in an f-string": "x = f'{().__class__}'",
    "globals of a helper": "x = console.log.__globals__",
    "self of a method": "x = console.log.__self__",
    "private slot of a helper": "x = console._calls",
    "code of a generator": "x = (i for i in [1]).gi_code.co_consts",
    "traceback of an exception": "try:\n    1 / 0\nexcept Exception as e:\n    x = e.__traceback__.tb_frame",
    "store to a private attribute": "console._calls = 1",
    "augmented private attribute": "console._calls += 1",
    "delete of a private attribute": "del console._calls",
    # names that the policy itself uses, in every form that binds
    "assign": "_stop_ = 0",
    "assign annotated": "_stop_: int = 0",
    "assign augmented": "_stop_ += 1",
    "assign unpacked": "a, (_write_, *_over_) = 1, (2, 3)",
    "walrus": "(_stop_ := 0)",
    "for": "for _over_ in []: pass",
    "with": "with env as _write_: pass",
    "comprehension": "x = [1 for _over_ in []]",
    "except": "try:\n    pass\nexcept Exception as _write_:\n    pass",
    "def": "def _over_(): pass",
    "class": "class _over_: pass",
    "global": "def f():\n    global _stop_",
    "nonlocal": "def f():\n    a = 1\n    def g():\n        nonlocal _stop_",
    "del": "del _over_",
    "load": "x = _over_",
    "import as": "import json as _getattr_",
    "keyword-only parameter": "def f(*, _stop_=1): pass",
    "star parameter": "def f(*_over_): pass",
    "star-star parameter": "def f(**_over_): pass",
    "lambda parameter": "f = lambda _getattr_: 1",
    "match capture": "match 1:\n    case _write_: pass",
    "type parameter": "def f[_getattr_](x): pass",
    # what is not there
    "import": "import os",
    "import from": "from os import path",
    "import call": "__import__('os')",
    "eval": "e = eval\ne('1')",
    "exec": "exec('1')",
    "open": "open('/etc/passwd')",
    "getattr": "getattr(1, '__class__')",
    "setattr": "setattr(file, 'copy', 1)",
    "type": "type('A', (), {})",
    "vars": "vars(console)",
    "globals": "globals()",
    "super": "class A:\n    def f(self):\n        super()",
    "builtins": "x = __builtins__",
    "metaclass": "class A(metaclass=dict): pass",
    "finalizer": "class A:\n    def __del__(self): pass",
    "getattribute": "class A:\n    def __getattribute__(self, name): pass",
    "init_subclass": "class A:\n    def __init_subclass__(cls): pass",
    "slots": "class A:\n    __slots__ = ()",
    "async def": "async def f(): pass",
    "async comprehension": "async def f():\n    return [i async for i in x]",
    "SystemExit": "def onItemCaptured(data):\n    raise SystemExit(0)",
    "BaseException": "def onItemCaptured(data):\n    try:\n        pass\n    except BaseException:\n        pass",
    # compile bombs
    "unary minus": "x = " + "-" * 50_000 + "1",
    "sum": "x = " + "1+" * 50_000 + "1",
    "parentheses": "x = " + "(" * 5000 + ")" * 5000,
    "lambdas": "x = " + "lambda: " * 20_000 + "1",
    "elif": "if 1: pass\n" + "elif 1: pass\n" * 10_000,
    "too long": "# " + "x" * (256 * 1024),
    "zero byte": "x = 1\x00",
    # published holes of RestrictedPython
    "CVE-2023-37271 generator frame": "g = (g.gi_frame.f_back.f_back for g in [1])",
    "CVE-2023-37271 coroutine frame": "x = env.cr_frame",
    "7.2 getattr with a text subclass": "class S(str):\n    def startswith(self, x): return 0\ngetattr(1, S('x'))",
    "CVE-2025-22153 except star": "try:\n    pass\nexcept* ValueError:\n    pass",
    "CVE-2026-55830 positional-only": "def f(_getattr_=1, /): pass",
    "CVE-2026-76825 formatter": "string.Formatter().get_field('0.__class__', (1,), {})",
    "8.5 asynchronous generator": "x = env.ag_frame",
}

RAISES = {
    "CVE-2023-41039 format": "'{0.__class__}'.format(1)",
    "CVE-2023-41039 format_map": "'{a.__class__}'.format_map({'a': 1})",
    "CVE-2023-41039 unbound": "str.format('{0.__class__}', 1)",
    "CVE-2023-41039 mapped": "list(map(str.format, ['{0.__class__}'], [1]))",
    "CVE-2023-41039 subclass": "class S(str): pass\n    S('{0.__class__}').format(1)",
    "CVE-2024-47532 obj": "try:\n        console.nothing\n    except AttributeError as e:\n        e.obj",
    "mro": "int.mro()",
    "with_traceback": "ValueError().with_traceback(None)",
    "helper replaced": "file.copy = 1",
    "helper deleted": "del file.copy",
    "helper augmented": "console.log += 1",
    "helper slots filled": "jobs.fill(_tasks={})",
    "env changed": "env['A'] = 1",
    "env attribute": "env.A = 1",
    "item changed": "data['stream'] = 1",
    "item attribute": "data.stream = 1",
    "section changed": "data.response['status'] = 1",
    "section augmented": "data.response.status += 1",
    "builtin type changed": "str.upper = 1",
    "exception type changed": "ValueError.x = 1",
    "error class changed": "HelperError.x = 1",
    "class of a helper as a base": "class A(console): pass",
    "item as a base": "class A(data.request): pass",
    "property of a helper": "class A:\n        x = property(console)\n    A().x",
    "class of a class": "class A(object): pass\n    A().x.y",
    "KeyError": "data['nothing']",
    "recursion": "def f(): f()\n    f()",
    "repeat": "'a' * 10**10",
    "shift": "1 << 10**11",
    "list of a range": "list(range(10**10))",
    "format width": "f'{1:>9000000000}'",
    "percent width": "'%0*d' % (2000000000, 1)",
    "replace": "('a' * 10**6).replace('a', 'b' * 10**6)",
    "list growth": "x = [0]\n    while True: x += x",
    "path with eq": "class A:\n        def __eq__(self, other): return True\n    file.copy(A(), 'x')",
    "path subclass": "class A(str): pass\n    file.copy(A('x'), 'x')",
    "deep argument": "x = []\n    for i in range(10**5): x = [x]\n    pcap.snapshot(x)",
    "endless argument": "x = []\n    x.append(x)\n    pcap.snapshot(x)",
    "huge argument": "file.copy('x' * 10**6, 'y')",
    "huge integer": "jobs.schedule('t', '* * * * * *', print, 2**70)",
    "surrogate": "file.write('\\ud800', 'x')",
    "job that is no function": "jobs.schedule('t', '* * * * * *', 'print')",
    "bad filter": "kfl.match('status_cod ==', data)",
    "filter that is no text": "kfl.match(data, data)",
    "huge filter": "kfl.match('http or ' * 10**5 + 'http', data)",
    "deep JSON": "json.loads('[' * 10**5)",
    "negative sleep": "time.sleep(-1)",
    "dict as a class": "dict.fromkeys = 1",
}

STOPPED = {
    "loop": "while True: pass",
    "bare except": "while True:\n        try:\n            while True: pass\n        except:\n            pass",
    "finally continue": "while True:\n        try:\n            while True: pass\n        finally: continue",
    "comprehension": "[0 for i in range(10**12) if i < 0]",
    "generator": "any(False for i in range(10**12))",
    "key function": "max(range(10**12), key=lambda v: v)",
    "lambda": "f = lambda: f() if 0 else [f for i in range(10**12) if i < 0]\n    f()",
    "comparison": "class A:\n        def __lt__(self, o):\n            while True: pass\n    sorted([A(), A()])",
    "big power": "10 ** 10**8",
    "pattern in a filter": "kfl.match('request.path == r\"(a+)+$\"', {'request': {'path': 'a' * 60 + 'b'}})",
}

ENDLESS = {
    "sum": "sum(range(10**13))",
    "max": "max(range(10**13))",
}

CRASHES = {
    "hash of a nested tuple": "t = ()\n    for i in range(10**5 * 5): t = (t,)\n    hash(t)",
}

HARMLESS = {
    "BOM": "\ufeffdef onItemCaptured(data): pass",
    "braces in a log line": HOOK + "console.log('{0.__class__.__mro__}', 1)",
    "control characters in a log line": HOOK + "console.log('\\x1b[2J\\n[node:ERROR] forged')",
    "long log line": HOOK + "console.log('x' * 10**7)",
    "surrogate in a log line": HOOK + "console.log('\\ud800')",
    "log of an object": HOOK + "class A: pass\n    console.log(A(), console, env, data)",
    "special numbers": HOOK + "pcap.record(str(1e999), str(-1e999 * 0))",
    "exception without text": HOOK + "pass",
    "9.0 iteration in C": HOOK + "sorted(zip(tuple(env), bytes([1, 2])))",
}


@pytest.fixture(scope="module")
def good(zygote: Zygote) -> HostEnds:
    host = zygote.spawn("seen = 0\ndef onItemCaptured(data):\n    global seen\n    seen += 1\n", name="good.py")
    host.ready()
    return host


def rows(table: dict[str, str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("source", table.values(), ids=table)


@rows(REFUSED)
def test_is_refused_before_it_runs(zygote: Zygote, good: HostEnds, source: str) -> None:
    host = zygote.spawn("console.log('it ran')\n" + source)
    reasons = host.refused()
    assert reasons
    assert all(len(reason) < 400 for reason in reasons)
    assert host.lines == []
    host.close()
    assert zygote.exit_status(host) == 0
    assert good.deliver() == (0, 0)


@rows(RAISES)
def test_ends_as_an_exception_of_the_hook(zygote: Zygote, good: HostEnds, source: str) -> None:
    host = zygote.spawn(HOOK + source + "\n")
    host.ready()
    assert host.deliver(ITEM) == (1, 0)
    assert len(host.lines) == 1
    assert host.lines[0].startswith("error: onItemCaptured: line ")
    assert "abandoned" not in host.lines[0]
    assert host.deliver(ITEM) == (1, 0), "the script lives"
    assert good.deliver() == (0, 0)
    zygote.kill(host)


@pytest.mark.slow
@rows(STOPPED)
def test_is_abandoned_when_its_cpu_is_spent_and_the_script_lives(zygote: Zygote, good: HostEnds, source: str) -> None:
    once = "calls = 0\ndef onItemCaptured(data):\n    global calls\n    calls += 1\n    if calls > 1: return\n    "
    host = zygote.spawn(once + source + "\n")
    host.ready()
    assert host.deliver(ITEM, ITEM) == (1, 0)
    assert "used more than 0.2 s of CPU and was abandoned" in host.lines[0]
    assert good.deliver() == (0, 0)
    zygote.kill(host)


@pytest.mark.slow
@rows(ENDLESS)
def test_runs_until_it_is_killed_and_nobody_else_notices(zygote: Zygote, good: HostEnds, source: str) -> None:
    host = zygote.spawn(HOOK + source + "\n")
    host.ready()
    before_ns = clock.cpu_ns_of(host.pid)
    host.send([ITEM])
    while clock.cpu_ns_of(host.pid) < before_ns + 300_000_000:
        assert good.deliver() == (0, 0)
    assert select.select([host.events], [], [], 0)[0] == [], "it has not answered"
    assert host.started() == 1
    assert zygote.kill(host) == -signal.SIGKILL


@pytest.mark.slow
@rows(CRASHES)
def test_dies_alone(zygote: Zygote, good: HostEnds, source: str) -> None:
    host = zygote.spawn(HOOK + source + "\n")
    host.ready()
    host.send([ITEM])
    assert zygote.exit_status(host) == -signal.SIGSEGV
    assert good.deliver() == (0, 0)


@rows(HARMLESS)
def test_does_nothing(zygote: Zygote, good: HostEnds, source: str) -> None:
    host = zygote.spawn(source)
    host.ready()
    assert host.deliver(ITEM) == (0, 0)
    assert all(len(line) < 2100 for line in host.lines)
    assert good.deliver() == (0, 0)
    zygote.kill(host)
