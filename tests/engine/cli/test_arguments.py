from __future__ import annotations

from pathlib import Path

import pytest

from engine.cli.arguments import all_sources, check_scripts
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


@pytest.mark.parametrize(("follow", "as_stored"), [(True, False), (False, True)], ids=["--follow", "--as-stored"])
def test_scripts_of_a_query_are_refused_where_they_had_nothing_to_do(follow: bool, as_stored: bool) -> None:
    check_scripts(None, follow=follow, as_stored=as_stored)
    check_scripts(Path("scripts"), follow=False, as_stored=False)
    with pytest.raises(ConfigError, match=r"--scripts: expected no --(follow|as-stored) beside it, got 'scripts'"):
        check_scripts(Path("scripts"), follow=follow, as_stored=as_stored)
