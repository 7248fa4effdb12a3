from __future__ import annotations

import pytest

from engine.cli.arguments import all_sources
from engine.errors import ConfigError


@pytest.mark.parametrize(
    ("given", "interfaces", "words"),
    [
        ((), (), "a capture file, a folder"),
        (("iface:a", "/x.pcap"), (), "captures or interfaces, not both"),
        (("/x.pcap",), ("a",), "captures or interfaces, not both"),
        (("iface:a",), ("b", "a"), "each interface once"),
        (("iface:any",), ("a",), "'any', which is all of them, alone"),
    ],
    ids=["nothing", "a mix", "a mix by options", "twice", "any and another"],
)
def test_sources_that_do_not_go_together_are_refused(
    given: tuple[str, ...], interfaces: tuple[str, ...], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        all_sources(given, interfaces)


def test_several_interfaces_go_together() -> None:
    assert all_sources(("iface:a",), ("b", "c")) == ("iface:a", "iface:b", "iface:c")
    assert all_sources((), ("any",)) == ("iface:any",)
