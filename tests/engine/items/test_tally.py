from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from engine.items import tally as module
from engine.items.tally import OTHERS, Tally, percentiles, rounded


def item(name: str = "http", **fields: Any) -> dict[str, Any]:
    return {
        "protocol": {"name": name, "abbr": name.upper()},
        "request": {},
        "response": {},
        "error": None,
        "requestSize": 10,
        "responseSize": 100,
        "elapsedTime": 1,
        **fields,
    }


@pytest.mark.parametrize("seed", range(50))
def test_percentiles_are_those_of_the_sorted_values(seed: int) -> None:
    chance = random.Random(seed)
    values = sorted(chance.randrange(1000) for _ in range(chance.randrange(1, 300)))
    nearest = [values[-(-len(values) * share // 100) - 1] for share in (50, 90, 99, 100)]
    assert percentiles(Counter(values)) == tuple(nearest)


@pytest.mark.parametrize("seed", range(50))
def test_percentiles_are_within_0_8_percent_and_the_longest_is_exact(seed: int) -> None:
    chance = random.Random(seed)
    values = sorted(int(chance.lognormvariate(4, 4)) for _ in range(chance.randrange(1, 2000)))
    tally = Tally()
    for value in values:
        tally.add(item(request={"a": 1}, response={"a": 1}, elapsedTime=value))
    found = tally.rows("protocol")[0].latency_ms
    assert found is not None
    for share, got in zip((50, 90, 99), found, strict=False):
        exact = values[-(-len(values) * share // 100) - 1]
        assert got == exact if exact < 128 else abs(got - exact) <= 0.008 * exact
    assert found[3] == values[-1]
    assert list(found) == sorted(found)


def test_a_line_holds_a_bounded_number_of_counts_whatever_it_is_told() -> None:
    chance = random.Random(1)
    values = {chance.getrandbits(chance.randrange(1, 70)) for _ in range(200_000)}
    assert 1500 < len({rounded(value) for value in values}) <= 1728
    assert rounded(-5) == 0
    assert len({rounded(value) for value in range(128)}) == 128


def test_of_nothing_there_are_none() -> None:
    assert percentiles({}) is None


@pytest.mark.parametrize(
    ("name", "request_", "response", "keys", "errors"),
    [
        ("http", {"method": "GET", "path": "/a", "headers": {"Host": "x"}}, {"status": 503}, ("503", "GET x/a"), 1),
        ("http", {"method": "GET", "path": "/a", "headers": {":authority": "y"}}, {"status": 20}, ("20", "GET y/a"), 0),
        ("http", {"method": "PUT", "path": "/m"}, {"headers": {"grpc-status": "5"}}, ("grpc 5", "PUT /m"), 1),
        ("dns", {"questions": [{"name": "a.test", "type": "A"}]}, {"code": "No Error"}, ("No Error", "A a.test"), 0),
        ("dns", {"questions": [{"name": "a.test", "type": "A"}]}, {"code": "NXDomain"}, ("NXDomain", "A a.test"), 1),
        ("redis", {"command": "GET"}, {"type": "Error"}, ("Error", "GET"), 1),
        ("kafka", {"apiKeyName": "Produce"}, {}, ("", "Produce"), 0),
        ("amqp", {"method": "basic publish"}, None, ("", "basic publish"), 0),
        ("tls", {"serverName": "a.test"}, {}, ("", "a.test"), 0),
        ("http", None, None, ("", "? "), 0),
    ],
)  # fmt: skip
def test_status_and_endpoint_of_a_protocol(
    name: str, request_: Any, response: Any, keys: tuple[str, str], errors: int
) -> None:
    tally = Tally()
    tally.add(item(name, request=request_, response=response))
    (status,), (endpoint,) = tally.rows("status"), tally.rows("endpoint")
    assert (status.key[1], endpoint.key[1]) == keys
    assert status.errors == endpoint.errors == errors


def test_what_has_an_error_counts_as_one_and_what_was_not_answered_has_no_latency() -> None:
    tally = Tally()
    tally.add(item(response=None, error={"type": "timeout", "msg": ""}))
    (row,) = tally.rows("protocol")
    assert (row.key, row.items, row.errors, row.latency_ms) == (("HTTP",), 1, 1, None)


def test_tables_are_bounded_and_lose_no_item(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", 5)
    tally = Tally()
    for number in range(100):
        tally.add(item(request={"method": "GET", "path": f"/{number}" + "x" * 500}))
    rows = tally.rows("endpoint")
    assert len(rows) == 6
    assert rows[0].key == ("HTTP", OTHERS)
    assert sum(row.items for row in rows) == 100
    assert all(len(row.key[1]) <= module.MAX_TEXT for row in rows)


@pytest.mark.parametrize(
    "odd",
    [
        {"request": "[REDACTED]", "response": "[REDACTED]", "protocol": "[REDACTED]"},
        {"request": {"headers": "[REDACTED]", "questions": [5]}, "response": {"headers": 5, "status": None}},
        {"request": {"questions": {"a": 1}}, "elapsedTime": "[REDACTED]", "requestSize": None},
        {"protocol": {"name": ["http"]}},
    ],
)
@pytest.mark.parametrize("name", ["http", "dns", "redis", "kafka", "amqp", "tls"])
def test_what_is_hidden_or_odd_is_counted(name: str, odd: dict[str, Any]) -> None:
    tally = Tally()
    tally.add({**item(name), **odd})
    assert [sum(row.items for row in tally.rows(table)) for table in ("protocol", "status", "endpoint")] == [1, 1, 1]
