"""A host imports and opens nothing once its jail is closed: whatever it needs was loaded by the zygote."""

from __future__ import annotations

import encodings
import pkgutil
from collections.abc import Iterator

import pytest

from engine.frames.host import Ready
from engine.scripting.zygote import NO_CODECS
from tests.engine.jail.test_confine import EVERYTHING
from tests.support.scripthost import Zygote, running_zygote

WATCH = """
import os, sys
import msgspec
from engine.frames.host import BROKER_FD, Log
from engine.scripting import host

confine, closed = host.confine, []

def confine_and_watch(jail):
    done = confine(jail)
    closed.append(True)
    return done

def told(event, arguments):
    if closed and event in ("import", "open", "ctypes.dlopen"):
        os.write(BROKER_FD, msgspec.msgpack.encode(Log("error", f"late {event}: {arguments[0]}")))

host.confine = confine_and_watch
sys.addaudithook(told)
"""
MODULES = r"""
import base64, binascii, collections, datetime, hashlib, hmac, ipaddress, random, re, statistics, string, struct
import textwrap, urllib.parse, uuid

def onItemCaptured(data):
    now = datetime.datetime.strptime("2026-11-20 10:00", "%Y-%m-%d %H:%M")
    now.strftime("%A %d %B %Y %c %x %Z"), now.astimezone().isoformat()
    datetime.datetime.now(datetime.UTC).isocalendar()
    datetime.datetime.fromisoformat("2026-11-20T10:00:00+01:00")
    for digest in (hashlib.blake2b, hashlib.md5, hashlib.sha1, hashlib.sha256, hashlib.sha3_256, hashlib.sha512):
        digest(b"x").hexdigest()
    hmac.digest(b"k", b"m", "sha256"), base64.b64decode(base64.b85encode(b"abcd")), binascii.crc32(b"x")
    ipaddress.ip_address("::1"), ipaddress.ip_network("10.0.0.0/8")
    random.seed("x"), random.gauss(0, 1), random.sample(range(10), 3), random.randbytes(3)
    re.search("(?i)(?P<x>[α-ω]+)", "ΑΒΓ").group("x")
    statistics.quantiles([1, 2, 3]), statistics.linear_regression([1, 2], [3, 4])
    string.capwords("a b"), struct.pack("<I", 1), textwrap.fill("a b c", 2)
    uuid.uuid4(), uuid.uuid5(uuid.UUID(int=1), "x")
    urllib.parse.urlparse("http://bücher.example:80/?a=b#c"), urllib.parse.parse_qs("a=%E4"), urllib.parse.quote("ä")
    collections.Counter("aab").most_common(), collections.namedtuple("A", ["x"])(1)
"""
NAMES = [module.name for module in pkgutil.iter_modules(encodings.__path__) if module.name not in NO_CODECS]
CODECS = f"""
def onItemCaptured(data):
    for name in {NAMES!r}:
        try:
            "text".encode(name)
        except LookupError as error:
            if "is not a text encoding" not in str(error): raise
        except UnicodeError:
            pass
"""
SCRIPTS = {
    "what scripts use": EVERYTHING,
    "modules": MODULES,
    "codecs": CODECS,
    "a mistake in a filter": "def onItemCaptured(data):\n    kfl.validate('http and (')\n",
    "an error that is caught": "def onItemCaptured(data):\n    try: 1 / 0\n    except Exception as error: str(error)\n",
    "names of characters": 'def onItemCaptured(data):\n    "\\N{BULLET}"\n',
}
MISTAKES = {
    "names": "def onItemCapturd(d): pass\nfoo(bar)\nimport os\n",
    "kinds of syntax": "async def f(): pass\nmatch 1:\n  case 2: pass\n",
    "an error at the top": "raise ValueError(1)\n",
    "more than the parser takes": "x = " + "-" * 50_000 + "1",
}

pytestmark = pytest.mark.slow  # starting a zygote takes 0.4 s


@pytest.fixture(scope="module")
def watched() -> Iterator[Zygote]:
    with running_zygote(prelude=WATCH) as process:
        yield process


@pytest.mark.parametrize("source", SCRIPTS.values(), ids=SCRIPTS)
def test_a_running_script_needs_no_file(watched: Zygote, source: str) -> None:
    host = watched.spawn(source)
    host.ready()
    assert host.deliver()[0] == 0, host.lines
    assert [line for line in host.lines if "late" in line] == []
    host.close()


@pytest.mark.parametrize("source", MISTAKES.values(), ids=MISTAKES)
def test_a_refused_script_needs_no_file(watched: Zygote, source: str) -> None:
    host = watched.spawn(source)
    assert host.refused()
    assert [line for line in host.lines if "late" in line] == []
    host.close()


def test_the_watch_sees_what_is_late(watched: Zygote) -> None:
    """A mistake of syntax makes the interpreter look for the file that the script is called after; in vain."""
    host = watched.spawn("x = \n", name="nowhere.py")
    message = host.next()
    assert not isinstance(message, Ready)
    assert host.lines == ["error: late open: nowhere.py"]
    host.close()
