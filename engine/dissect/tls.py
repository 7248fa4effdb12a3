"""TLS on TCP (RFC 8446, RFC 5246): handshakes and alerts as items, and what is inside where a key log opens it.

Without a key, a stream is let go of as soon as both directions are encrypted. With one, ``inner`` gives the plaintext,
as long as somebody wants it. What is left out on purpose: renegotiated sessions and suites without AEAD.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from engine.dissect.message import Message, Payload
from engine.dissect.options import DissectOptions
from engine.dissect.table import Dissector, ProtocolRow
from engine.dissect.tls_half import Half
from engine.dissect.tls_hello import EARLY_DATA, encrypted_extensions
from engine.dissect.tls_keylog import KeyRing
from engine.dissect.tls_payload import AlertPayload, FlightPayload, HelloPayload, Refusal, describe
from engine.dissect.tls_plain import Plaintext
from engine.dissect.tls_records import (
    ALERT,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    HANDSHAKE,
    SSLV2_HELLO,
    Record,
    detect,
)
from engine.dissect.tls_session import Session
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, SERVER, TCP

CLIENT_HELLO, SERVER_HELLO, SERVER_HELLO_DONE, FINISHED, KEY_UPDATE = 1, 2, 14, 20, 24
END_OF_EARLY_DATA, ENCRYPTED_EXTENSIONS = 5, 8
SHOWN = frozenset((ENCRYPTED_EXTENSIONS, 11, 13))
"""EncryptedExtensions, Certificate, CertificateRequest: what a server's flight shows besides its hello."""
LEAST_HELLO_BYTES = 4 + 34
"""Fewer tell nothing: the random is in there."""
HELLO_REQUEST = 0
CLOSE_NOTIFY, FATAL = 0, 2
MAX_STREAM_HELD_BYTES = 64 << 10
"""Encrypted bytes of one stream that may wait for a secret that is late."""


