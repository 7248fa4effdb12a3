from __future__ import annotations

import random
import ssl
from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest

from engine.dissect import tls
from engine.dissect.message import Message
from engine.dissect.options import DissectOptions
from engine.dissect.tls import Tls
from engine.dissect.tls_keylog import KeyRing
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, SERVER
from tests.fuzz.samples import tls as tls_samples
from tests.support.streams import START_NS, Said, a_stream, chunks_of, damage, split_anywhere
from tests.support.tls_peers import NAME, Peers, Talk
from tests.support.traces import FOLDER

OPTIONS = DissectOptions()
TLS_1_2 = ssl.TLSVersion.TLSv1_2
GET = b"GET /a HTTP/1.1\r\nHost: shop.test\r\n\r\n"
SHORT = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 36000\r\n\r\n" + bytes(range(250)) * 144
SUITES = {
    "gcm_128": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "gcm_256": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "chacha": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ccm": "ECDHE-ECDSA-AES256-CCM",
    "ccm_8": "ECDHE-ECDSA-AES128-CCM8",
}
OPENED = ["tls13", "tls13_retry", "tls13_resumed", "tls12_resumed", *SUITES]
CLOSED = ["tls12_cbc", "refused", "distrusted", "distrusted_12"]


@cache
def talk_of(name: str) -> Talk:
    exchanges = ((GET, SHORT), (GET, LONG), (GET, SHORT))
    if name == "tls13_retry":
        return Peers(curve="secp384r1").talk(*exchanges)
    if name.endswith("resumed"):
        peers = Peers(version=TLS_1_2 if name.startswith("tls12") else ssl.TLSVersion.TLSv1_3)
        return peers.talk(*exchanges, before=peers.talk((GET, SHORT)))
    if name in SUITES:
        return Peers(version=TLS_1_2, ciphers=SUITES[name], alpn=("h2", "http/1.1")).talk(*exchanges)
    if name == "tls12_cbc":
        return Peers(version=TLS_1_2, ciphers="ECDHE-ECDSA-AES128-SHA256").talk(*exchanges)
    if name == "refused":
        return Peers(version=TLS_1_2, ciphers=SUITES["gcm_128"], server_ciphers=SUITES["gcm_256"]).talk()
    if name.startswith("distrusted"):
        return Peers(trust=False, version=TLS_1_2 if name.endswith("12") else ssl.TLSVersion.TLSv1_3).talk()
    return Peers().talk(*exchanges)


def ring_of(talk: Talk) -> KeyRing:
    ring = KeyRing()
    ring.add(talk.keys)
    return ring


class Heard:
    """What came of some chunks."""

    def __init__(self, chunks: Sequence[Chunk], keys: KeyRing | None = None, reason: str = "closed") -> None:
        dissector = Tls(OPTIONS, keys)
        self.messages: list[Message] = []
        self.inner: list[Chunk] = []
        for chunk in chunks:
            self.messages += dissector.feed(chunk)
            self.inner += dissector.inner()
        self.lost = dissector.lost
        self.messages += dissector.close(reason)
        self.inner += dissector.inner()

    def sections(self) -> list[dict[str, Any]]:
        assert all(message.payload.problem() is None for message in self.messages)
        return [message.payload.section() for message in self.messages]

    def said(self, direction: int) -> bytes:
        return b"".join(chunk.data for chunk in self.inner if chunk.direction == direction)

    def shown(self) -> list[Any]:
        return [
            (m.is_request, m.direction, m.start_ns, m.end_ns, m.size_bytes, m.alone, m.payload.section())
            for m in self.messages
        ]

    def bytes_with_times(self, direction: int) -> list[tuple[int, int]]:
        """Each byte of the plaintext, and when it came."""
        return [
            (byte, chunk.time_ns_at(at))
            for chunk in self.inner
            if chunk.direction == direction
            for at, byte in enumerate(chunk.data)
        ]


def heard(name: str, *, keys: bool = True, chunks: Sequence[Chunk] | None = None) -> Heard:
    talk = talk_of(name)
    return Heard(chunks_of(talk.said) if chunks is None else chunks, ring_of(talk) if keys else None)


