"""What client and server agreed on, and the keys that follow from it."""

from __future__ import annotations

from engine.dissect import tls_keylog as log
from engine.dissect.tls_hello import EARLY_DATA, Hello, chosen_version, is_1_3, offered_versions
from engine.dissect.tls_keylog import KeyRing
from engine.dissect.tls_keys import Key, Key13, keys_of_1_2, suite_of
from engine.dissect.tls_opener import Opener

TLS_1_2 = 0x0303
_SECRETS = {
    True: (log.CLIENT_HANDSHAKE, log.CLIENT_TRAFFIC),
    False: (log.SERVER_HANDSHAKE, log.SERVER_TRAFFIC),
}
"""Of the client and of the server: during the handshake, and behind it."""


class Session:
    """One of them; the first ClientHello names it, also where another one is asked for."""

    __slots__ = ("_suite", "client", "offers_1_3", "offers_early_data", "random", "server_random", "version")

    def __init__(self) -> None:
        self.client = -1
        """The direction that sent a ClientHello; -1: not known."""
        self.random = b""
        """Of the client."""
        self.server_random = b""
        self.version = 0
        """What was chosen; 0: nothing yet."""
        self.offers_1_3 = self.offers_early_data = False
        self._suite = 0

    @property
    def server(self) -> int:
        """The direction that answers; -1: not known."""
        return 1 - self.client if self.client >= 0 else -1

    @property
    def is_1_3(self) -> bool:
        """TLS 1.3 was chosen."""
        return is_1_3(self.version)

    @property
    def can_be_opened(self) -> bool:
        """With its secrets, records could be."""
        old_enough = self.is_1_3 or self.version == TLS_1_2
        return self.random != b"" and old_enough and suite_of(self._suite, self.version) is not None

    def asked(self, hello: Hello, direction: int) -> None:
        """A ClientHello came."""
        self.client = direction
        self.random = hello.random if len(hello.random) == 32 else b""
        self.offers_1_3 = any(is_1_3(version) for version in offered_versions(hello))
        self.offers_early_data = hello.extension(EARLY_DATA) is not None
        self.version = 0

    def answered(self, hello: Hello, direction: int) -> None:
        """A ServerHello came."""
        self.client = 1 - direction
        self.version = chosen_version(hello)
        self.server_random = hello.random
        self._suite = hello.suites[0] if hello.suites else 0

    def opens_flight(self, keys: KeyRing) -> bool:
        """TLS 1.3: whether what the server says behind its hello can be read now."""
        return self.can_be_opened and log.SERVER_HANDSHAKE in keys.secrets_of(self.random)

    def opener(self, keys: KeyRing, direction: int, finished: bool) -> Opener | None:
        """For the records of one direction; None: the secrets are not there."""
        if not self.can_be_opened:
            return None
        found, suite = keys.secrets_of(self.random), suite_of(self._suite, self.version)
        assert suite is not None
        made: list[Key] = []
        if self.is_1_3:
            labels = _SECRETS[direction == self.client][finished:]
            made += [Key13(suite, found[label]) for label in labels if label in found]
        elif log.MASTER in found and len(self.server_random) == 32:
            both = keys_of_1_2(suite, found[log.MASTER], self.random, self.server_random)
            made.append(both[direction != self.client])
        return Opener(made) if made else None

    def early_opener(self, keys: KeyRing) -> Opener | None:
        """For what the client sent before it was answered, and what it sends behind that (RFC 8446, 2.3)."""
        secret = keys.secrets_of(self.random).get(log.CLIENT_EARLY)
        suite = suite_of(self._suite, self.version)
        if secret is None or suite is None or not self.is_1_3:
            return None
        following = self.opener(keys, self.client, False)
        return Opener([Key13(suite, secret), *(following.keys if following else ())])

    def closed_because(self, keys: KeyRing) -> str:
        """Why nothing of it is decrypted."""
        if not len(keys):
            return "encrypted"
        if not keys.secrets_of(self.random):
            return "no_key"
        return "no_key" if self.can_be_opened else "suite_not_decrypted"
