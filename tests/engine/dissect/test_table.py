from __future__ import annotations

from dataclasses import replace

import pytest

from engine.dissect.dns import TCP_ROW
from engine.dissect.http1 import ROW
from engine.dissect.registry import load_rows
from engine.dissect.table import ProtocolRow, Verdict, recognise


def row(name: str, verdict: Verdict, *ports: int) -> ProtocolRow:
    return replace(ROW, name=name, detect=lambda _: verdict, ports=frozenset(ports))


NO, SHORT, PLAUSIBLE, SURE = Verdict.NO, Verdict.SHORT, Verdict.PLAUSIBLE, Verdict.SURE


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([row("a", NO, 80), row("b", SURE)], "b"),
        ([row("a", PLAUSIBLE, 80), row("b", SURE)], "b"),
        ([row("a", PLAUSIBLE, 80), row("b", SHORT, 80)], "a"),
        ([row("a", PLAUSIBLE, 81), row("b", PLAUSIBLE, 80)], "b"),
        ([row("a", PLAUSIBLE, 81), row("b", SHORT)], SHORT),
        ([row("a", PLAUSIBLE, 81), row("b", NO, 80)], NO),
        ([], NO),
    ],
)
def test_bytes_go_before_ports(rows: list[ProtocolRow], found: object) -> None:
    got = recognise(rows, b"anything", (51234, 80))
    assert (got.name if isinstance(got, ProtocolRow) else got) == found


def test_http_on_the_port_of_dns_is_http() -> None:
    assert recognise([TCP_ROW, ROW], b"GET / HTTP/1.1\r\n\r\n", (51234, 53)) is ROW


@pytest.mark.parametrize("data", [b"", b"\0", b"\xff", b"\x80\1", b"GET", b"\x16\3"])
def test_every_row_has_a_verdict_on_the_fewest_bytes(data: bytes) -> None:
    """A gap alone has none at all."""
    for each in load_rows(installed=False):
        assert each.detect(data) is not SURE