class Tls:
    """Dissector of one TCP stream; a ``Carrier``."""

    __slots__ = (
        "_asked",
        "_done",
        "_early",
        "_early_bytes",
        "_flight",
        "_flight_ns",
        "_halves",
        "_held",
        "_held_bytes",
        "_keys",
        "_max_message_bytes",
        "_muted",
        "_plaintext",
        "_session",
        "_unanswered",
        "lost",
        "successor",
    )

    def __init__(self, options: DissectOptions, keys: KeyRing | None = None) -> None:
        self.lost = ""
        self.successor = None
        self._keys = _NO_KEYS if keys is None else keys
        self._max_message_bytes = options.max_header_bytes
        self._session = Session()
        self._halves = (Half(CLIENT), Half(SERVER))
        self._flight: FlightPayload | None = None
        """What the server has sent so far, while more of it is to come."""
        self._flight_ns = 0
        self._unanswered = 0
        """ClientHellos without an answer."""
        self._done: list[Message] = []
        self._plaintext = Plaintext()
        self._held: list[tuple[Half, Record]] = []
        """Encrypted records that wait for a secret, in their order."""
        self._held_bytes = 0
        self._early: list[Record] = []
        """What the client sent before it was answered, until it is known whether the server took it."""
        self._early_bytes = 0
        self._asked = -1
        """Generation of the keys when they were asked last."""
        self._muted = False

    @property
    def answering(self) -> bool:
        """The server's flight is arriving."""
        return self._flight is not None

    @property
    def held_bytes(self) -> int:
        """Of handshakes that are arriving; what waits for a secret is bounded by the key ring, in all streams."""
        flight_bytes = self._flight.size_bytes if self._flight is not None else 0
        return flight_bytes + sum(len(half.pending) + half.records.held_bytes for half in self._halves)

    def feed(self, chunk: Chunk) -> list[Message]:
        """Handshakes and alerts that end in ``chunk``."""
        half, lost = self._halves[chunk.direction], self.lost
        if lost:
            return []
        if chunk.missing_bytes:
            self._miss(half, chunk.missing_bytes)
        for record in half.records.take(chunk):
            if self.lost:
                break
            self._record(half, record)
        if half.records.fault and not self.lost:
            self._give_up("not_tls")
        done, self._done = self._done, []
        return done

    def close(self, reason: str) -> list[Message]:
        """What is left when the stream ends."""
        if self._held and not self.lost:
            self._try_held()
        if not self.lost:
            self._cut_short(f"the stream ended inside it ({reason})")
            self._let_held_go()
            self.lost = "ended"
        done, self._done = self._done, []
        return done

    def inner(self) -> list[Chunk]:
        """Plaintext since it was asked for last."""
        return self._plaintext.take()

    def mute(self) -> None:
        """Nothing is decrypted any more."""
        self._muted = True
        if not self.lost and self._flight is None:
            self._give_up("inner_not_wanted")

    # -- records -------------------------------------------------------------------------------------------------------

    def _miss(self, half: Half, missing_bytes: int) -> None:
        """In the clear, what there is goes out, and what follows is taken for encrypted."""
        if not half.encrypted:
            self._cut_short("bytes are missing", half)
            half.sealed = True
        half.forget()
        half.records.miss(missing_bytes)
        for record in half.records.flush():
            self._record(half, record)

    def _record(self, half: Half, record: Record) -> None:
        kind = record.kind
        if kind == SSLV2_HELLO:
            self._sslv2(half, record)
        elif kind == APPLICATION_DATA or (half.sealed and kind != CHANGE_CIPHER_SPEC):
            self._encrypted(half, record)
        elif kind == HANDSHAKE:
            self._handshake(half, record.fragment, record, decrypted=False)
        elif kind == ALERT:
            self._alert(half, record.fragment, record, decrypted=False)
        elif kind == CHANGE_CIPHER_SPEC:
            self._change(half)

    def _change(self, half: Half) -> None:
        """A ChangeCipherSpec; in TLS 1.3 it means nothing (RFC 8446, D.4)."""
        session = self._session
        if session.is_1_3 or (not session.version and session.offers_1_3):
            return
        half.sealed, half.opener = True, None
        if self._flight is not None and half.direction == session.server:
            self._flight.resumed = True  # no ServerHelloDone before it (RFC 5246, 7.3)
            self._answer(half.last_ns)
        half.forget()

    def _sslv2(self, half: Half, record: Record) -> None:
        if half.begun or record.damaged:
            self._give_up("not_tls")
            return
        payload = HelloPayload(record.chunk.data[record.start + 2 : record.end], is_sslv2=True)
        half.note(record)
        self._ask(half, payload, record.end_ns)

    # -- handshakes ----------------------------------------------------------------------------------------------------

    def _handshake(self, half: Half, data: bytes, record: Record, *, decrypted: bool) -> None:
        half.note(record)
        pending = half.pending
        pending += data
        while len(pending) >= 4 and not self.lost:
            end = 4 + int.from_bytes(pending[1:4], "big")
            if end - 4 > self._max_message_bytes:
                self._give_up("handshake_too_long")
            if end > len(pending):
                break
            kind, body = pending[0], bytes(pending[4:end])
            del pending[:end]
            self._message(half, kind, body, decrypted=decrypted)
            if pending:
                half.note_rest(record)

    def _message(self, half: Half, kind: int, body: bytes, *, decrypted: bool) -> None:
        session = self._session
        if kind == CLIENT_HELLO and not decrypted:
            self._ask(half, HelloPayload(body), half.last_ns)
        elif kind == SERVER_HELLO and not decrypted:
            self._hear_server(half, body)
        elif kind == FINISHED and decrypted and session.is_1_3:
            self._finished(half)
        elif kind == KEY_UPDATE and decrypted and half.opener is not None:
            half.opener.update()
        elif kind == END_OF_EARLY_DATA and decrypted and half.opener is not None:
            half.opener.advance()
        elif self._flight is not None and half.direction == session.server:
            self._go_on(half, kind, body)
        else:
            half.size_bytes = 0

    def _ask(self, half: Half, payload: HelloPayload, end_ns: int) -> None:
        self._session.asked(payload.hello, half.direction)
        self._unanswered += 1
        self._say(half, payload, end_ns, is_request=True)

    def _hear_server(self, half: Half, body: bytes) -> None:
        if self._flight is not None:
            self._answer(half.last_ns)
        payload = FlightPayload(body)
        self._flight, self._flight_ns = payload, half.start_ns
        self._session.answered(payload.hello, half.direction)
        if payload.is_retry():
            self._session.version = 0
            self._answer(half.last_ns)
        elif self._session.is_1_3 and not self._session.opens_flight(self._keys):
            self._answer(half.last_ns)

    def _go_on(self, half: Half, kind: int, body: bytes) -> None:
        """Another message of the server's flight."""
        flight = self._flight
        assert flight is not None
        if kind == ENCRYPTED_EXTENSIONS and self._early:
            self._hear_of_early(body)
        if kind in SHOWN and flight.size_bytes + len(body) <= self._max_message_bytes:
            flight.size_bytes += len(body)
            flight.messages.append((kind, body))
        elif kind in SHOWN:
            flight.fault = "too long (dissect.maxHeader)"
        if kind == SERVER_HELLO_DONE:
            self._answer(half.last_ns)

    def _finished(self, half: Half) -> None:
        """TLS 1.3: this direction goes on with the next key."""
        if half.direction == self._session.server and self._flight is not None:
            self._answer(half.last_ns)
        if not half.finished:  # another one belongs to an authentication later on
            half.advance()

    def _answer(self, end_ns: int) -> None:
        """The server's flight is whole, or as whole as it gets."""
        flight, self._flight = self._flight, None
        assert flight is not None
        half = self._halves[self._session.server]
        half.start_ns = self._flight_ns
        self._unanswered = max(self._unanswered - 1, 0)
        self._say(half, flight, end_ns, is_request=False)

    def _say(self, half: Half, payload: Payload, end_ns: int, *, is_request: bool, alone: bool = False) -> None:
        size_bytes, half.size_bytes = half.size_bytes, 0
        start_ns = half.start_ns or end_ns
        self._done.append(Message(is_request, half.direction, None, start_ns, end_ns, size_bytes, payload, alone=alone))

    def _alert(self, half: Half, content: bytes, record: Record, *, decrypted: bool) -> None:
        if len(content) != 2:
            if not decrypted:
                half.sealed = True
                self._encrypted(half, record)
            return
        refusal = Refusal(content[0], content[1])
        if decrypted and refusal.description == CLOSE_NOTIFY:
            return  # the stream ends in order
        if self._flight is not None and half.direction == self._session.server:
            self._answer(half.last_ns or record.start_ns)
        payload = AlertPayload(refusal, self._session.version)
        half.size_bytes, half.start_ns = record.size_bytes, record.start_ns
        if self._unanswered and refusal.level == FATAL and half.direction != self._session.client:
            self._unanswered -= 1
            self._say(half, payload, record.end_ns, is_request=False)
        else:
            self._say(half, payload, record.end_ns, is_request=True, alone=True)

    # -- encrypted -----------------------------------------------------------------------------------------------------

    def _encrypted(self, half: Half, record: Record) -> None:
        if record.kind != APPLICATION_DATA and self._session.is_1_3 and not half.records.hunting:
            if record.kind == ALERT and len(record.fragment) == 2 and not record.damaged:
                self._alert(half, record.fragment, record, decrypted=False)
            return
        half.encrypted = True
        if self._held:
            self._hold(half, record)
            if self._asked != self._keys.generation:
                self._try_held()
        elif self._has_key(half):
            self._open(half, record)
        else:
            self._without_key(half, record)

    def _has_key(self, half: Half) -> bool:
        if half.opener is None or half.opener.spent:
            half.opener = self._session.opener(self._keys, half.direction, half.finished)
            self._asked = self._keys.generation
        return half.opener is not None

    def _without_key(self, half: Half, record: Record) -> None:
        """There is no key for this record, or none yet."""
        session = self._session
        if self._flight is not None and half.direction == session.server:
            self._answer(half.last_ns)
        half.unread_bytes += record.size_bytes
        if not session.version and session.random and half.unread_bytes <= MAX_STREAM_HELD_BYTES:
            self._keep_early(half, record)
            return
        if self._keys.growing and session.can_be_opened:
            self._hold(half, record)
        elif self._is_over(half):
            self._give_up(session.closed_because(self._keys))

    def _keep_early(self, half: Half, record: Record) -> None:
        """Early data, where there may be a secret for it."""
        if len(self._keys) and self._session.offers_early_data and half.direction == self._session.client:
            size_bytes = record.end - record.start
            if not self._muted and self._keys.hold(size_bytes):
                self._early.append(record.alone())
                self._early_bytes += size_bytes

    def _hear_of_early(self, extensions: bytes) -> None:
        """The server's EncryptedExtensions say whether it took the early data; what it did not take comes again."""
        early, self._early = self._early, []
        self._keys.let_go(self._early_bytes)
        self._early_bytes = 0
        half = self._halves[self._session.client]
        accepted = encrypted_extensions(extensions).extension(EARLY_DATA) is not None
        opener = self._session.early_opener(self._keys) if accepted else None
        if opener is not None:
            half.opener = opener
            for record in early:
                if not self.lost:
                    self._open(half, record)

    def _is_over(self, half: Half) -> bool:
        """Nothing in the clear will come any more; where one direction is not captured, it is not waited for."""
        closed = all(each.encrypted or each.sealed for each in self._halves)
        return closed or not self._session.random or half.unread_bytes > MAX_STREAM_HELD_BYTES

    def _hold(self, half: Half, record: Record) -> None:
        size_bytes = record.end - record.start
        if self._held_bytes + size_bytes > MAX_STREAM_HELD_BYTES or not self._keys.hold(size_bytes):
            self._give_up("no_key")
            return
        self._held.append((half, record.alone()))
        self._held_bytes += size_bytes

    def _try_held(self) -> None:
        """The keys have changed: open what waits, as far as that goes."""
        held, size_bytes = self._held, self._held_bytes
        self._asked, self._held, self._held_bytes = self._keys.generation, [], 0
        self._keys.let_go(size_bytes)
        for half, record in held:
            if self.lost:
                break
            self._encrypted(half, record)

    def _let_held_go(self) -> None:
        self._keys.let_go(self._held_bytes + self._early_bytes)
        self._held, self._held_bytes = [], 0
        self._early, self._early_bytes = [], 0

    def _open(self, half: Half, record: Record) -> None:
        opener = half.opener
        assert opener is not None
        opened = opener.open(record)
        if opened is None:
            if self._flight is not None and half.direction == self._session.server:
                self._answer(half.last_ns)
            if opener.lost:
                self._give_up("cannot_decrypt")
            return
        kind, content = opened
        if kind == APPLICATION_DATA:
            if not self._muted:
                self._plaintext.add(record, content, opener.missing_bytes)
        elif kind == ALERT:
            self._alert(half, content, record, decrypted=True)
        elif kind == HANDSHAKE and self._session.is_1_3:
            self._handshake(half, content, record, decrypted=True)
        elif kind == HANDSHAKE and content[:1] in (bytes([HELLO_REQUEST]), bytes([CLIENT_HELLO])):
            self._give_up("renegotiated")

    # -- the end -------------------------------------------------------------------------------------------------------

    def _give_up(self, reason: str) -> None:
        if self.lost:
            return
        self.lost = reason
        self._cut_short("dissection ended inside it")
        self._let_held_go()

    def _cut_short(self, fault: str, only: Half | None = None) -> None:
        """Half of a hello, of a flight: it will not be whole."""
        for half in self._halves if only is None else (only,):
            begun = None if self.lost or half.sealed or half.encrypted else half.records.begun()
            if begun is not None:
                self._handshake(half, begun.fragment, begun, decrypted=False)
            if self._holds_hello(half):
                hello = HelloPayload(bytes(half.pending[4:]))
                hello.fault = fault
                half.pending.clear()
                self._ask(half, hello, half.last_ns)
            elif self._flight is not None and half.direction == self._session.server:
                if not self._session.is_1_3:
                    self._flight.fault = fault
                self._answer(half.last_ns)

    def _holds_hello(self, half: Half) -> bool:
        """Whether so much of a ClientHello is there that it tells something."""
        in_clear = not half.encrypted and half.direction != self._session.server
        return in_clear and half.pending[:1] == b"\1" and len(half.pending) > LEAST_HELLO_BYTES


def with_keys(keys: KeyRing) -> Callable[[DissectOptions], Dissector]:
    """What opens a dissector that asks ``keys``."""
    return partial(Tls, keys=keys)


_NO_KEYS = KeyRing()
ROW = ProtocolRow(
    "tls",
    TCP,
    detect,
    frozenset((443, 8443)),
    Tls,
    describe,
    carries=True,
    dissector="tlsx",
    with_keys=with_keys,
)
