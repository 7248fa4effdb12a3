from __future__ import annotations

import random

import pytest

from engine.dissect import tls_keylog
from engine.dissect.tls_keylog import CLIENT_TRAFFIC, MASTER, KeyRing, client_randoms

ONE, TWO = bytes(range(32)), bytes(range(32, 64))


def line(label: str, random: bytes, secret: bytes, end: str = "\n") -> bytes:
    return f"{label} {random.hex()} {secret.hex()}{end}".encode()


def hello(random: bytes, version: bytes = b"\3\1") -> bytes:
    body = b"\3\3" + random + b"\0" * 20
    message = b"\1" + len(body).to_bytes(3, "big") + body
    return b"\x16" + version + len(message).to_bytes(2, "big") + message


def test_secrets_are_found_by_client_random() -> None:
    ring = KeyRing()
    assert ring.add(line(MASTER, ONE, b"m" * 48) + line(CLIENT_TRAFFIC, TWO, b"t" * 32)) == 2
    assert ring.secrets_of(ONE) == {MASTER: b"m" * 48}
    assert ring.secrets_of(TWO) == {CLIENT_TRAFFIC: b"t" * 32}
    assert ring.secrets_of(b"?" * 32) == {}


@pytest.mark.parametrize(
    "text",
    [
        b"# a comment\n",
        line("EXPORTER_SECRET", ONE, b"e" * 32),
        line(MASTER, ONE[:-1], b"m" * 48),
        line(MASTER, ONE, b"m" * 47),
        line("XCLIENT_RANDOM", ONE, b"m" * 48),
        line(MASTER, ONE, b"m" * 48).replace(b" ", b"  "),
        b"RSA " + b"0" * 16 + b" " + b"0" * 96 + b"\n",
        b"\xff" * 5000 + b"\n",
        b"",
    ],
)
def test_what_is_no_secret_is_passed_over(text: bytes) -> None:
    ring = KeyRing()
    assert ring.add(text + line(MASTER, TWO, b"n" * 48)) == 1
    assert len(ring) == 1


def test_hexadecimal_digits_in_any_case_and_lines_of_windows() -> None:
    ring = KeyRing()
    ring.add(f"{MASTER} {ONE.hex().upper()} {(b'm' * 48).hex().upper()}\r\n".encode())
    assert ring.secrets_of(ONE) == {MASTER: b"m" * 48}


def test_generation_grows_with_what_is_new_alone() -> None:
    ring = KeyRing()
    ring.add(line(MASTER, ONE, b"m" * 48))
    before = ring.generation
    ring.add(line(MASTER, ONE, b"m" * 48))
    assert ring.generation == before
    ring.add(line(MASTER, ONE, b"n" * 48))
    assert ring.generation > before


def test_the_newest_sessions_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_keylog, "MAX_SESSIONS", 3)
    ring = KeyRing()
    for number in range(5):
        ring.add(line(MASTER, bytes([number]) * 32, b"m" * 48))
    assert [bool(ring.secrets_of(bytes([number]) * 32)) for number in range(5)] == [False, False, True, True, True]


def test_a_ring_does_not_show_its_secrets() -> None:
    ring = KeyRing()
    ring.add(line(MASTER, ONE, b"m" * 48))
    assert repr(ring) == "KeyRing(1 sessions)"


def test_lines_of_some_sessions_are_theirs_and_no_others() -> None:
    ring = KeyRing()
    ring.add(line(MASTER, ONE, b"m" * 48) + line(MASTER, TWO, b"n" * 48) + line(CLIENT_TRAFFIC, ONE, b"t" * 32))
    assert ring.lines_of([ONE, b"?" * 32, ONE]) == line(MASTER, ONE, b"m" * 48) + line(CLIENT_TRAFFIC, ONE, b"t" * 32)
    assert ring.lines_of([]) == b""


@pytest.mark.parametrize("seed", range(10))
def test_lines_are_read_as_they_are_written(seed: int) -> None:
    chance, ring, again = random.Random(seed), KeyRing(), KeyRing()
    randoms = [chance.randbytes(32) for _ in range(20)]
    for each in randoms:
        for label in chance.sample(tls_keylog.LABELS, chance.randrange(1, 6)):
            ring.add(line(label, each, chance.randbytes(chance.choice((32, 48)))))
    again.add(ring.lines_of(randoms))
    assert all(again.secrets_of(each) == ring.secrets_of(each) != {} for each in randoms)


def test_client_randoms_of_a_capture() -> None:
    packets = (
        b"frame" + hello(ONE) + b"more" + hello(TWO, b"\3\3") + b"\x16\3\1\0\5\2\0\0\1\0" + hello(ONE) + hello(TWO)[:42]
    )
    assert client_randoms(packets) == [ONE, TWO]
    assert client_randoms(memoryview(bytearray(packets))) == [ONE, TWO]


def test_room_for_records_that_wait_is_bounded_and_given_back() -> None:
    ring = KeyRing(growing=True)
    assert ring.hold(tls_keylog.MAX_HELD_BYTES)
    assert not ring.hold(1)
    ring.let_go(1)
    assert ring.hold(1)
