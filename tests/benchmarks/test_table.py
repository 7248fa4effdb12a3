from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.captures import Capture
from benchmarks.measuring import Cost, Measured
from benchmarks.table import PAGE, report, row, splice
from benchmarks.tools import ENGINE, QUERY, TCPFLOW
from benchmarks.tools import SURICATA as INSTALLED_SURICATA

SURICATA = replace(INSTALLED_SURICATA, version=lambda: "Suricata 8")
"""As the table knows it, on machines without it as well."""


def measured(engine_s: float, *, peak_mib: float = 60.0, found: int = 90) -> Measured:
    costs = {ENGINE.name: [Cost(engine_s, 1.0, peak_mib)] * 3, QUERY.name: [Cost(0.5, 0.5, 40.0)] * 3}
    theirs = [Cost(1.0, 2.0, 210.0), Cost(1.0, 2.0, 212.0), Cost(9.0, 9.0, 999.0)]
    capture = Capture(Path("dns.pcap"), 200, 0, 90)
    return Measured("dns", capture, {**costs, SURICATA.name: theirs}, {ENGINE.name: found, SURICATA.name: 90})


def test_the_median_of_the_rounds_counts_and_not_the_round_that_went_wrong() -> None:
    assert measured(0.7).ratio(ENGINE.name, SURICATA.name) == pytest.approx(0.7)
    assert measured(0.7).ratio(ENGINE.name, SURICATA.name, wall=True) == pytest.approx(0.5)
    assert measured(0.7).median(SURICATA.name) == (1.0, 2.0, 212.0)


def test_a_row_shows_costs_ratio_aim_and_what_was_found() -> None:
    cells = [cell.strip() for cell in row(measured(0.7), SURICATA).strip("|").split("|")]
    assert cells[:8] == ["suricata", "dns", "0.70", "0.50", "1.00", "**0.70**", "≤ 0.75", "0.50"]
    assert cells[8:] == ["0.50", "60", "40", "212", "90", "", "90"]


@pytest.mark.parametrize(
    ("result", "met", "missed"),
    [
        (measured(0.75), "suricata dns 0.75 (aim 0.75)", "nothing"),
        (measured(0.8), "peak memory on dns 60 MiB (aim 200)", "suricata dns 0.80 (aim 0.75)"),
        (measured(0.7, peak_mib=201), "suricata dns 0.70 (aim 0.75)", "peak memory on dns 201 MiB (aim 200)"),
    ],
    ids=["at the aim", "too slow", "too large"],
)
def test_what_is_missed_is_said(result: Measured, met: str, missed: str) -> None:
    lines = report([result], [], scale=1, rounds=3, calibrations=(0.3, 0.3)).splitlines()
    assert not any(line.startswith("Met: suricata") for line in lines), "a peer that is not there is not met"
    lines = report([result], [SURICATA], scale=1, rounds=3, calibrations=(0.3, 0.3)).splitlines()
    assert met in next(line for line in lines if line.startswith("Met: "))
    assert next(line for line in lines if line.startswith("Not met: ")) == f"Not met: {missed}."


def test_a_peer_that_is_not_there_is_named() -> None:
    text = report([measured(0.7)], [SURICATA], scale=1, rounds=3, calibrations=(0.3, 0.3))
    assert f"{TCPFLOW.name} was not there: not shown, so not met." in text


def test_exchanges_that_were_missed_are_said() -> None:
    text = report([measured(0.7, found=89)], [SURICATA], scale=1, rounds=3, calibrations=(0.3, 0.3))
    assert "Exchanges missed by engine: dns." in text


@pytest.mark.parametrize(("found", "compares"), [(90, True), (89, False), (0, False), (None, True)])
def test_a_peer_that_did_not_do_the_work_is_no_comparison(found: int | None, compares: bool) -> None:
    result = measured(0.7)
    del result.found[SURICATA.name]
    result.found |= {SURICATA.name: found} if found is not None else {}
    text = report([result], [SURICATA], scale=1, rounds=3, calibrations=(0.3, 0.3))
    assert ("no comparison" not in text) == compares
    assert ("Met: suricata dns" in text) == compares


def test_the_table_takes_its_place_and_nothing_else() -> None:
    begin, end = "<!-- peers: begin -->", "<!-- peers: end -->"
    page = f"before\n{begin}\nold\n{end}\nafter\n"
    assert splice(page, "peers", "new") == f"before\n{begin}\n\nnew\n\n{end}\nafter\n"
    assert splice(splice(page, "peers", "new"), "peers", "new") == splice(page, "peers", "new")


@pytest.mark.parametrize("part", ["peers", "growth"])
def test_the_page_has_a_place_for_each_table(part: str) -> None:
    assert splice(PAGE.read_text(), part, "new").count("\n\nnew\n\n") == 1
