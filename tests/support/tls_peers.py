"""TLS as OpenSSL speaks it, in memory: what both sides put on the wire, what they said inside, and the key log."""

from __future__ import annotations

import contextlib
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from engine.streams.stream import CLIENT, SERVER
from tests.support.streams import Said

BEGIN = datetime(2025, 1, 1)
NAME = "shop.test"


@cache
def certificate() -> bytes:
    """Key and certificate of ``shop.test``, as PEM; another one in each process."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME), x509.NameAttribute(NameOID.COUNTRY_NAME, "IS")])
    names = [x509.DNSName(NAME), x509.DNSName("*.shop.test")]
    builder = x509.CertificateBuilder(name, name, key.public_key(), 0x0ABC, BEGIN, BEGIN + timedelta(days=36500))
    made = builder.add_extension(x509.SubjectAlternativeName(names), critical=False).sign(key, hashes.SHA256())
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(pem, pkcs8, serialization.NoEncryption()) + made.public_bytes(pem)


@dataclass
class Talk:
    """One connection."""

    said: list[Said] = field(default_factory=list)
    """On the wire, one turn after the other."""
    inside: tuple[bytearray, bytearray] = field(default_factory=lambda: (bytearray(), bytearray()))
    """What client and server said."""
    keys: bytes = b""
    """The key log."""
    client: Any = None
    """The client's ``SSLObject`` at the end."""
    error: str = ""
    """Why the handshake failed."""


class Peers:
    """A client and a server that meet as often as they are asked to."""

    def __init__(
        self,
        *,
        version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
        ciphers: str = "",
        alpn: tuple[str, ...] = ("http/1.1",),
        server_ciphers: str = "",
        curve: str = "",
        trust: bool = True,
    ) -> None:
        self._log = Path(tempfile.mkdtemp(prefix="keylog-")) / "keys"
        self._server, self._client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        pem = self._log.with_name("pem")
        pem.write_bytes(certificate())
        self._server.load_cert_chain(pem)
        for context in (self._server, self._client):
            context.minimum_version = context.maximum_version = version
            context.set_alpn_protocols(list(alpn))
        if trust:
            self._client.load_verify_locations(pem)
        if ciphers:
            self._client.set_ciphers(ciphers)
            self._server.set_ciphers(server_ciphers or ciphers)
        if curve:
            self._server.set_ecdh_curve(curve)
        self._client.keylog_filename = str(self._log)

    def talk(self, *exchanges: tuple[bytes, bytes], before: Talk | None = None) -> Talk:
        """A connection with these requests and answers; ``before``: one whose session goes on."""
        self._log.write_bytes(b"")
        talk = Talk()
        client_in, client_out, server_in, server_out = (ssl.MemoryBIO() for _ in range(4))
        session = before.client.session if before else None
        client = self._client.wrap_bio(client_in, client_out, server_hostname=NAME, session=session)
        server = self._server.wrap_bio(server_in, server_out, server_side=True)
        talk.client = client

        def carry() -> None:
            for direction, sent, arrives in ((CLIENT, client_out, server_in), (SERVER, server_out, client_in)):
                if data := sent.read():
                    talk.said.append((direction, data))
                    arrives.write(data)

        try:
            _shake_hands([client, server], carry)
            for exchange in exchanges:
                for direction, sender, receiver in ((CLIENT, client, server), (SERVER, server, client)):
                    _say(sender, receiver, exchange[direction], carry)
                    talk.inside[direction].extend(exchange[direction])
            for one in (client, server):
                with contextlib.suppress(ssl.SSLError):
                    one.unwrap()
                carry()
        except ssl.SSLError as error:
            talk.error = error.reason
            carry()
        talk.keys = self._log.read_bytes()
        return talk


def _shake_hands(ends: list[ssl.SSLObject], carry: Callable[[], None]) -> None:
    while ends:
        for one in list(ends):
            try:
                one.do_handshake()
                ends.remove(one)
            except ssl.SSLWantReadError:
                pass
            finally:
                carry()


def _say(sender: ssl.SSLObject, receiver: ssl.SSLObject, data: bytes, carry: Callable[[], None]) -> None:
    sender.write(data)
    carry()
    heard = 0
    while heard < len(data):
        heard += len(receiver.read(1 << 20))
