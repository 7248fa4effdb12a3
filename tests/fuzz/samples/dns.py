"""DNS over UDP: what its golden trace says."""

from __future__ import annotations

from engine.streams.stream import CLIENT, SERVER, UDP
from tests.support.streams import Said

PORT, TRANSPORT = 53, UDP
NAME = b"\3www\4shop\4test\0"
QUERY = b"\0\1\1\0\0\1\0\0\0\0\0\0" + NAME + b"\0\1\0\1"
RECORDS = (
    b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\0\0\2",
    b"\xc0\x0c\0\x1c\0\1\0\0\0\x3c\0\x10" + bytes(15) + b"\1",
    b"\xc0\x0c\0\5\0\1\0\0\0\x3c\0\7\4edge\xc0\x10",
    b"\xc0\x0c\0\x0f\0\1\0\0\0\x3c\0\x09\0\x0a\4mail\xc0\x10",
    b"\xc0\x0c\0\x10\0\1\0\0\0\x3c\0\x08\3v=1\3all",
    b"\xc0\x0c\0\x21\0\1\0\0\0\x3c\0\x0c\0\1\0\2\1\x85\4ldap\0",
    b"\xc0\x0c\0\6\0\1\0\0\0\x3c\0\x1c\2ns\xc0\x10\1r\xc0\x10" + bytes(20),
    b"\0\0\x29\4\xd0\0\0\x80\0\0\6\0\x0a\0\2ab",
    b"\0\0\x29\4\xd0\0\0\x80\0\0\x18\0\x08\0\7\0\1\x18\0\xc0\0\2\0\x0f\0\2\0\x0f\0\x0c\0\3\0\0\0",
    b"\xc0\x0c\0\x41\0\1\0\0\0\x3c\0\x15\0\1\0\0\1\0\6\2h3\2h2\0\4\0\4\x0a\0\0\2",
    b"\xc0\x0c\0\x23\0\1\0\0\0\x3c\0\x12\0\x64\0\x0a\1S\7SIP+D2U\0\1a\xc0\x0c",
    b"\xc0\x0c\1\1\0\1\0\0\0\x3c\0\x0e\0\5issueca.test",
    b"\xc0\x0c\0\x2b\0\1\0\0\0\x3c\0\x18\x4f\x66\x08\2" + bytes(20),
    b"\xc0\x0c\0\x2e\0\1\0\0\0\x3c\0\x1c\0\1\x0d\2" + bytes(14) + b"\4shop\xc0\x10" + bytes(3),
    b"\xc0\x0c\0\x2f\0\1\0\0\0\x3c\0\x0b\1a\xc0\x0c\0\6\x40\1\0\0\0\3",
    b"\xc0\x0c\0\x32\0\1\0\0\0\x3c\0\x11\1\0\0\x0a\4abcd\4efgh\0\1\x40",
)


def answer(*records: bytes) -> bytes:
    """To ``QUERY``."""
    return b"\0\1\x81\x80\0\1" + len(records).to_bytes(2, "big") + bytes(4) + QUERY[12:] + b"".join(records)


def conversations() -> list[list[Said]]:
    """Queries and answers with every kind of record."""
    talks: list[list[Said]] = [[(CLIENT, QUERY), (SERVER, answer(*RECORDS))]]
    talks += [[(CLIENT, QUERY), (SERVER, answer(record))] for record in RECORDS]
    transfer = QUERY[:-4] + b"\0\xfc\0\1"
    talks.append([(CLIENT, transfer), *((SERVER, answer(record)) for record in RECORDS[:3])])
    return [*talks, [(CLIENT, QUERY), (SERVER, b"\0\1\x81\x83" + QUERY[4:])]]
