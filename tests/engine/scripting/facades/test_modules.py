"""What scripts may import: that it works inside the jail, and that nothing leads out of it."""

from __future__ import annotations

import ast
import builtins
import importlib
import os
import sys
import types
from typing import Any

import pytest
from RestrictedPython.transformer import INSPECT_ATTRIBUTES

from engine.frames.endpoint import Endpoint, message_pair
from engine.frames.host import ToHost
from engine.scripting.calls import Calls
from engine.scripting.facades.modules import INSTEAD, MODULES, names_in, why_not
from engine.scripting.facades.scope import build_scope
from engine.scripting.guards import RISKY_ATTRIBUTES
from tests.support.scripthost import ITEM, Zygote

HOPS = 6
NAMES = "open eval exec compile __import__ input breakpoint getattr setattr delattr vars dir globals locals type"
WAYS_OUT = [
    *(getattr(builtins, name) for name in NAMES.split()),
    *(os.system, os.open, os.popen, os.getenv, importlib.import_module, sys.exit, sys._getframe),
]
PROGRAMS = {
    # module -> an expression of it, and what Python says of the same
    "base64": "base64.b64encode(b'ab')",
    "binascii": "binascii.hexlify(b'ab')",
    "bisect": "bisect.bisect([1, 3], 2)",
    "collections": "collections.Counter('abca').most_common(1), collections.deque([1, 2], 1)",
    "collections.abc": "1",
    "datetime": "datetime.datetime(2024, 6, 4, tzinfo=datetime.timezone.utc).isoformat(),"
    " datetime.datetime(2024, 6, 4).strftime('%a %d %b'), datetime.datetime.strptime('2024-06', '%Y-%m'),"
    " datetime.datetime.fromtimestamp(86400, datetime.timezone.utc), f'{datetime.date(2024, 1, 1):%Y}'",
    "functools": "functools.reduce(lambda a, b: a + b, [1, 2, 3]), functools.partial(max, 1)(2),"
    " functools.lru_cache()(lambda x: x)('ab'), functools.wraps(len)(lambda x: x)(1)",
    "hashlib": "hashlib.sha256(b'ab').hexdigest(), hashlib.md5(b'ab').hexdigest(), hashlib.blake2b(b'ab').hexdigest()",
    "heapq": "heapq.nlargest(2, [3, 1, 2]), heapq.nsmallest(1, [3, 1, 2], key=abs)",
    "hmac": "hmac.digest(b'key', b'text', 'sha256'), hmac.compare_digest('a', 'a')",
    "ipaddress": "ipaddress.ip_address('10.0.0.1') in ipaddress.ip_network('10.0.0.0/8'),"
    " ipaddress.ip_address('::1').is_loopback",
    "itertools": "list(itertools.islice(itertools.count(), 2)), list(itertools.chain.from_iterable([[1], [2]]))",
    "json": "json.loads(json.dumps({'a': [1, None]}, sort_keys=True))",
    "math": "math.floor(2.5), math.gcd(4, 6)",
    "random": "0 <= random.random() < 1, random.choice([1]), random.sample([1], 1)",
    "re": "re.sub(r'(a+)', r'<\\1>', 'caat'), re.match(r'(?P<x>a)', 'a').expand(r'\\g<x>'),"
    " re.compile('A', re.I | re.M).findall('aA'), re.split(',', 'a,b'), re.sub('a', lambda m: m.group().upper(), 'a')",
    "statistics": "statistics.mean([1, 2]), statistics.quantiles([1, 2, 3, 4], n=4), statistics.stdev([1, 2, 3])",
    "string": "string.digits, string.capwords('a b')",
    "struct": "struct.pack('>H', 258), struct.unpack('<I', b'abcd')",
    "textwrap": "textwrap.shorten('a b c d e f g h', 9), textwrap.dedent('  a')",
    "time": "time.strftime('%Y', time.gmtime(0)), time.strptime('2024', '%Y').tm_year, time.monotonic() > 0",
    "typing": "1",
    "urllib": "urllib.parse.quote('a b')",
    "urllib.parse": "urllib.parse.urlsplit('http://a.b:80/c?d=e').hostname, urllib.parse.parse_qs('a=1&a=2')",
    "uuid": "uuid.UUID(int=1).hex, len(str(uuid.uuid4()))",
}


@pytest.mark.parametrize("module", MODULES)
def test_what_is_imported_works_inside_the_jail(zygote: Zygote, module: str) -> None:
    expression = PROGRAMS[module]
    found = eval(expression, {module.partition(".")[0]: importlib.import_module(module), "urllib": _urllib()})
    host = zygote.spawn(f"import {module}\ndef onItemCaptured(data):\n    console.log(repr(({expression})))\n")
    host.ready()
    host.deliver(ITEM)
    assert host.lines == [f"log: {found!r}"]


def _urllib() -> Any:
    return importlib.import_module("urllib")


@pytest.mark.parametrize("module", MODULES)
def test_no_public_attribute_leads_out(module: str) -> None:
    _walk({module: MODULES[module]})


def test_nothing_that_a_script_sees_leads_out() -> None:
    ours, theirs = message_pair()
    with ours, theirs:
        scope = build_scope("top.py", {"A": "b"}, "node-1", Calls(Endpoint(ours, ToHost)))
        _walk({name: value for name, value in scope.names.items() if not name.startswith("_")})
        _walk({name: value for name, value in scope.names["__builtins__"].items() if not name.startswith("__")})


def _walk(found: dict[str, Any]) -> None:
    """Every value within six public attributes."""
    seen: set[int] = set()
    ways_out = {id(way) for way in WAYS_OUT}
    kept = []
    for _ in range(HOPS):
        further: dict[str, Any] = {}
        for path, value in found.items():
            assert not isinstance(value, types.ModuleType | types.FrameType | types.CodeType), path
            assert id(value) not in ways_out, path
            if id(value) in seen:
                continue
            seen.add(id(value))
            kept.append(value)  # else its id is given to the next
            further |= {f"{path}.{name}": each for name, each in _attributes(value)}
        found = further


def _attributes(value: Any) -> list[tuple[str, Any]]:
    hidden = INSPECT_ATTRIBUTES | RISKY_ATTRIBUTES
    names = [name for name in dir(value) if not name.startswith("_") and name not in hidden]
    return [(name, getattr(value, name, None)) for name in names]


def test_every_name_is_one_of_the_real_module_or_made_for_scripts() -> None:
    for module in set(MODULES) - {"json", "math", "time"}:
        real = importlib.import_module(module)
        for name in names_in(module):
            assert hasattr(real, name) or module in ("typing", "collections.abc"), f"{module}.{name}"


def test_constants_are_plain_numbers_and_text() -> None:
    for module in MODULES:
        for name in names_in(module):
            value = getattr(MODULES[module], name)
            assert callable(value) or type(value) in (int, float, str) or name in ("parse", "abc", "UTC") or (
                module in ("typing", "collections.abc")
            ), f"{module}.{name}"  # fmt: skip


@pytest.mark.parametrize("module", INSTEAD)
def test_what_is_not_offered_says_what_is_there_instead(module: str) -> None:
    assert INSTEAD[module] in why_not(module)
    ast.parse(f"import {module}")


def test_a_misspelt_module_is_answered_with_the_nearest() -> None:
    assert why_not("datetimes") == "import of 'datetimes' is not available; did you mean 'datetime'?"
    assert "a script may import base64, binascii" in why_not("zzz")
    assert why_not(".x") == "import of '.x' is not available; a script is one file"
