"""Real TLS sessions without a network: OpenSSL on both ends, with its key log, as packets."""

from __future__ import annotations

import datetime
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.packets import TcpConversation

NAME = "shop.example"


@dataclass(frozen=True)
class Session:
    """What both ends said, in turns, and the keys."""

    turns: list[tuple[bool, bytes]]
    """Whether the client speaks, and what."""
    key_log: str

    @property
    def client_random(self) -> bytes:
        """By which the key log names the session."""
        return self.turns[0][1][11:43]

    def conversation(self, client: tuple[str, int], server: tuple[str, int], start_ns: int) -> TcpConversation:
        """The packets."""
        talk = TcpConversation(client, server, start_ns=start_ns)
        talk.handshake()
        for from_client, data in self.turns:
            talk.client_says(data) if from_client else talk.server_says(data)
        talk.finish()
        return talk


def tls_session(folder: Path, path: str) -> Session:
    """``GET path`` and its answer; ``folder`` holds certificate and key log."""
    own, key_log = certificate(folder), folder / "keys.log"
    key_log.unlink(missing_ok=True)
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(own)
    ours = ssl.create_default_context(cafile=str(own))
    ours.keylog_filename = str(key_log)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ours.wrap_bio(to_client, to_server, server_hostname=NAME)
    server = theirs.wrap_bio(to_server, to_client, server_side=True)
    turns: list[tuple[bool, bytes]] = []

    def step(end: ssl.SSLObject) -> bool:
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def flush(pipe: ssl.MemoryBIO, *, from_client: bool) -> None:
        """Note what one end said; the other reads it all the same."""
        if data := pipe.read():
            turns.append((from_client, data))
            pipe.write(data)

    done = False
    while not done:
        ready = step(client)
        flush(to_server, from_client=True)
        done = step(server) and ready
        flush(to_client, from_client=False)
    client.write(f"GET {path} HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
    flush(to_server, from_client=True)
    server.read(4096)
    server.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    flush(to_client, from_client=False)
    return Session(turns, key_log.read_text())


def certificate(folder: Path) -> Path:
    """Certificate and private key of ``NAME`` in one file, made once."""
    path = folder / "certificate.pem"
    if path.exists():
        return path
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + built.public_bytes(serialization.Encoding.PEM))
    return path