# -- handshakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keys", [False, True], ids=["no keys", "keys"])
@pytest.mark.parametrize("name", OPENED)
def test_a_handshake_is_what_openssl_says_it_was(name: str, keys: bool) -> None:
    client = talk_of(name).client
    request, response = heard(name, keys=keys).sections()[-2:]
    is_1_3 = client.version() == "TLSv1.3"
    assert request["serverName"] == NAME
    assert response["version"] == client.version().replace("TLSv", "TLS ")
    assert response["resumed"] == client.session_reused
    assert response["cipherSuite"] in request["cipherSuites"]
    assert response["alpn"] == (client.selected_alpn_protocol() if keys or not is_1_3 else "")
    if client.version() == "TLSv1.3":
        assert response["cipherSuite"] == client.cipher()[0]
    if (keys or not is_1_3) and not client.session_reused:
        (certificate,) = response["certificates"]
        assert certificate["subject"] == certificate["issuer"] == f"C=IS,CN={NAME}"
        assert certificate["subjectAltNames"] == [NAME, f"*.{NAME}"]
        assert (certificate["serialNumber"], certificate["notBefore"]) == ("0abc", "2025-01-01T00:00:00Z")
        assert (certificate["publicKey"], certificate["fault"]) == ("EC secp256r1", "")


def test_the_key_log_is_found_by_the_random_of_the_item() -> None:
    for name in OPENED:
        for section in heard(name).sections()[::2]:
            assert bytes.fromhex(section["random"]) in {
                bytes.fromhex(line.split()[1].decode()) for line in talk_of(name).keys.splitlines() if line[:1] != b"#"
            }


def test_a_hello_that_is_asked_for_again_makes_two_exchanges() -> None:
    first, retry, second, answer = heard("tls13_retry").sections()
    assert (retry["helloRetryRequest"], answer["helloRetryRequest"]) == (True, False)
    assert retry["keyShare"] == answer["keyShare"] == second["keyShares"][0] == "secp384r1"
    assert first["keyShares"] == ["x25519"]
    assert first["random"] == second["random"]


def test_an_alert_in_place_of_a_server_hello_is_the_answer() -> None:
    _, answer = heard("refused").messages
    assert not answer.is_request
    assert not answer.alone
    assert answer.payload.section() == {"alert": "handshake_failure", "level": "fatal"}


@pytest.mark.parametrize("name", ["distrusted", "distrusted_12"])
def test_an_alert_of_the_client_is_alone(name: str) -> None:
    *_, alert = heard(name).messages
    assert (alert.alone, alert.is_request, alert.direction) == (True, True, CLIENT)
    assert alert.payload.section() == {"alert": "unknown_ca", "level": "fatal"}


def test_times_and_sizes_are_those_of_the_records() -> None:
    request, response, *_ = heard("gcm_128").messages
    (_, hello), (_, flight), *_ = talk_of("gcm_128").said
    assert (request.start_ns, request.size_bytes) == (START_NS, len(hello))
    assert (response.start_ns, response.size_bytes) == (request.end_ns + 1000, len(flight))
    assert response.end_ns == START_NS + 1000 * (len(hello) + len(flight) - 1)


def test_an_sslv2_hello_is_recognised() -> None:
    body = b"\1\3\1\0\x06\0\0\0\x10" + b"\0\0\x2f\1\0\x80" + bytes(range(16))
    hello = (0x8000 | len(body)).to_bytes(2, "big") + body
    (request,) = Heard(chunks_of([(CLIENT, hello)]), reason="open").messages
    section = request.payload.section()
    assert section["versions"] == ["TLS 1.0"]
    assert section["cipherSuites"] == ["TLS_RSA_WITH_AES_128_CBC_SHA", "0x10080"]
    assert section["random"] == "00" * 16 + bytes(range(16)).hex()
    assert request.size_bytes == len(hello)


def test_a_hello_that_the_end_cuts_tells_what_there_is() -> None:
    (_, hello), *_ = talk_of("tls13").said
    (message,) = Heard(chunks_of([(CLIENT, hello[:-40])])).messages
    problem = message.payload.problem()
    assert problem is not None
    assert problem.msg.startswith("ClientHello: ")
    assert message.payload.section()["random"] == hello[11:43].hex()


# -- what is inside ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPENED)
def test_the_plaintext_is_what_was_said(name: str) -> None:
    found = heard(name)
    for direction in (CLIENT, SERVER):
        assert found.said(direction) == bytes(talk_of(name).inside[direction])
    assert not any(chunk.missing_bytes for chunk in found.inner)
    assert [chunk.direction for chunk in found.inner] == [CLIENT, SERVER] * 3


