from __future__ import annotations

from typing import Any

import dns.edns
import dns.flags
import dns.message
import pytest

from engine.dissect.dns_edns import ERRORS
from engine.dissect.dns_payload import DnsPayload

OPTIONS: list[tuple[dns.edns.Option, str, str]] = [
    (dns.edns.ECSOption("192.0.2.77", 24), "client-subnet", "192.0.2.0/24/0"),
    (dns.edns.ECSOption("2001:db8::1", 56, 48), "client-subnet", "2001:db8::/56/48"),
    (dns.edns.ECSOption("0.0.0.0", 0), "client-subnet", "0.0.0.0/0/0"),
    (dns.edns.CookieOption(bytes(range(8)), b""), "cookie", "0001020304050607"),
    (dns.edns.CookieOption(bytes(8), bytes(range(8, 16))), "cookie", "000000000000000008090a0b0c0d0e0f"),
    (dns.edns.EDEOption(dns.edns.EDECode.make(15), "by policy"), "extended-error", '15 Blocked "by policy"'),
    (dns.edns.EDEOption(dns.edns.EDECode.make(3)), "extended-error", "3 Stale Answer"),
    (dns.edns.EDEOption(dns.edns.EDECode.make(4242)), "extended-error", "4242"),
    (dns.edns.NSIDOption(b"ns1.fra"), "nsid", '"ns1.fra"'),
    (dns.edns.NSIDOption(b"\0\1"), "nsid", "0001"),
    (dns.edns.GenericOption(dns.edns.OptionType.make(11), b"\0\x64"), "tcp-keepalive", "10 s"),
    (dns.edns.GenericOption(dns.edns.OptionType.make(12), bytes(31)), "padding", "31 bytes"),
    (dns.edns.GenericOption(dns.edns.OptionType.make(14), b"\x4f\x66\x4a\x5c"), "key-tag", "20326,19036"),
    (dns.edns.GenericOption(dns.edns.OptionType.make(9), b"\0\0\x0e\x10"), "expire", "3600"),
    (dns.edns.GenericOption(dns.edns.OptionType.make(65001), b"\xab"), "option 65001", "ab"),
    (dns.edns.GenericOption(dns.edns.OptionType.make(8), b"\0\3\1\1"), "client-subnet", "00030101"),
    (
        dns.edns.GenericOption(dns.edns.OptionType.make(8), b"\0\1\x21\0" + bytes(5)),
        "client-subnet",
        "000121000000000000",
    ),
    (dns.edns.GenericOption(dns.edns.OptionType.make(8), b"\0\1\x20\0abc"), "client-subnet", "00012000616263"),
]


def query(*options: dns.edns.Option, payload: int = 1232, flags: int = 0) -> dns.message.Message:
    asked = dns.message.make_query("www.example.com", "A")
    asked.use_edns(0, flags, payload, options=list(options))
    return asked


def section_of(message: dns.message.Message) -> dict[str, Any]:
    wire = message.to_wire()
    payload = DnsPayload(wire, wire[2] < 0x80, None)
    assert payload.problem() is None
    return payload.section()


@pytest.mark.parametrize(("option", "name", "value"), OPTIONS, ids=lambda value: value if type(value) is str else "")
def test_options_are_told_in_query_and_answer(option: dns.edns.Option, name: str, value: str) -> None:
    asked = query(option)
    answered = dns.message.make_response(asked, our_payload=1232)
    answered.use_edns(0, 0, 1232, options=[option])
    for section in (section_of(asked), section_of(answered)):
        assert section["edns"]["options"] == [{"code": int(option.otype), "name": name, "value": value}]
    (record,) = section_of(answered)["additionals"]
    assert record["opt"] == f"version 0, udp 1232, {name} {value}"


@pytest.mark.parametrize("flags", [0, dns.flags.DO])
def test_a_query_that_ends_with_a_bare_opt_is_read_as_any_other(flags: int) -> None:
    bare, padded = (
        query(flags=flags, payload=4096),
        query(dns.edns.GenericOption(dns.edns.OptionType.make(12), b""), flags=flags, payload=4096),
    )
    edns = section_of(bare)["edns"]
    assert edns == {"version": 0, "udpSize": 4096, "dnssecOk": bool(flags), "options": []}
    assert {**section_of(padded)["edns"], "options": []} == edns
    assert "additionals" not in section_of(padded)


def test_extended_errors_are_named_as_dnspython_names_them() -> None:
    for code in dns.edns.EDECode:
        told = dns.edns.EDEOption(code).to_text()
        assert ERRORS[code].lower() == told[told.index("(") + 1 : -1].lower()


def test_an_option_that_the_message_cuts_is_shown_as_far_as_it_goes() -> None:
    wire = query(dns.edns.CookieOption(bytes(8), b"")).to_wire()
    cut = wire[:-14] + (10).to_bytes(2, "big") + wire[-12:-2]  # the record is shorter than its option
    (option,) = DnsPayload(cut, True, None).section()["edns"]["options"]
    assert option == {"code": 10, "name": "cookie", "value": "000000000000"}
