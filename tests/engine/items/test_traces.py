from __future__ import annotations

import pytest

from tests.support.packets import pcap_bytes
from tests.support.traces import FOLDER, TRACES, expected, items_of


@pytest.mark.parametrize("name", TRACES)
def test_a_trace_gives_the_items_beside_it(name: str) -> None:
    assert [item.as_dict() for item in items_of(FOLDER / f"{name}.pcap")] == expected(name)


@pytest.mark.parametrize("name", TRACES)
def test_a_trace_is_what_its_builder_makes(name: str) -> None:
    assert (FOLDER / f"{name}.pcap").read_bytes() == pcap_bytes(TRACES[name]())


def test_every_trace_has_a_builder_or_was_recorded() -> None:
    files = {f"{name}{ending}" for name in TRACES for ending in (".pcap", ".items.json")}
    assert {path.name for path in FOLDER.iterdir() if not path.name.startswith("recorded_")} == files
