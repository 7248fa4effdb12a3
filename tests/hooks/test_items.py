from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from hooks import Headers, Item, PacketInfo, Record, records

ITEM: dict[str, Any] = {
    "id": "10.0.0.1:30001/000000000144.pcap-2",
    "index": 2,
    "stream": "000000000144.pcap",
    "timestamp": 1703018670360,
    "src": {"ip": "10.0.0.1", "port": "51234", "name": ""},
    "request": {
        "method": "GET",
        "headers": {"Host": "a", "user-agent": "curl"},
        "_hidden": 1,
        "nested": {"list": [{"name": "first"}, 2, [{"name": "inner"}]]},
    },
    "response": None,
    "error": {"type": "timeout", "msg": "no answer"},
    "added": {"by": "somebody else"},
}


@pytest.fixture
def item() -> Item:
    return Item.decode(msgspec.msgpack.encode(ITEM))


def test_an_item_is_the_mapping_that_was_encoded(item: Item) -> None:
    assert isinstance(item, Mapping)
    assert list(item) == list(ITEM)
    assert len(item) == len(ITEM)
    assert dict(item.items()) == ITEM
    assert list(item.values()) == [item[key] for key in item.keys()]  # noqa: SIM118 - the method is what is tested
    assert item == ITEM
    assert item != {**ITEM, "index": 3}
    assert item.as_dict() == ITEM


def test_attributes_are_keys(item: Item) -> None:
    assert item.stream == item["stream"] == "000000000144.pcap"
    assert item.request.method == item["request"]["method"] == "GET"
    assert item.added.by == item["added"]["by"] == "somebody else"
    assert item.error.type == "timeout"


def test_an_unknown_key_is_none_as_an_attribute_and_a_key_error_as_an_item(item: Item) -> None:
    assert item.nothing is None
    assert item.request.nothing is None
    assert item.request.nested.nothing is None
    for mapping in (item, item.request, item.request.headers):
        with pytest.raises(KeyError):
            mapping["nothing"]
        assert mapping.get("nothing") is None
        assert mapping.get("nothing", 7) == 7
        assert "nothing" not in mapping


def test_a_known_key_that_the_item_lacks_is_lacking(item: Item) -> None:
    assert item.dst is None
    assert item.tls is None
    assert "dst" not in item
    with pytest.raises(KeyError):
        item["dst"]
    with pytest.raises(KeyError):
        item["tls"]


def test_a_null_section_is_there_and_null(item: Item) -> None:
    assert item.response is None
    assert item["response"] is None
    assert "response" in item
    assert item.get("response", "default") is None


def test_names_that_begin_with_an_underscore_never_come_from_the_data(item: Item) -> None:
    with pytest.raises(AttributeError):
        item.request._hidden  # noqa: B018 - reading is the test
    with pytest.raises(AttributeError):
        item._nothing  # noqa: B018 - reading is the test
    assert item.request["_hidden"] == 1
    with pytest.raises(KeyError):
        item["__class__"]


def test_nothing_can_be_changed(item: Item) -> None:
    for thing in (item, item.request, item.request.headers):
        with pytest.raises(AttributeError, match="read-only"):
            thing.method = "PUT"
        with pytest.raises(TypeError):
            thing["method"] = "PUT"
        with pytest.raises(AttributeError):
            del thing.method
    item.request.nested.list.append("more")
    item.as_dict()["request"]["method"] = "PUT"
    item.request.as_dict()["nested"]["list"].append("more")
    assert item == ITEM


def test_lists_hold_records(item: Item) -> None:
    first, number, inner = item.request.nested.list
    assert isinstance(first, Record)
    assert first.name == "first"
    assert number == 2
    assert inner[0].name == "inner"


def test_headers_are_found_in_any_case(item: Item) -> None:
    headers = item.request.headers
    assert isinstance(headers, Headers)
    assert headers["User-Agent"] == headers.get("USER-AGENT") == headers["user-agent"] == "curl"
    assert headers.host == "a"
    assert "HOST" in headers
    assert list(headers) == ["Host", "user-agent"]


LEVEL: dict[str, Any] = {
    "status": 200,
    "null": None,
    "list": [{"name": "a"}, [1]],
    "map": {"a": {"b": 1}},
    "headers": {"Host": "a"},
    "get": "not a method",
    "_hidden": 1,
    "dashed-name": 2,
    "ünicode": 3,
}
NAMES = [*LEVEL, "nothing", "values"]


@pytest.mark.parametrize("seed", range(50))
def test_a_level_says_the_same_whatever_was_looked_at_before(seed: int) -> None:
    """Searched for a name, opened, or made of plain data."""
    names = random.Random(seed)
    closed = Item.decode(msgspec.msgpack.encode({"request": LEVEL})).request
    for _ in range(12):
        name, how = names.choice(NAMES), names.choice([_as_attribute, _as_item, _got])
        assert plain(how(closed, name)) == plain(how(Record(LEVEL), name))
    assert closed.as_dict() == LEVEL


def _as_attribute(record: Any, name: str) -> Any:
    try:
        return getattr(record, name)
    except AttributeError as error:
        return str(error)


def _as_item(record: Any, name: str) -> Any:
    try:
        return record[name]
    except KeyError as error:
        return str(error)


def _got(record: Any, name: str) -> Any:
    return record.get(name, "default")


def plain(value: Any) -> Any:
    """With the types that scripts see."""
    if isinstance(value, Record):
        return (type(value), value.as_dict())
    if callable(value):
        return value.__name__
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def test_names_that_no_field_has_are_remembered_in_bounds() -> None:
    closed = Item.decode(msgspec.msgpack.encode({"request": LEVEL})).request
    for number in range(3 * records.MAX_SEARCHES):
        assert closed.get(f"name{number}") is None
    assert len(records._searches) <= records.MAX_SEARCHES
    assert closed.get(5) is None
    assert closed.get("\ud800") is None


def test_what_is_no_text_names_no_header() -> None:
    key: object = 1
    assert key not in Headers({"A": "1"})


def test_of_two_headers_that_differ_by_case_the_exact_one_is_found() -> None:
    headers = Headers({"A": "upper", "a": "lower"})
    assert (headers["A"], headers["a"]) == ("upper", "lower")


def test_a_record_of_plain_data_does_not_change_it() -> None:
    data = {"inner": {"headers": {"A": "1"}}, "list": [{"x": 1}]}
    record = Record(data)
    assert record.inner.headers.a == "1"
    assert record.list[0].x == 1
    assert record.as_dict() == {"inner": {"headers": {"A": "1"}}, "list": [{"x": 1}]}
    assert type(data["inner"]) is dict
    assert repr(record) == "Record({'inner': {'headers': {'A': '1'}}, 'list': [{'x': 1}]})"


@pytest.mark.parametrize("blob", [b"", b"\x01", b"\x81\x01\x02", b"\x81"], ids=["empty", "number", "key", "cut"])
def test_what_is_no_item_is_refused(blob: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        Item.decode(blob).as_dict()


def test_packet_info_travels_as_an_array_and_cannot_be_changed() -> None:
    blob = msgspec.msgpack.encode([1_700_000_000_123_456_789, 96, 1500, True, False])
    info = msgspec.msgpack.decode(blob, type=PacketInfo)
    assert (info.timestamp, info.captureLength, info.length) == (1_700_000_000_123, 96, 1500)
    assert (info.truncated, info.fragmented) == (True, False)
    assert msgspec.msgpack.encode(info) == blob
    with pytest.raises(AttributeError):
        info.length = 1  # type: ignore[misc]
