"""ClientHello and ServerHello taken apart (RFC 8446, 4.1; RFC 5246, 7.4.1), and the fingerprints made of them.

::

    client | version u16 | random 32 | session id <u8> | suites <u16> | compression <u8> | extensions <u16> |
    server | version u16 | random 32 | session id <u8> | suite u16    | compression u8   | extensions <u16> |
    SSLv2  | 1 u8 | version u16 | suites u16 | id u16 | challenge u16 | suites, 3 bytes each | id | challenge |
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from engine.dissect.tls_codes import GREASE, is_draft

RETRY_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""A ServerHello with this random asks for another ClientHello (RFC 8446, 4.1.3)."""
SERVER_NAME, GROUPS, POINT_FORMATS, SIGNATURES, ALPN = 0, 10, 11, 13, 16
PRE_SHARED_KEY, EARLY_DATA, SUPPORTED_VERSIONS, KEY_SHARE = 41, 42, 43, 51
TLS_1_3 = 0x0304
_LAST_DRAFT_WITHOUT_SESSION_ID = 0x7F00 + 21


class Cut(ValueError):
    """A length says more than there is."""


@dataclass(slots=True)
class Hello:
    """Either one; what came before a mistake is there."""

    version: int = 0
    """As it stands in front; ``chosen_version`` and ``offered_versions`` know better."""
    random: bytes = b""
    session_id: bytes = b""
    suites: list[int] = field(default_factory=list)
    """Of a server: one."""
    extensions: list[tuple[int, bytes]] = field(default_factory=list)
    fault: str = ""

    def extension(self, code: int) -> bytes | None:
        """The content of an extension, the first one of its kind."""
        for kind, content in self.extensions:  # a generator takes three times as long, and 15 are looked for
            if kind == code:
                return content
        return None


def client_hello(body: bytes) -> Hello:
    """The body of a handshake message of type 1. Total."""
    hello = Hello()
    try:
        pos = _begin(hello, body)
        hello.session_id, pos = vector(body, pos, 1)
        suites, pos = vector(body, pos, 2)
        hello.suites = numbers(suites)
        _, pos = vector(body, pos, 1)
        _extensions(hello, body, pos)
    except Cut as cut:
        hello.fault = str(cut)
    return hello


def server_hello(body: bytes) -> Hello:
    """The body of a handshake message of type 2, that of a draft of TLS 1.3 as well. Total."""
    hello = Hello()
    try:
        pos = _begin(hello, body)
        old_draft = is_draft(hello.version) and hello.version <= _LAST_DRAFT_WITHOUT_SESSION_ID
        if not old_draft:
            hello.session_id, pos = vector(body, pos, 1)
        hello.suites = [_u16(body, pos)]
        _extensions(hello, body, pos + (2 if old_draft else 3))
    except Cut as cut:
        hello.fault = str(cut)
    return hello


def sslv2_hello(data: bytes) -> Hello:
    """A ClientHello in the form of SSLv2, without its two bytes of length (RFC 5246, E.2). Total."""
    hello = Hello(version=int.from_bytes(data[1:3], "big"))
    sizes = [int.from_bytes(data[at : at + 2], "big") for at in (3, 5, 7)]
    suites = data[9 : 9 + sizes[0]]
    hello.suites = [int.from_bytes(suites[at : at + 3], "big") for at in range(0, len(suites) - 2, 3)]
    begin = 9 + sizes[0]
    hello.session_id = data[begin : begin + sizes[1]]
    challenge = data[begin + sizes[1] : begin + sizes[1] + sizes[2]]
    hello.random = challenge[-32:].rjust(32, b"\0")
    if len(data) < 9 + sum(sizes):
        hello.fault = "the hello is cut"
    return hello


def _begin(hello: Hello, body: bytes) -> int:
    hello.version = _u16(body, 0)
    hello.random = body[2:34]
    if len(body) < 34:
        raise Cut("the random is cut")
    return 34


def _extensions(hello: Hello, body: bytes, pos: int) -> None:
    if pos >= len(body):
        return  # there need not be any
    block, _ = vector(body, pos, 2)
    pos = 0
    while pos < len(block):
        code = _u16(block, pos)
        content, pos = vector(block, pos + 2, 2)
        hello.extensions.append((code, content))


