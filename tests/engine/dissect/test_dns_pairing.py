from __future__ import annotations

from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest

from engine.dissect.dns_codes import TYPES
from engine.items.item import LazyItem
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, SERVER, TCP, UDP, Stream
from tests.support.dissecting import dissection, feed
from tests.support.streams import START_NS, a_stream, chunks_of, datagram, split_anywhere

GROUP4, GROUP6 = bytes(10) + b"\xff\xff\xe0\0\0\xfb", b"\xff\2" + bytes(13) + b"\xfb"


def query(name: str = "www.example.com", kind: str = "A", id: int = 7) -> dns.message.Message:
    return dns.message.make_query(name, kind, id=id)


def answer(asked: dns.message.Message, *records: str) -> dns.message.Message:
    told = dns.message.make_response(asked)
    told.answer = [record_of(record) for record in records]
    return told


def record_of(text: str) -> dns.rrset.RRset:
    name, ttl, group, kind, data = text.split(" ", 4)
    return dns.rrset.from_text(dns.name.from_text(name), int(ttl), group, kind, data)


def dissected(stream: Stream, *said: tuple[int, dns.message.Message | bytes]) -> list[LazyItem]:
    """The items of what was said a millisecond apart, and of what the end of the stream leaves."""
    line, items = dissection(), []
    for number, (direction, message) in enumerate(said):
        data = message if isinstance(message, bytes) else message.to_wire()
        data = len(data).to_bytes(2, "big") + data if stream.protocol == TCP else data
        items += feed(line, [Chunk(stream, direction, data, [0], [START_NS + number * 1_000_000], 0)])
    stream.state = "idle"
    return items + line.ended(stream)


def halves(items: list[LazyItem]) -> list[tuple[str, int, str]]:
    """Of each item: the name asked for, how many answers (-1: no response), the type of its error."""
    found = []
    for item in items:
        asked = (item["request"] or item["response"])["questions"]
        answers = -1 if item["response"] is None else len(item["response"]["answers"])
        found.append((asked[0]["name"] if asked else "", answers, (item["error"] or {}).get("type", "")))
    return found


def test_a_response_answers_the_query_with_its_id_and_question() -> None:
    one, other = query("one.test"), query("other.test")
    found = dissected(
        a_stream(UDP, 53),
        (CLIENT, one),
        (CLIENT, other),
        (SERVER, answer(other, "other.test 60 IN A 10.0.0.2")),
        (SERVER, answer(one)),
    )
    assert halves(found) == [("other.test", 1, ""), ("one.test", 0, "")]
    assert [item["elapsedTime"] for item in found] == [1, 3]


def test_an_answer_to_another_question_answers_nothing() -> None:
    """Of an attacker who guesses ids, or of a broken server."""
    found = dissected(
        a_stream(UDP, 53), (CLIENT, query()), (SERVER, answer(query("evil.test"))), (SERVER, answer(query(kind="AAAA")))
    )
    assert halves(found) == [
        ("evil.test", 0, "pair-not-found"),
        ("www.example.com", 0, "pair-not-found"),
        ("www.example.com", -1, "timeout"),
    ]


@pytest.mark.parametrize("seed", range(10))
def test_over_tcp_many_queries_in_a_segment_are_answered_in_any_order(seed: int) -> None:
    asked = [query(f"{number}.test", id=number) for number in range(5)]
    said = [(CLIENT, framed(*asked)), (SERVER, framed(*(answer(each) for each in (asked[i] for i in (3, 0, 4, 2, 1)))))]
    found = feed(dissection(), split_anywhere(chunks_of(said, a_stream(port=53)), seed))
    assert halves(found) == [(f"{number}.test", 0, "") for number in (3, 0, 4, 2, 1)]


def framed(*parts: dns.message.Message) -> bytes:
    return b"".join(part.to_wire(prepend_length=True) for part in parts)


