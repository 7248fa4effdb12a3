"""The example package: installed as anybody would, found through its entry point, and a dissector like any other."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from engine.dissect.message import Message
from engine.dissect.options import DissectOptions
from engine.dissect.registry import load_rows
from engine.dissect.table import Verdict
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, SERVER
from tests.support.packets import TcpConversation, write_pcap
from tests.support.streams import chunks_of, damage, split_anywhere

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "memcached-dissector"
TALK = [
    (CLIENT, b"set fish 0 60 9\r\nanchovies\r\nget fish none\r\n"),
    (SERVER, b"STORED\r\nVALUE fish 0 9\r\nanchovies\r\nEND\r\n"),
    (CLIENT, b"set raw 0 0 4 noreply\r\n\r\n\xff\0\r\nincr fish 1\r\nmg fish v\r\n"),
    (SERVER, b"CLIENT_ERROR cannot increment\r\nVA 9\r\nanchovies\r\n"),
    (CLIENT, b"stats\r\nquit\r\n"),
    (SERVER, b"STAT pid 7\r\nSTAT version 1.6.29\r\nEND\r\n"),
]


@pytest.fixture(scope="module")
def package() -> Any:
    """The module, as it lies in the repository."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXAMPLE))
        import remora_memcached  # type: ignore[import-not-found] # not installed where types are checked
        from remora_memcached import dissector  # noqa: F401 - remora_memcached.dissector

        yield remora_memcached
    for name in [name for name in sys.modules if name.partition(".")[0] == "remora_memcached"]:
        del sys.modules[name]


def messages(package: ModuleType, chunks: list[Chunk], **options: Any) -> list[Message]:
    made = package.dissector.Memcached(DissectOptions(**options))
    found = [message for chunk in chunks for message in made.feed(chunk)]
    return [*found, *made.close("closed")]


def test_requests_and_answers_are_taken_apart(package: ModuleType) -> None:
    told = [message.payload.section() for message in messages(package, chunks_of(TALK))]
    assert [one.get("command") or one["status"] for one in told] == [
        "set", "get", "STORED", "END", "set", "incr", "mg", "CLIENT_ERROR", "VA", "stats", "quit", "END",
    ]  # fmt: skip
    assert (told[0]["key"], told[0]["value"]) == ("fish", "anchovies")
    assert told[1]["keys"] == ["fish", "none"]
    assert told[3]["values"] == [{"key": "fish", "value": "anchovies", "encoding": "", "size": 9}]
    assert (told[4]["value"], told[4]["encoding"]) == ("DQr/AA==", "base64")
    assert (told[7]["failed"], told[7]["message"]) == (True, "cannot increment")
    assert told[8]["values"][0]["value"] == "anchovies"
    assert told[11]["stats"] == {"pid": "7", "version": "1.6.29"}


def test_what_is_not_answered_stands_alone(package: ModuleType) -> None:
    alone = [message.payload.section()["command"] for message in messages(package, chunks_of(TALK)) if message.alone]
    assert alone == ["set", "quit"]


@pytest.mark.parametrize("seed", range(30))
def test_messages_do_not_depend_on_where_the_data_is_cut(package: ModuleType, seed: int) -> None:
    def shown(chunks: list[Chunk]) -> list[tuple[object, ...]]:
        found = messages(package, chunks)
        return [(m.direction, m.start_ns, m.end_ns, m.size_bytes, m.payload.section()) for m in found]

    assert shown(split_anywhere(chunks_of(TALK), seed)) == shown(chunks_of(TALK))


def test_damage_raises_nothing(package: ModuleType) -> None:
    for seed in range(1000):
        for message in messages(package, damage(split_anywhere(chunks_of(TALK), seed), seed), max_body_bytes=16):
            message.payload.section()
            message.payload.problem()


def test_a_gap_ends_what_is_under_way_and_the_next_line_goes_on(package: ModuleType) -> None:
    first, second = chunks_of([(CLIENT, b"set fish 0 0 100\r\nancho"), (CLIENT, b"get fish\r\n")])
    cut, whole = messages(package, [first, second._replace(missing_bytes=97)])
    assert cut.payload.problem() == ("dissection", "bytes are missing")
    assert (whole.payload.section()["key"], whole.after_gap) == ("fish", True)


def test_large_values_are_kept_as_far_as_the_limit(package: ModuleType) -> None:
    talk = [(CLIENT, b"set a 0 0 1000\r\n" + b"x" * 1000 + b"\r\nget a\r\n")]
    stored, asked = messages(package, chunks_of(talk), max_body_bytes=10)
    assert (stored.payload.section()["value"], stored.size_bytes) == ("x" * 10, 1018)
    assert asked.payload.section()["command"] == "get"


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (b"set a 0 0 1\r\n", Verdict.SURE),
        (b"VALUE a 0 1\r\n", Verdict.SURE),
        (b"get a\r\n", Verdict.PLAUSIBLE),
        (b"ge", Verdict.SHORT),
        (b"", Verdict.SHORT),
        (b"GET / HTTP/1.1\r\n", Verdict.NO),
        (b"\x80\0\0\0", Verdict.NO),
        (b"*1\r\n$4\r\nPING\r\n", Verdict.NO),
    ],
)
def test_the_first_line_tells(package: ModuleType, data: bytes, verdict: Verdict) -> None:
    assert package.dissector.detect(data) is verdict


@pytest.mark.slow
def test_installed_it_is_one_protocol_more(tmp_path: Path) -> None:
    """With pip, into a folder of its own; a query finds it by its entry point and filters by its name."""
    source, target = tmp_path / "source", tmp_path / "installed"
    shutil.copytree(EXAMPLE, source)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(target), str(source)], check=True, timeout=120)
    talk = TcpConversation(("10.0.0.1", 50000), ("10.0.0.2", 11211)).handshake()
    for direction, data in TALK:
        (talk.client_says if direction == CLIENT else talk.server_says)(data)
    capture = write_pcap(tmp_path / "cache.pcap", talk.finish().packets)
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from engine import kfl\nfrom engine.configure import configure\nfrom engine.query import Query\n"
        "settings = configure(None, sys.argv[4:], {}).settings\n"
        "query = Query([sys.argv[2]], settings, print)\n"
        "for item in query.items(kfl.compile(sys.argv[3])): print(item['request']['command'])\n"
    )

    def commands(*sets: str) -> list[str]:
        arguments = [str(target), str(capture), 'protocol.name == "memcached"', *sets]
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments], check=True, capture_output=True, text=True, timeout=60
        )
        return done.stdout.split()

    assert sorted(commands()) == ["get", "incr", "mg", "quit", "set", "set", "stats"]
    assert commands("tap.enabledDissectors=http") == []
    assert len(commands("tap.enabledDissectors=memcached")) == 7


def test_it_is_loaded_as_any_plug_in(package: ModuleType) -> None:
    assert [row.name for row in load_rows([package], installed=False)][-1] == "memcached"