def _u16(data: bytes, pos: int) -> int:
    if pos + 2 > len(data):
        raise Cut(f"cut at byte {pos}")
    return data[pos] << 8 | data[pos + 1]


def vector(data: bytes, pos: int, width: int) -> tuple[bytes, int]:
    """What stands behind a length of ``width`` bytes at ``pos``, and where it ends.

    Raises:
        Cut: it ends behind ``data``.
    """
    begin = pos + width
    end = begin + int.from_bytes(data[pos:begin], "big")
    if end > len(data) or begin > len(data):
        raise Cut(f"cut at byte {pos}")
    return data[begin:end], end


def numbers(data: bytes) -> list[int]:
    """Numbers of 16 bits; an odd byte at the end is left out."""
    return [data[at] << 8 | data[at + 1] for at in range(0, len(data) - 1, 2)]


def vectors(data: bytes, width: int) -> Iterator[bytes]:
    """All vectors that stand in a row; ends where one is cut."""
    pos = 0
    while pos < len(data):
        try:
            content, pos = vector(data, pos, width)
        except Cut:
            return
        yield content


def numbers_in(content: bytes | None, width: int = 2) -> list[int]:
    """The numbers of an extension that is one list of them; ``width`` of its length."""
    try:
        return numbers(vector(content, 0, width)[0]) if content is not None else []
    except Cut:
        return []


def server_name(hello: Hello) -> str:
    """The host that was asked for, ``""`` if none (RFC 6066, 3)."""
    content, pos = hello.extension(SERVER_NAME) or b"", 2
    try:
        while pos < len(content):
            name, end = vector(content, pos + 1, 2)
            if content[pos] == 0:
                return name.decode("utf-8", "backslashreplace")
            pos = end
    except Cut:
        pass
    return ""


def protocols(hello: Hello) -> list[str]:
    """The protocols inside, offered or chosen (RFC 7301, 3.1)."""
    return [name.decode("utf-8", "backslashreplace") for name in vectors((hello.extension(ALPN) or b"")[2:], 1)]


def offered_versions(hello: Hello) -> list[int]:
    """What a client offers: the extension goes before the field."""
    content = hello.extension(SUPPORTED_VERSIONS)
    return [hello.version] if content is None else numbers_in(content, 1)


def chosen_version(hello: Hello) -> int:
    """What a server chose."""
    content = hello.extension(SUPPORTED_VERSIONS)
    return hello.version if content is None or len(content) != 2 else content[0] << 8 | content[1]


def is_1_3(version: int) -> bool:
    """Whether records behind the ServerHello are those of TLS 1.3."""
    return version == TLS_1_3 or is_draft(version)


def shares(hello: Hello, *, of_client: bool) -> list[int]:
    """Groups for which there is a key share (RFC 8446, 4.2.8)."""
    content = hello.extension(KEY_SHARE) or b""
    if not of_client:
        return numbers(content[:2])
    found, pos = [], 2
    while pos + 4 <= len(content):
        found.append(content[pos] << 8 | content[pos + 1])
        pos += 4 + (content[pos + 2] << 8 | content[pos + 3])
    return found


def ja3_of(hello: Hello) -> str:
    """The text whose MD5 is the JA3 fingerprint of a client."""
    formats = (hello.extension(POINT_FORMATS) or b"")[1:]
    return ",".join(
        (
            str(hello.version),
            _joined(hello.suites),
            _joined(code for code, _ in hello.extensions),
            _joined(numbers_in(hello.extension(GROUPS))),
            "-".join(map(str, formats)),
        )
    )


def ja3s_of(hello: Hello) -> str:
    """The same of a server."""
    return f"{hello.version},{_joined(hello.suites)},{_joined(code for code, _ in hello.extensions)}"


def _joined(codes: Iterable[int]) -> str:
    return "-".join([str(code) for code in codes if code not in GREASE])


def md5(text: str) -> str:
    """A fingerprint, no protection."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def encrypted_extensions(body: bytes) -> Hello:
    """The body of a handshake message of type 8: extensions alone. Total."""
    hello = Hello()
    try:
        _extensions(hello, body, 0)
    except Cut as cut:
        hello.fault = str(cut)
    return hello
