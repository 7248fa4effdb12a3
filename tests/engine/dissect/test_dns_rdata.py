from __future__ import annotations

import contextlib
import random
import re
import struct
from typing import Any

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest

from engine.dissect.dns_names import Damaged, Names
from engine.dissect.dns_rdata import READERS
from engine.dissect.dns_records import read_record

STYLE = dns.rdata.RdataStyle(
    origin=dns.name.root, relativize=True, base64_chunk_size=0, hex_chunk_size=0, base64_chunk_separator=""
)
TEXTS = {
    "HINFO": ['"arm64" "Linux \\"6\\""'],
    "RP": ["admin.example.com. txt.example.com.", ". ."],
    "AFSDB": ["1 afs.example.com."],
    "RT": ["10 relay.example.com."],
    "NAPTR": [
        '100 10 "S" "SIP+D2U" "" _sip._udp.example.com.',
        '50 50 "u" "E2U+sip" "!^.*$!sip:info@example.com!" .',
    ],
    "KX": ["10 kx.example.com."],
    "DNAME": ["other.example."],
    "DS": ["60485 5 1 2bb183af5f22588179a53b0a98631fad1a292118"],
    "CDS": ["0 0 0 00"],
    "SSHFP": ["2 1 123456789abcdef67890123456789abcdef67890"],
    "RRSIG": ["A 5 3 86400 20300322173103 20030220173103 2642 example.com. b2ZmZW4gYnV0IG5vdCBzaWduZWQ="],
    "NSEC": ["host.example.com. A MX RRSIG NSEC TYPE1234", ". A NS SOA HTTPS CAA"],
    "DNSKEY": ["257 3 8 AwEAAagAIKlVZrpC6Ia7gEzahOR+9W29euxhJhVVLOyQbSEW0O8gcCjFFVQUTf6v58fLjwBd0YI0EzrAcQ=="],
    "CDNSKEY": ["257 3 13 AwEAAagAIKlV"],
    "NSEC3": [
        "1 1 12 aabbccdd 2t7b4g4vsa5smi47k61mv5bv1a22bojr MX DNSKEY NS SOA NSEC3PARAM RRSIG",
        "1 0 0 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr",
    ],
    "NSEC3PARAM": ["1 0 12 aabbccdd", "1 0 0 -"],
    "TLSA": ["3 1 1 d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971"],
    "SMIMEA": ["3 0 0 aabbccdd"],
    "SPF": ['"v=spf1" "-all"'],
    "CAA": ['0 issue "letsencrypt.org; validationmethods=dns-01"', '128 iodef "mailto:a\\"b@example.com"'],
    "SVCB": [
        '1 svc.example. port="8004" ipv4hint="192.0.2.1,192.0.2.2" ipv6hint="2001:db8::1" key667="hello\\210qoo"',
        '16 foo.example.org. mandatory="alpn,ipv4hint" alpn="h2,h3-19" ipv4hint="192.0.2.1"',
        '16 foo.example.org. alpn="f\\\\\\\\oo\\\\,bar,h2"',
        "0 alias.example.",
    ],
    "HTTPS": ['1 . alpn="h2,h3" no-default-alpn ech="AAT+DQAA"'],
}
"""One line for each form that the type has."""


def wire_of(kind: str, text: str) -> bytes:
    wire = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(kind), text).to_wire()
    assert wire is not None
    return wire


def data_of(kind: int, wire: bytes) -> str:
    found: list[dict[str, Any]] = []
    data = bytes(12) + b"\0" + kind.to_bytes(2, "big") + b"\0\1\0\0\0\x3c" + len(wire).to_bytes(2, "big") + wire
    assert read_record(Names(data), data, 12, "", found) == (len(data), None)
    return str(found[0]["data"])


def as_ours(kind: int, wire: bytes) -> str:
    """What dnspython says of it; the root is ``@`` there, relative to itself."""
    told = dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.RdataType.make(kind), wire, 0, len(wire))
    words = told.to_styled_text(STYLE).split(" ")
    return " ".join("." if word == "@" else word for word in words)


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in TEXTS.items() for text in texts])
def test_records_are_written_as_dnspython_writes_them(kind: str, text: str) -> None:
    wire, number = wire_of(kind, text), int(dns.rdatatype.from_text(kind))
    assert data_of(number, wire) == as_ours(number, wire)


def bare(text: str) -> str:
    """Without the backslashes that dnspython puts before more bytes of names than our names have."""
    return re.sub(r'\\(["@();$])', r"\1", text).replace("\\032", " ")


def test_every_reader_has_such_a_line() -> None:
    known = {int(dns.rdatatype.from_text(kind)) for kind in TEXTS}
    assert set(READERS) == known | {14}  # dnspython has no MINFO


def test_two_mailboxes_of_minfo() -> None:
    assert data_of(14, b"\1a\0\0") == "a ."


def test_what_dnspython_reads_is_read_as_it_reads_it() -> None:
    """A byte changed, the end cut off: it refuses more than we do, but what it reads, both read alike."""
    chance = random.Random(1)
    agreed = 0
    for _ in range(4000):
        kind = chance.choice(list(TEXTS))
        number, wire = int(dns.rdatatype.from_text(kind)), bytearray(wire_of(kind, chance.choice(TEXTS[kind])))
        wire[chance.randrange(len(wire))] = chance.randrange(256)
        raw = bytes(wire if chance.random() < 0.7 else wire[: chance.randrange(1, len(wire) + 1)])
        try:
            expected = as_ours(number, raw)
        except (dns.exception.DNSException, ValueError):
            with contextlib.suppress(Damaged, struct.error, IndexError):
                data_of(number, raw)
            continue
        agreed += 1
        assert bare(data_of(number, raw)) == bare(expected), f"{kind} {raw.hex()}"
    assert agreed > 2000


@pytest.mark.parametrize(
    ("kind", "wire"),
    [
        (47, b"\0\0\x21" + b"\xff" * 33),
        (47, b"\0\1\1\xff\0\1\xff"),
        (47, b"\0\0\5\xff"),
        (65, b"\0\1\0\0\1\0\5\2h2"),
        (65, b"\0\1\0\0\4\0\3\1\2\3"),
        (257, b"\0\x20issue"),
    ],
)
def test_data_that_contradicts_itself_is_damaged(kind: int, wire: bytes) -> None:
    with pytest.raises(Damaged):
        data_of(kind, wire)
