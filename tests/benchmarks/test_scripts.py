"""The benchmarks of scripts measure what they say, on few items."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks import policy, scripts
from hooks.items import Item
from tests.support.scripthost import Zygote, running_zygote


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with running_zygote() as process:
        yield process


def test_every_host_gets_every_item(zygote: Zygote) -> None:
    with scripts.bench(zygote, [scripts.SCRIPTS["touched"]] * 2) as running:
        for _ in range(3):
            running.put([scripts.encode(scripts.REAL)] * 10)
        running.drain()
        assert running.delivery.depth() == 0
    rate = scripts.throughput(zygote, scripts.SCRIPTS["touched"], 2, 640)
    assert rate.host_us > 0


def test_the_script_itself_takes_the_time(zygote: Zygote) -> None:
    middle, high = scripts.latency_us(zygote, 1000, 0.05)
    assert 0 < middle <= high


@pytest.mark.parametrize("name", policy.PROGRAMS)
def test_a_program_says_the_same_under_both_compilers(name: str) -> None:
    item = Item.decode(scripts.encode(scripts.REAL))
    plain, restricted = policy.as_python(policy.PROGRAMS[name]), policy.as_script(policy.PROGRAMS[name])
    for _ in range(2):
        assert plain["run"](item) == restricted["run"](item)