@pytest.mark.parametrize("name", [*OPENED, *CLOSED])
@pytest.mark.parametrize("seed", range(4))
def test_nothing_depends_on_where_the_data_is_cut(name: str, seed: int) -> None:
    whole, cut = heard(name), heard(name, chunks=split_anywhere(chunks_of(talk_of(name).said), seed))
    assert cut.shown() == whole.shown()
    assert cut.lost == whole.lost
    for direction in (CLIENT, SERVER):
        assert cut.bytes_with_times(direction) == whole.bytes_with_times(direction)


@pytest.mark.parametrize("name", [*OPENED, *CLOSED])
def test_without_keys_the_stream_is_let_go_when_both_sides_are_encrypted(name: str) -> None:
    found = heard(name, keys=False)
    assert found.inner == []
    assert found.lost == ("encrypted" if name in OPENED or name == "tls12_cbc" else "")


def test_why_nothing_is_decrypted_is_said() -> None:
    assert Heard(chunks_of(talk_of("tls13").said), ring_of(talk_of("gcm_128"))).lost == "no_key"
    assert heard("tls12_cbc").lost == "suite_not_decrypted"
    wrong = KeyRing()
    wrong.add(talk_of("gcm_128").keys.replace(talk_of("gcm_128").keys.strip()[-96:], b"00" * 48))
    assert Heard(chunks_of(talk_of("gcm_128").said), wrong).inner == []


def test_a_stream_that_begins_in_the_middle_is_let_go_at_once() -> None:
    _, last = talk_of("gcm_128").said[-3]
    found = Heard(chunks_of([(SERVER, last)]), ring_of(talk_of("gcm_128")))
    assert (found.messages, found.lost) == ([], "no_key")


def test_who_wants_nothing_inside_pays_nothing_for_it() -> None:
    talk = talk_of("tls13")
    dissector = Tls(OPTIONS, ring_of(talk))
    for chunk in chunks_of(talk.said):
        dissector.feed(chunk)
        if dissector.inner():
            dissector.mute()
            break
    assert dissector.lost == "inner_not_wanted"


# -- gaps --------------------------------------------------------------------------------------------------------------


def with_gap(said: Sequence[Said], turn: int, start: int, size: int) -> list[Chunk]:
    """Some bytes of one turn were never captured."""
    chunks = chunks_of(said)
    direction, data = said[turn]
    before, after = chunks_of([(direction, data[:start])]), chunks_of([(direction, data[start + size :])])
    pieces = [*before, after[0]._replace(missing_bytes=size)] if start else [after[0]._replace(missing_bytes=size)]
    return [*chunks[:turn], *pieces, *chunks[turn + 1 :]]


def long_turn(talk: Talk) -> int:
    return max(range(len(talk.said)), key=lambda turn: len(talk.said[turn][1]))


@pytest.mark.parametrize("name", ["tls13", "gcm_128", "chacha"])
@pytest.mark.parametrize("seed", range(12))
def test_behind_a_gap_decryption_goes_on_and_says_how_much_is_missing(name: str, seed: int) -> None:
    talk, chance = talk_of(name), random.Random(seed)
    turn = long_turn(talk)
    size = chance.choice((1, 700, 9_000, 16_000, 17_000))
    start = chance.randrange(len(talk.said[turn][1]) - size - 16_500)
    found = heard(name, chunks=with_gap(talk.said, turn, start, size))
    whole = bytes(talk.inside[SERVER])
    gaps = [chunk for chunk in found.inner if chunk.missing_bytes]
    assert len(gaps) == 1
    assert len(found.said(SERVER)) + gaps[0].missing_bytes == len(whole)
    assert whole.endswith(
        b"".join(chunk.data for chunk in found.inner[found.inner.index(gaps[0]) :] if chunk.direction)
    )
    assert found.said(CLIENT) == bytes(talk.inside[CLIENT])


@pytest.mark.parametrize("name", ["tls13", "gcm_128"])
@pytest.mark.parametrize("turn", [0, 1, 2])
def test_a_gap_in_the_handshake_is_survived(name: str, turn: int) -> None:
    talk = talk_of(name)
    for start in range(0, len(talk.said[turn][1]) - 20, 61):
        found = heard(name, chunks=with_gap(talk.said, turn, start, 20))
        assert len(found.messages) <= 3
        for message in found.messages:
            message.payload.section()
            message.payload.problem()


def test_a_gap_in_the_certificates_leaves_the_hello() -> None:
    talk = talk_of("gcm_128")
    _, answer, *_ = heard("gcm_128", chunks=with_gap(talk.said, 1, 300, 50)).messages
    problem = answer.payload.problem()
    assert problem is not None
    assert problem.msg == "ServerHello: bytes are missing"
    assert answer.payload.section()["cipherSuite"] == "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"


