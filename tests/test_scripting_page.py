"""docs/scripting.md says what is so: its examples run, its lists are complete."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import kfl
from engine.errors import ScriptRejected
from engine.frames.host import KIND_STREAMS
from engine.scripting.facades.modules import MODULES, names_in
from engine.scripting.facades.scope import helper_names
from engine.scripting.header import KEYS
from engine.scripting.loading import check_script
from hooks.specs import hook_names
from tests.support.scripthost import ITEM, Zygote, running_zygote
from tests.support.scripts import dns, http

PAGE = Path(__file__).parents[1] / "docs/scripting.md"
TEXT = PAGE.read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```\n```output\n(.*?)```", TEXT, re.DOTALL)
BROKEN = re.findall(r"```python broken\n(.*?)```\n```output\n(.*?)```", TEXT, re.DOTALL)

TRAFFIC = [
    http(200, elapsed_ms=3),
    http(500, elapsed_ms=250, request={**ITEM["request"], "path": "/b"}),
    {**dns("no.test", "Non-Existent Domain"), "src": {"ip": "10.0.0.1", "name": "client"}},
]
STREAMS = ["000000000144.pcap", "000000000145_udp.pcap"]


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with running_zygote() as process:
        yield process


@pytest.mark.parametrize(("source", "output"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_writes_what_stands_below_it(zygote: Zygote, source: str, output: str) -> None:
    host = zygote.spawn(source, answers={"state.load": b""})
    host.ready()
    wanted = [item for item in TRAFFIC if _passes(host.filters, item)]
    if wanted:
        assert host.deliver(*wanted)[0] == 0, host.lines
    assert host.deliver(*STREAMS, kind=KIND_STREAMS)[0] == 0
    for call in [call for call in host.asked if call[0] == "jobs.schedule"]:
        host.run_job(call[1])
    host.shut_down()
    assert [line.removeprefix("log: ") for line in host.lines] == output.splitlines()


def _passes(filters: list[str], item: dict[str, object]) -> bool:
    return not filters or any(kfl.compile(text).matches(item) for text in filters)


def test_there_are_examples_of_every_part() -> None:
    assert len(EXAMPLES) >= 6
    assert TEXT.count("```python") == len(EXAMPLES) + len(BROKEN)


def test_the_broken_script_is_refused_in_the_words_of_the_page() -> None:
    ((source, output),) = BROKEN
    with pytest.raises(ScriptRejected) as rejected:
        check_script(source, "top.py")
    assert str(rejected.value) + "\n" == output


def module_table() -> str:
    rows = [f"| `{module}` | {' '.join(f'`{name}`' for name in names_in(module))} |" for module in _tabled()]
    return "\n".join(rows)


def _tabled() -> list[str]:
    return [name for name in MODULES if name not in ("json", "math", "time", "urllib", "typing", "collections.abc")]


def test_the_modules_and_their_names_are_those_of_the_page() -> None:
    assert module_table() in TEXT


@pytest.mark.parametrize("name", sorted({*helper_names(), *hook_names(), *KEYS}))
def test_every_helper_hook_and_key_is_named(name: str) -> None:
    assert re.search(rf"\b{name}\b", TEXT)
