"""From the secrets of a session to the keys of its records (RFC 8446, 7.1 to 7.3; RFC 5246, 5 and 6.3).

The package cryptography decrypts; it is imported with the first key, because that takes 90 ms. Only AEAD suites:
AES-GCM, AES-CCM and ChaCha20-Poly1305, with which it can be told whether a key is the right one.
"""

from __future__ import annotations

import hmac
import struct
from functools import cache, lru_cache
from typing import Any, NamedTuple, Protocol

from engine.dissect.tls_codes import suites
from engine.dissect.tls_hello import is_1_3

_OLD_CHACHA = range(0xCC13, 0xCC16)
"""Of a draft, with nonces of another form."""


class Suite(NamedTuple):
    """What a cipher suite means for its records."""

    algorithm: str
    """``AESGCM``, ``AESCCM``, ``ChaCha20Poly1305``: as the package calls them."""
    key_bytes: int
    tag_bytes: int
    fixed_bytes: int
    """TLS 1.2: of the nonce, what comes from the key derivation; the rest stands in front of each fragment."""
    digest: str
    """Of the key derivation."""


class Aead(Protocol):
    """A key."""

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        """The plaintext; raises ``InvalidTag`` where the key is not the right one."""


@lru_cache(maxsize=64)
def suite_of(code: int, version: int) -> Suite | None:
    """How records of this suite are opened; None: they are not."""
    name = suites().get(code, "")
    if is_1_3(version) != (0x1300 <= code <= 0x13FF) or code in _OLD_CHACHA or not name:
        return None
    cipher = name.partition("_WITH_")[2] or name.removeprefix("TLS_")
    digest = "sha384" if cipher.endswith("SHA384") else "sha256"
    if cipher.startswith("CHACHA20_POLY1305"):
        return Suite("ChaCha20Poly1305", 32, 16, 12, digest)
    algorithm = {"GCM": "AESGCM", "CCM": "AESCCM"}.get(cipher[8:11], "")
    if not cipher.startswith(("AES_128_", "AES_256_")) or not algorithm:
        return None
    return Suite(algorithm, int(cipher[4:7]) // 8, 8 if "CCM_8" in cipher else 16, 4, digest)


def aead(suite: Suite, key: bytes) -> Aead:
    """The key of one direction."""
    from cryptography.hazmat.primitives.ciphers import aead as ciphers  # here and not above: see the module

    made: Any = getattr(ciphers, suite.algorithm)
    return made(key, suite.tag_bytes) if suite.algorithm == "AESCCM" else made(key)  # type: ignore[no-any-return] # Any


@cache
def _wrong() -> tuple[type[Exception], ...]:
    """What decryption raises where the key, the place or the bytes are not the right ones."""
    from cryptography.exceptions import InvalidTag  # here and not above: see the module

    return InvalidTag, ValueError


# -- TLS 1.3 -----------------------------------------------------------------------------------------------------------


def expand_label(secret: bytes, label: str, length: int, digest: str) -> bytes:
    """HKDF-Expand-Label with an empty context (RFC 8446, 7.1)."""
    name = b"tls13 " + label.encode()
    info = struct.pack(">HB", length, len(name)) + name + b"\0"
    block, output, counter = b"", b"", 0
    while len(output) < length:
        counter += 1
        block = hmac.digest(secret, block + info + bytes([counter]), digest)
        output += block
    return output[:length]


class Key13:
    """Opens the records of one direction under one secret."""

    __slots__ = ("_aead", "_iv", "_secret", "_suite", "sequence")

    def __init__(self, suite: Suite, secret: bytes) -> None:
        self._suite, self._secret = suite, secret
        self._aead = aead(suite, expand_label(secret, "key", suite.key_bytes, suite.digest))
        self._iv = int.from_bytes(expand_label(secret, "iv", 12, suite.digest), "big")
        self.sequence = 0
        """Of the next record."""

    def open(self, header: bytes, fragment: bytes, sequence: int) -> tuple[int, bytes] | None:
        """``(type, content)`` of the inner plaintext, without its padding; None: it was encrypted otherwise."""
        nonce = (self._iv ^ sequence).to_bytes(12, "big")
        try:
            padded = self._aead.decrypt(nonce, fragment, header)
        except _wrong():
            return None
        content = padded.rstrip(b"\0")
        return (content[-1], content[:-1]) if content else (0, b"")

    def overhead(self) -> int:
        """Bytes by which a fragment is longer than its content, at least."""
        return self._suite.tag_bytes + 1

    def updated(self) -> Key13:
        """The key behind a KeyUpdate (RFC 8446, 7.2)."""
        return Key13(self._suite, expand_label(self._secret, "traffic upd", len(self._secret), self._suite.digest))


# -- TLS 1.2 -----------------------------------------------------------------------------------------------------------


def expand(secret: bytes, label: bytes, seed: bytes, length: int, digest: str) -> bytes:
    """The PRF of TLS 1.2 (RFC 5246, 5)."""
    seed = label + seed
    link, output = seed, b""
    while len(output) < length:
        link = hmac.digest(secret, link, digest)
        output += hmac.digest(secret, link + seed, digest)
    return output[:length]


class Key12:
    """Opens the records of one direction."""

    __slots__ = ("_aead", "_fixed", "_suite", "sequence")

    def __init__(self, suite: Suite, key: bytes, fixed: bytes) -> None:
        self._suite, self._aead, self._fixed = suite, aead(suite, key), fixed
        self.sequence = 0
        """Of the next record."""

    def open(self, header: bytes, fragment: bytes, sequence: int) -> tuple[int, bytes] | None:
        """As ``Key13.open``; the type stands in the header."""
        suite = self._suite
        explicit = 12 - suite.fixed_bytes
        length = len(fragment) - explicit - suite.tag_bytes
        if length < 0:
            return None
        if explicit:
            nonce = self._fixed + fragment[:explicit]
        else:
            nonce = (int.from_bytes(self._fixed, "big") ^ sequence).to_bytes(12, "big")
        associated = struct.pack(">Q", sequence) + header[:3] + struct.pack(">H", length)
        try:
            return header[0], self._aead.decrypt(nonce, fragment[explicit:], associated)
        except _wrong():
            return None

    def overhead(self) -> int:
        """Bytes by which a fragment is longer than its content."""
        return 12 - self._suite.fixed_bytes + self._suite.tag_bytes


def keys_of_1_2(suite: Suite, master: bytes, client_random: bytes, server_random: bytes) -> tuple[Key12, Key12]:
    """Of the client and of the server (RFC 5246, 6.3)."""
    size, fixed = suite.key_bytes, suite.fixed_bytes
    block = expand(master, b"key expansion", server_random + client_random, 2 * (size + fixed), suite.digest)
    ends = [size, 2 * size, 2 * size + fixed]
    return Key12(suite, block[: ends[0]], block[ends[1] : ends[2]]), Key12(
        suite, block[size : ends[1]], block[ends[2] :]
    )


Key = Key12 | Key13