def test_case_and_a_missing_question_do_not_matter() -> None:
    refused = dns.message.Message(id=8)
    refused.flags, refused.question = dns.flags.QR, []
    refused.set_rcode(dns.rcode.FORMERR)
    found = dissected(
        a_stream(UDP, 53),
        (CLIENT, query("wWw.Example.com")),
        (CLIENT, query(id=8)),
        (SERVER, answer(query("www.example.COM"))),
        (SERVER, refused),
    )
    assert halves(found) == [("wWw.Example.com", 0, ""), ("www.example.com", 0, "")]
    assert [item["response"]["code"] for item in found] == ["No Error", "Format Error"]


def test_a_query_sent_again_is_an_item_each_time() -> None:
    found = dissected(a_stream(UDP, 53), (CLIENT, query()), (CLIENT, query()), (SERVER, answer(query())))
    assert halves(found) == [("www.example.com", -1, "pair-not-found"), ("www.example.com", 0, "")]


def test_truncation_is_said_and_the_retry_over_tcp_is_an_exchange_of_its_own() -> None:
    cut = answer(query(kind="TXT"))
    cut.flags |= dns.flags.TC
    (short,) = dissected(a_stream(UDP, 53), (CLIENT, query(kind="TXT")), (SERVER, cut))
    whole = answer(query(kind="TXT"), 'www.example.com 60 IN TXT "all of it"')
    (full,) = dissected(a_stream(TCP, 53), (CLIENT, query(kind="TXT")), (SERVER, whole))
    assert [item["response"]["truncated"] for item in (short, full)] == [True, False]
    assert "tc" in short["response"]["flags"]
    assert full["response"]["answers"][0]["txts"] == "all of it"
    assert (short["protocol"]["layer4"], full["protocol"]["layer4"]) == ("udp", "tcp")


@pytest.mark.parametrize("kind", ["AXFR", "IXFR"])
def test_the_second_response_of_a_zone_transfer_needs_no_request(kind: str) -> None:
    transfer = query("example.com", kind)
    parts = [answer(transfer, f"{host}.example.com 60 IN A 10.0.0.1") for host in "abc"]
    parts[1].question = []
    found = dissected(a_stream(TCP, 53), (CLIENT, transfer), *((SERVER, part) for part in parts), (CLIENT, query()))
    assert halves(found) == [
        ("example.com", 1, ""),
        ("", 1, ""),
        ("example.com", 1, ""),
        ("www.example.com", -1, "timeout"),
    ]
    assert [item["request"] is None for item in found] == [False, True, True, False]


def test_an_id_that_is_used_again_behind_a_transfer_is_none() -> None:
    transfer = query("example.com", "AXFR")
    found = dissected(
        a_stream(TCP, 53),
        (CLIENT, transfer),
        (SERVER, answer(transfer)),
        (CLIENT, query()),
        (SERVER, answer(query())),
        (SERVER, answer(query())),
    )
    assert [kind for _, _, kind in halves(found)] == ["", "", "pair-not-found"]


def multicast(port: int, group: bytes = GROUP4, client_port: int = 0) -> Stream:
    stream = a_stream(UDP, port)
    stream.server_ip, stream.client_port = group, client_port or port
    return stream


def mdns_query(*questions: tuple[str, int]) -> bytes:
    asked = dns.message.Message(id=0)
    asked.flags = 0
    for name, group in questions:
        asked.question.append(
            dns.rrset.RRset(dns.name.from_text(name), dns.rdataclass.RdataClass.make(group), dns.rdatatype.PTR)
        )
    return asked.to_wire()


@pytest.mark.parametrize("group", [GROUP4, GROUP6])
def test_queries_to_a_group_are_items_without_an_error(group: bytes) -> None:
    asked = mdns_query(("_http._tcp.local", 0x8001), ("_ipp._tcp.local", 1))
    (item,) = dissected(multicast(5353, group), (CLIENT, asked))
    assert (item["error"], item["response"]) == (None, None)
    assert item["request"]["questions"] == [
        {"name": "_http._tcp.local", "type": "PTR", "class": "IN", "unicastResponse": True},
        {"name": "_ipp._tcp.local", "type": "PTR", "class": "IN", "unicastResponse": False},
    ]