# -- keys that are late ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPENED)
@pytest.mark.parametrize("late", range(2, 6))
def test_a_secret_that_is_late_is_waited_for(name: str, late: int) -> None:
    talk, ring = talk_of(name), KeyRing(growing=True)
    dissector, inner = Tls(OPTIONS, ring), []
    for number, chunk in enumerate(chunks_of(talk.said)):
        if number == late:
            ring.add(talk.keys)
        dissector.feed(chunk)
        inner += dissector.inner()
    dissector.close("closed")
    inner += dissector.inner()
    said = [b"".join(chunk.data for chunk in inner if chunk.direction == way) for way in (CLIENT, SERVER)]
    assert said == [bytes(each) for each in talk.inside]
    assert ring._held_bytes == 0


def test_a_secret_that_never_comes_is_waited_for_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "MAX_STREAM_HELD_BYTES", 20_000)
    talk, ring = talk_of("tls13"), KeyRing(growing=True)
    found = Heard(split_anywhere(chunks_of(talk.said), 3), ring)
    assert (found.inner, found.lost) == ([], "no_key")
    assert ring._held_bytes == 0


def test_secrets_come_one_after_the_other() -> None:
    talk, ring = talk_of("tls13"), KeyRing(growing=True)
    lines = talk.keys.splitlines(keepends=True)
    dissector, inner = Tls(OPTIONS, ring), []
    for chunk in chunks_of(talk.said):
        dissector.feed(chunk)
        inner += dissector.inner()
        if lines:
            ring.add(lines.pop(0))
    dissector.close("closed")
    inner += dissector.inner()
    assert b"".join(chunk.data for chunk in inner if chunk.direction == CLIENT) == bytes(talk.inside[CLIENT])


# -- early data --------------------------------------------------------------------------------------------------------


def early(*labels: bytes) -> tuple[Heard, KeyRing]:
    """The second connection of the trace, which begins with early data; without the secrets of these labels."""
    _, talk = tls_samples.talks_of("recorded_tls_early_data")
    ring = KeyRing(growing=True)
    for line in (FOLDER / "recorded_tls_early_data.keys").read_bytes().splitlines(keepends=True):
        if not line.startswith(labels or (b"#",)):
            ring.add(line)
    return Heard(chunks_of(talk), ring), ring


def test_early_data_that_the_server_took_comes_before_its_answer() -> None:
    found, ring = early()
    assert found.said(CLIENT).startswith(b"GET /index.txt")
    assert [chunk.direction for chunk in found.inner] == [CLIENT, SERVER]
    assert found.inner[0].times_ns[0] < found.messages[1].start_ns
    assert ring._held_bytes == 0


@pytest.mark.parametrize("label", [b"CLIENT_EARLY", b"SERVER_HANDSHAKE", b"CLIENT_HANDSHAKE", b"CLIENT_TRAFFIC"])
def test_what_is_missing_of_the_secrets_costs_no_more_than_it_must(label: bytes) -> None:
    found, ring = early(label)
    assert found.said(SERVER).startswith(b"HTTP/1.1 200 OK") == (label != b"SERVER_TRAFFIC")
    assert bool(found.said(CLIENT)) == (label in (b"CLIENT_HANDSHAKE", b"CLIENT_TRAFFIC"))
    assert ring._held_bytes == 0


# -- damage ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(150))
def test_damage_anywhere_is_survived(seed: int) -> None:
    chance = random.Random(seed)
    name = chance.choice([*OPENED, *CLOSED])
    chunks = damage(split_anywhere(chunks_of(talk_of(name).said), seed), seed)
    found = heard(name, keys=chance.random() < 0.7, chunks=chunks)
    for message in found.messages:
        message.payload.section()
        message.payload.problem()


def test_a_handshake_message_without_end_is_given_up() -> None:
    record = b"\x16\3\3\x40\0" + b"\1\xff\xff\xff" + bytes(16380)
    assert Heard(chunks_of([(CLIENT, record)])).lost == "handshake_too_long"


def test_many_small_records_are_no_burden() -> None:
    stream = a_stream()
    hello = b"\1\0\xff\xf0" + bytes(0xFFF0)
    data = b"".join(b"\x16\3\1\0\1" + bytes([byte]) for byte in hello)
    (message,) = Heard([Chunk(stream, CLIENT, data, [0], [START_NS], 0)]).messages
    assert message.size_bytes == len(data)
