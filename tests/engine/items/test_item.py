from __future__ import annotations

import json

import pytest

from engine.items.item import LazyItem
from engine.resolve.resolver import Name
from engine.resolve.static import StaticNames
from engine.streams.stream import CLIENT, SERVER, UDP
from hooks import Item
from tests.support.dissecting import GET, OK, dissection, feed
from tests.support.streams import BYTE_NS, START_NS, a_stream, chunks_of, datagram

KEYS = {
    "id", "index", "stream", "worker", "node", "protocol", "tls", "src", "dst", "timestamp", "startTime", "request",
    "response", "requestSize", "responseSize", "elapsedTime", "passed", "failed", "error", "entryFile", "record",
    "outgoing",
}  # fmt: skip
PROTOCOL_KEYS = {
    "name", "version", "abbr", "longName", "macro", "backgroundColor", "foregroundColor", "fontSize", "referenceLink",
    "ports", "layer4", "layer3", "priority",
}  # fmt: skip
NAMES = {
    "10.0.0.2": Name("shop.web", "web", service="shop", pod="shop-1", labels={"app": "shop"}, node="n2"),
    "10.0.0.1:51234": Name("curl", process="curl", process_id=42),
}


@pytest.fixture
def item() -> LazyItem:
    into = dissection(StaticNames(NAMES))
    talk = [(CLIENT, GET % 0), (SERVER, OK % 200), (CLIENT, GET % 1), (SERVER, OK % 500)]
    return feed(into, chunks_of(talk, a_stream(number=17720)))[1]


def test_the_envelope_is_that_of_kubeshark(item: LazyItem) -> None:
    whole = item.as_dict()
    assert set(whole) == KEYS
    started_ns = START_NS + BYTE_NS * (len(GET % 0) + len(OK % 200))
    envelope = {key: whole[key] for key in KEYS - {"protocol", "src", "dst", "request", "response"}}
    assert envelope == {
        "id": "10.0.0.9:30001/000000017720.pcap-1",
        "index": 1,
        "stream": "000000017720.pcap",
        "worker": "10.0.0.9:30001",
        "node": {"ip": "10.0.0.9", "name": "n1"},
        "tls": False,
        "timestamp": started_ns // 1_000_000,
        "startTime": "2023-11-14T22:13:20.000071000Z",
        "requestSize": len(GET % 1),
        "responseSize": len(OK % 500),
        "elapsedTime": 0,
        "passed": False,
        "failed": False,
        "error": None,
        "entryFile": "000000017720_pcap-1_entry.json",
        "record": "",
        "outgoing": False,
    }
    assert started_ns == START_NS + 71_000
    assert item.timestamp_ns == started_ns


def test_names_stand_at_both_ends(item: LazyItem) -> None:
    assert item["src"] == {
        "ip": "10.0.0.1", "port": "51234", "name": "curl", "namespace": "", "processName": "curl", "processId": 42
    }  # fmt: skip
    assert item["dst"] == {
        "ip": "10.0.0.2",
        "port": "80",
        "name": "shop.web",
        "namespace": "web",
        "pod": {
            "metadata": {"name": "shop-1", "namespace": "web", "labels": {"app": "shop"}},
            "spec": {"nodeName": "n2"},
        },
        "service": {"metadata": {"name": "shop", "namespace": "web"}},
    }


@pytest.mark.parametrize(
    ("request_line", "name", "version", "abbr"), [(b"1.0", "http", "1.0", "HTTP"), (b"1.1", "http", "1.1", "HTTP")]
)
def test_the_protocol_is_that_of_the_request(request_line: bytes, name: str, version: str, abbr: str) -> None:
    request = b"GET / HTTP/" + request_line + b"\r\n\r\n"
    (found,) = feed(dissection(), chunks_of([(CLIENT, request), (SERVER, OK % 200)]))
    protocol = found["protocol"]
    assert set(protocol) == PROTOCOL_KEYS
    assert (protocol["name"], protocol["version"], protocol["abbr"], protocol["layer4"]) == (name, version, abbr, "tcp")


def test_the_protocol_of_dns_and_its_stream_name_tell_udp() -> None:
    stream = a_stream(UDP, 53)
    query = b"\0\7\1\0\0\1\0\0\0\0\0\0\3www\0\0\1\0\1"
    answer = datagram(stream, SERVER, query[:2] + b"\x81" + query[3:], START_NS + 7_999_999)
    (found,) = feed(dissection(), [datagram(stream, CLIENT, query), answer])
    assert set(found["protocol"]) == PROTOCOL_KEYS
    assert (found["protocol"]["name"], found["protocol"]["layer4"]) == ("dns", "udp")
    assert (found["stream"], found["entryFile"]) == ("000000000007_udp.pcap", "000000000007_udp_pcap-0_entry.json")
    assert found["elapsedTime"] == 7


@pytest.mark.parametrize(
    "touched", [[], ["stream"], ["request", "error"], ["response", "id"], ["tls", "timestamp"]], ids=str
)
def test_an_item_is_the_same_mapping_whatever_was_touched_first(item: LazyItem, touched: list[str]) -> None:
    for key in touched:
        assert item[key] is item[key]
        assert item.get(key) is item[key]
    assert set(item) == set(item.keys()) == KEYS
    assert len(item) == len(KEYS)
    assert dict(item) == item.as_dict()
    assert Item.decode(item.encode()) == item.as_dict()
    assert item.encode() is item.encode()
    assert json.loads(json.dumps(item.as_dict())) == item.as_dict()


def test_an_unknown_key_is_missing(item: LazyItem) -> None:
    assert item.get("nothing") is None
    assert item.get("nothing", 7) == 7
    assert "nothing" not in item
    assert "request" in item
    with pytest.raises(KeyError):
        item["nothing"]


def test_the_dict_may_be_changed_without_changing_the_item(item: LazyItem) -> None:
    item.as_dict().clear()
    assert item.as_dict()["index"] == 1
    assert Item.decode(item.encode()).index == 1


def test_the_reasons_of_both_halves_are_told() -> None:
    into, stream = dissection(), a_stream()
    chunks = chunks_of([(CLIENT, b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n"), (CLIENT, b"12345")], stream)
    chunks[1] = chunks[1]._replace(missing_bytes=5)
    feed(into, chunks)
    stream.state = "reset"
    (found,) = into.ended(stream)
    assert found["error"] == {
        "type": "connection",
        "msg": "the connection was reset before a response; request body: bytes are missing after 0",
    }