def test_known_answers_stand_in_the_request() -> None:
    asked = dns.message.from_wire(mdns_query(("_http._tcp.local", 1)))
    asked.answer = [record_of("_http._tcp.local 4500 IN PTR web._http._tcp.local.")]
    (item,) = dissected(multicast(5353), (CLIENT, asked))
    (known,) = item["request"]["answers"]
    assert (known["ptr"], known["ttl"], known["cacheFlush"]) == ("web._http._tcp.local", 4500, False)
    assert (item["request"]["authorities"], item["request"]["additionals"]) == ([], [])


def test_multicast_answers_say_which_records_flush_the_cache() -> None:
    told = dns.message.Message(id=0)
    told.flags = dns.flags.QR | dns.flags.AA
    told.use_edns(0, 0, 1440)
    wire = bytearray(told.to_wire())
    wire[7] = 2
    record = b"\4host\5local\0\0\1\x80\1\0\0\0\x78\0\4\x0a\0\0\2"
    wire[12:12] = record + record.replace(b"\x80\1", b"\0\1")
    (item,) = dissected(multicast(5353), (CLIENT, bytes(wire)))
    assert (item["error"], item["request"]) == (None, None)
    answers: list[dict[str, Any]] = item["response"]["answers"]
    assert [(one["class"], one["cacheFlush"], one["ip"]) for one in answers] == [
        ("IN", True, "10.0.0.2"),
        ("IN", False, "10.0.0.2"),
    ]
    (opt,) = item["response"]["additionals"]
    assert (opt["class"], "cacheFlush" in opt) == ("CLASS1440", False)


def test_one_host_that_is_asked_answers_as_any_server() -> None:
    stream = a_stream(UDP, 5353)
    found = dissected(stream, (CLIENT, query("host.local")), (SERVER, answer(query("host.local"))))
    assert halves(found) == [("host.local", 0, "")]
    assert found[0]["request"] is not None


def test_llmnr_is_asked_of_a_group_and_answered_by_a_host() -> None:
    asked, told = query("printer"), answer(query("printer"), "printer 30 IN A 10.0.0.2")
    told.flags |= dns.flags.AA
    (question,) = dissected(multicast(5355, GROUP4[:-1] + b"\xfc", 51000), (CLIENT, asked))
    (response,) = dissected(a_stream(UDP, 5355), (SERVER, told))
    assert (question["error"], response["error"]) == (None, None)
    assert question["request"]["flags"] == ["t"]  # the bit that is rd elsewhere
    assert response["response"]["flags"] == ["c", "t"]


def test_updates_show_their_records() -> None:
    zone = query("example.com", "SOA")
    zone.set_opcode(dns.opcode.UPDATE)
    wire = bytearray(zone.to_wire())
    wire[7], wire[9] = 1, 2
    wire += b"\1a\xc0\x0c\0\1\0\xff\0\0\0\0\0\0"  # prerequisite: there is an address
    wire += b"\1a\xc0\x0c\0\1\0\xff\0\0\0\0\0\0"  # delete it
    wire += b"\1a\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\0\0\3"  # add one
    (item,) = dissected(a_stream(UDP, 53), (CLIENT, bytes(wire)))
    request = item["request"]
    assert (request["opCode"], item["error"]["type"]) == ("Update", "timeout")
    told = [(one["name"], one["class"], one["ip"]) for one in request["answers"] + request["authorities"]]
    assert told == [("a.example.com", "ANY", "")] * 2 + [("a.example.com", "IN", "10.0.0.3")]


def test_dnspython_and_we_agree_on_types() -> None:
    assert {int(kind): TYPES[kind] for kind in dns.rdatatype.RdataType} == {
        int(kind): dns.rdatatype.to_text(kind) for kind in dns.rdatatype.RdataType
    }


def test_a_cut_datagram_still_pairs() -> None:
    line, stream = dissection(), a_stream(UDP, 53)
    asked = query()
    items = feed(line, [datagram(stream, CLIENT, asked.to_wire())])
    items += feed(line, [datagram(stream, SERVER, answer(asked).to_wire()[:-1], missing_bytes=1)])
    assert [item["error"]["type"] for item in items] == ["dissection"]
    assert items[0]["request"] is not None
