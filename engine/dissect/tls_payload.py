"""What is in the messages of TLS that become items: a ClientHello, a server's flight, an alert."""

from __future__ import annotations

from typing import Any, NamedTuple

from engine.dissect import tls_codes as codes
from engine.dissect import tls_hello as hellos
from engine.dissect.message import Payload, Problem
from engine.dissect.table import constant
from engine.dissect.tls_certificates import certificates, described

SERVER_HELLO, ENCRYPTED_EXTENSIONS, CERTIFICATE, CERTIFICATE_REQUEST = 2, 8, 11, 13
PROTOCOL_VERSIONS = {
    0x0002: "SSL 2.0", 0x0300: "SSL 3.0", 0x0301: "1.0", 0x0302: "1.1", 0x0303: "1.2", 0x0304: "1.3", 0: "",
}  # fmt: skip


class Refusal(NamedTuple):
    """An alert."""

    level: int
    description: int

    def section(self) -> dict[str, Any]:
        """Its name and how grave it is."""
        level = {1: "warning", 2: "fatal"}.get(self.level, str(self.level))
        return {"alert": codes.name_of(codes.ALERTS, self.description), "level": level}


class AlertPayload:
    """An alert, by itself or as the answer to a ClientHello."""

    __slots__ = ("refusal", "version")

    def __init__(self, refusal: Refusal, version: int) -> None:
        self.refusal = refusal
        self.version = version
        """What was agreed before it, 0: nothing."""

    def section(self) -> dict[str, Any]:
        """``alert`` and ``level``."""
        return self.refusal.section()

    def problem(self) -> Problem | None:
        """Nothing can be wrong in two bytes."""
        return None


class HelloPayload:
    """A ClientHello, in the form of SSLv2 as well."""

    __slots__ = ("_hello", "_is_sslv2", "body", "fault")

    def __init__(self, body: bytes, *, is_sslv2: bool = False) -> None:
        self.body = body
        self.fault = ""
        self._is_sslv2 = is_sslv2
        self._hello: hellos.Hello | None = None

    @property
    def hello(self) -> hellos.Hello:
        """Taken apart."""
        if self._hello is None:
            self._hello = hellos.sslv2_hello(self.body) if self._is_sslv2 else hellos.client_hello(self.body)
        return self._hello

    def section(self) -> dict[str, Any]:
        """``request`` of the item."""
        hello = self.hello
        text = "" if self._is_sslv2 else hellos.ja3_of(hello)
        return {
            "serverName": hellos.server_name(hello),
            "alpn": hellos.protocols(hello),
            "versions": [codes.version_name(version) for version in hellos.offered_versions(hello)],
            "cipherSuites": [codes.suite_name(suite) for suite in hello.suites],
            "ja3": hellos.md5(text) if text else "",
            "ja3Text": text,
            "random": hello.random.hex(),
            "sessionId": hello.session_id.hex(),
            "extensions": _extensions(hello),
            "supportedGroups": _names(codes.GROUPS, hellos.numbers_in(hello.extension(hellos.GROUPS))),
            "signatureAlgorithms": _names(codes.SIGNATURES, hellos.numbers_in(hello.extension(hellos.SIGNATURES))),
            "keyShares": _names(codes.GROUPS, hellos.shares(hello, of_client=True)),
            "earlyData": hello.extension(hellos.EARLY_DATA) is not None,
        }

    def problem(self) -> Problem | None:
        """Where it is cut."""
        fault = self.hello.fault or self.fault
        return Problem("dissection", f"ClientHello: {fault}") if fault else None


