from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from engine.capture.batch import Batch
from engine.configure import configure
from engine.counters import Counters
from engine.dissect import enabling
from engine.dissect.enabling import check_dissectors, enabled_rows
from engine.dissect.names import BUILT_IN, DEFAULT
from engine.dissect.options import DissectOptions
from engine.dissect.registry import load_rows
from engine.dissect.table import ProtocolRow, Verdict
from engine.errors import ConfigError
from engine.items.dissection import MAX_TRIES
from engine.items.item import LazyItem
from engine.pipeline import Node, Pipeline
from engine.resolve.static import NoNames
from engine.streams.options import StreamOptions
from tests.support.packets import TcpConversation, batch_of
from tests.support.traces import TRACES

ROWS = load_rows(installed=False)
ADDED = replace(ROWS[0], name="memcached", dissector="memcached")


def names(rows: Sequence[ProtocolRow]) -> set[str]:
    return {row.dissector for row in rows}


def options(*dissectors: str, **ports: str) -> DissectOptions:
    return DissectOptions(dissectors=list(dissectors), ports=ports)


def test_the_names_of_built_in_rows_are_known() -> None:
    assert names(ROWS) <= BUILT_IN
    assert names(enabled_rows(ROWS, DissectOptions())) == names(ROWS) & set(DEFAULT)


def test_only_what_is_listed_runs() -> None:
    assert names(enabled_rows(ROWS, options("DNS"))) == {"dns"}
    assert enabled_rows(ROWS, options()) == ()


def test_packages_run_unless_the_list_leaves_them_out() -> None:
    rows = [*ROWS, ADDED]
    assert "memcached" in names(enabled_rows(rows, DissectOptions()))
    assert names(enabled_rows(rows, options("http"))) == {"http"}
    assert names(enabled_rows(rows, options("http", "memcached"))) == {"http", "memcached"}


def test_ports_are_replaced_for_every_row_of_the_name() -> None:
    rows = enabled_rows(ROWS, options("dns", "http", dns="[5300, 53]"))
    assert {row.ports for row in rows if row.dissector == "dns"} == {frozenset((53, 5300))}
    assert all(row in ROWS for row in rows if row.dissector == "http")


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (options("htp"), "tap.enabledDissectors: expected names of dissectors, got 'htp'; did you mean 'http'?"),
        (options("http", dnss="53"), "tap.portMapping: expected names of dissectors, got 'dnss'; did you mean 'dns'?"),
        (options(http="80, x"), "tap.portMapping.http: expected ports from 1 to 65535, got 'x'"),
        (options(http="0"), "tap.portMapping.http: expected ports from 1 to 65535, got '0'"),
        (options(http="65536"), "tap.portMapping.http: expected ports from 1 to 65535, got '65536'"),
    ],
)
def test_what_nobody_has_is_an_error(chosen: DissectOptions, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_dissectors(chosen, lambda: ROWS)
    assert str(error.value) == message


def test_names_of_packages_are_asked_for_only_where_one_is_not_built_in() -> None:
    assert check_dissectors(options("memcached"), lambda: [ADDED]) == []
    check_dissectors(options(*DEFAULT, "mongodb"), lambda: pytest.fail("nothing is strange"))


def test_what_kubeshark_alone_has_is_named_once(tmp_path: Path) -> None:
    file = tmp_path / "remora.yaml"
    file.write_text("tap: {enabledDissectors: [http, mongodb, mysql], portMapping: {http: [80, 8000], ldap: [389]}}")
    configuration = configure(file, ["tap.portMapping.redis=6379,6380"], {})
    assert configuration.without_effect == ("mongodb, mysql in tap.enabledDissectors", "ldap in tap.portMapping")
    dissect = configuration.settings.dissect
    assert dissect.dissectors == ["http", "mongodb", "mysql"]
    assert {name: enabling.ports_of(name, text) for name, text in dissect.ports.items()} == {
        "http": [80, 8000],
        "ldap": [389],
        "redis": [6379, 6380],
    }
    assert configuration.origins["tap.portMapping"] == "--set"


def pipeline(chosen: DissectOptions, rows: Sequence[ProtocolRow] = ROWS) -> tuple[Pipeline, Counters]:
    counters, ids = Counters(), itertools.count(1)
    made = Pipeline(StreamOptions(), chosen, rows, NoNames(), Node("n1", ""), counters, lambda: next(ids))
    return made, counters


def items_of(line: Pipeline, batch: Batch) -> list[LazyItem]:
    return list(itertools.chain.from_iterable(line.items(batch, line.packets(batch))))


def test_what_is_not_enabled_costs_no_payload() -> None:
    line, counters = pipeline(options("icmp"))
    assert items_of(line, batch_of(TRACES["http_keep_alive"]() + TRACES["dns_exchanges"]())) == []
    assert counters.get("streams_packets_total") > 0
    assert counters.get("streams_payload_bytes_total") == 0


def test_the_mapped_port_decides_where_bytes_do_not() -> None:
    """Two questions in one message: DNS, if the port says so."""
    question = b"\1a\0\0\1\0\1"
    query = b"\0\1\1\0\0\2\0\0\0\0\0\0" + question * 2
    talk = TcpConversation(("10.0.0.1", 50000), ("10.0.0.2", 5300)).handshake()
    batch = batch_of(talk.client_says(len(query).to_bytes(2, "big") + query).packets)
    for chosen, found in ((options("dns"), 0), (options("dns", dns="53,5300"), 1)):
        line, counters = pipeline(chosen)
        items_of(line, batch)
        assert len(line.finish()[1]) == found
        assert counters.get("dissect_streams_by_port_total{protocol=dns}") == found


def test_a_stream_is_asked_once_and_an_unknown_one_costs_nothing_afterwards() -> None:
    asked: list[bytes] = []

    def detect(data: bytes) -> Verdict:
        asked.append(data)
        return Verdict.NO

    line, counters = pipeline(options("http"), [replace(ROWS[0], detect=detect)])
    talk = TcpConversation(("10.0.0.1", 50000), ("10.0.0.2", 7777)).handshake()
    for _ in range(4):
        talk.client_says(b"\1\2\3\4").server_says(b"\5\6\7\x08")
    items_of(line, batch_of(talk.packets))
    assert len(asked) == MAX_TRIES  # as often as a capture may begin inside of a body
    assert counters.get("dissect_streams_unknown_total") == 1
    seen, offered = counters.get("streams_packets_total"), counters.get("streams_payload_bytes_total")
    more = talk.packets[-1:] * 50
    assert items_of(line, batch_of(more)) == []
    assert counters.get("streams_packets_total") == seen + 50
    assert counters.get("streams_payload_bytes_total") == offered
    assert len(asked) == MAX_TRIES
    assert [stream for stream in line._table.register.objects if stream] == []