class FlightPayload:
    """What a server sends in answer to a ClientHello: its ServerHello and what follows in the clear, or decrypted."""

    __slots__ = ("_certificates", "_hello", "fault", "messages", "resumed", "size_bytes")

    def __init__(self, body: bytes) -> None:
        """Begins with the body of a ServerHello."""
        self.messages: list[tuple[int, bytes]] = [(SERVER_HELLO, body)]
        """Type and body of each message that is shown."""
        self.size_bytes = len(body)
        """Of the messages."""
        self.fault = ""
        self.resumed = False
        """A session of before goes on; TLS 1.3 says so in its hello."""
        self._hello: hellos.Hello | None = None
        self._certificates: tuple[list[bytes], str] | None = None

    @property
    def hello(self) -> hellos.Hello:
        """The ServerHello taken apart."""
        if self._hello is None:
            self._hello = hellos.server_hello(self.messages[0][1])
        return self._hello

    def is_retry(self) -> bool:
        """It asks for another ClientHello."""
        return self.hello.random == hellos.RETRY_RANDOM

    def section(self) -> dict[str, Any]:
        """``response`` of the item."""
        hello = self.hello
        version, text = hellos.chosen_version(hello), hellos.ja3s_of(hello)
        extensions = self._inner_extensions()
        shares = hellos.shares(hello, of_client=False)
        is_1_3 = hellos.is_1_3(version)
        return {
            "version": codes.version_name(version),
            "cipherSuite": codes.suite_name(hello.suites[0]) if hello.suites else "",
            "alpn": next(iter(hellos.protocols(hello) or hellos.protocols(extensions)), ""),
            "random": hello.random.hex(),
            "sessionId": hello.session_id.hex(),
            "extensions": _extensions(hello) + _extensions(extensions),
            "keyShare": codes.name_of(codes.GROUPS, shares[0]) if shares else "",
            "ja3s": hellos.md5(text),
            "ja3sText": text,
            "resumed": hello.extension(hellos.PRE_SHARED_KEY) is not None if is_1_3 else self.resumed,
            "helloRetryRequest": self.is_retry(),
            "certificateRequested": any(kind == CERTIFICATE_REQUEST for kind, _ in self.messages),
            "certificates": [described(each) for each in self._chain()[0]],
        }

    def problem(self) -> Problem | None:
        """What is missing of it."""
        fault = self.hello.fault or self.fault or self._chain()[1]
        return Problem("dissection", f"ServerHello: {fault}") if fault else None

    def _chain(self) -> tuple[list[bytes], str]:
        if self._certificates is None:
            of_1_3 = hellos.is_1_3(hellos.chosen_version(self.hello))
            found = (certificates(body, of_1_3=of_1_3) for kind, body in self.messages if kind == CERTIFICATE)
            self._certificates = next(found, ([], ""))
        return self._certificates

    def _inner_extensions(self) -> hellos.Hello:
        """EncryptedExtensions, where they were decrypted (RFC 8446, 4.3.1)."""
        for kind, body in self.messages:
            if kind == ENCRYPTED_EXTENSIONS:
                return hellos.encrypted_extensions(body)
        return hellos.Hello()


def _extensions(hello: hellos.Hello) -> list[str]:
    return _names(codes.EXTENSIONS, [code for code, _ in hello.extensions])


def _names(names: dict[int, str], found: list[int]) -> list[str]:
    return [codes.name_of(names, code) for code in found]


def _constant(version: str) -> dict[str, Any]:
    return constant(
        "tls",
        version,
        "TLS",
        f"Transport Layer Security {version}".rstrip(),
        macro="tls",
        colour="#3A7D44",
        reference="https://www.rfc-editor.org/rfc/rfc8446" if version in ("", "1.3") else _OLD,
        ports=["443"],
        layer4="tcp",
        priority=0,
    )


_OLD = "https://www.rfc-editor.org/rfc/rfc5246"
CONSTANTS = {code: _constant(version) for code, version in PROTOCOL_VERSIONS.items()}


def describe(request: Payload | None, response: Payload | None) -> dict[str, Any]:
    """TLS in the version that was chosen; where none was, without a version."""
    payload = response or request
    version = 0
    if isinstance(payload, FlightPayload):
        version = hellos.chosen_version(payload.hello)
    elif isinstance(payload, AlertPayload):
        version = payload.version
    return CONSTANTS.get(hellos.TLS_1_3 if hellos.is_1_3(version) else version) or CONSTANTS[0]
