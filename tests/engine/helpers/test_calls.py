"""What comes back from a call, whatever its arguments are."""

from __future__ import annotations

import logging
import random
from typing import Any

import msgspec
import pytest

from engine.errors import PathEscape, ProtocolViolation, QuotaExceeded
from engine.frames.endpoint import MAX_MESSAGE_BYTES
from engine.frames.host import Call
from engine.helpers.calls import answer, helper, is_once, is_slow, methods_of

pack = msgspec.msgpack.encode


class Example:
    """Helpers that do what their name says."""

    @helper("x.add", once=True)
    def add(self, one: int, two: int = 2) -> int:
        return one + two

    @helper("x.join", slow=True)
    def join(self, words: list[str], end: str | None = None) -> str:
        return " ".join(words) + (end or "")

    @helper("x.escape")
    def escape(self) -> None:
        raise PathEscape("../x")

    @helper("x.full")
    def full(self) -> None:
        raise OSError(28, "No space left on device")

    @helper("x.missing")
    def missing(self) -> None:
        raise FileNotFoundError(2, "No such file or directory", "a/b")

    @helper("x.fault")
    def fault(self) -> None:
        raise ZeroDivisionError("of ours")

    @helper("x.huge")
    def huge(self) -> str:
        return "x" * MAX_MESSAGE_BYTES

    @helper("x.long")
    def long(self) -> None:
        raise QuotaExceeded("x" * MAX_MESSAGE_BYTES, 1, 2)

    def hidden(self) -> None:
        raise AssertionError


METHODS = methods_of([Example()])


def ask(name: str, *args: Any, raw: bytes | None = None) -> Any:
    packed = [msgspec.Raw(pack(arg)) for arg in args] + ([msgspec.Raw(raw)] if raw is not None else [])
    reply = answer(METHODS, Call(7, name, packed))
    assert reply.seq == 7
    assert len(pack(reply)) <= MAX_MESSAGE_BYTES
    return reply.error or msgspec.msgpack.decode(reply.value)


@pytest.mark.parametrize(
    ("call", "result"),
    [
        (("x.add", 1), 3),
        (("x.add", 1, 5), 6),
        (("x.join", ["a", "b"], "!"), "a b!"),
        (("x.join", ["a"], None), "a"),
        (("x.add",), "x.add: expected arguments (one, two), got 0"),
        (("x.add", 1, 2, 3), "x.add: expected arguments (one, two), got 3"),
        (("x.add", "1"), "x.add: one: expected int, got str"),
        (("x.add", 1.5), "x.add: one: expected int, got float"),
        (("x.add", True), "x.add: one: expected int, got bool"),
        (("x.add", float("nan")), "x.add: one: expected int, got float"),
        (("x.join", ["a", 1]), "x.join: words: expected str, got int - at $[1]"),
        (("x.join", {"a": 1}), "x.join: words: expected array, got object"),
        (("x.ad", 1), "x.ad: there is no such helper; did you mean 'x.add'?"),
        (("hidden",), "hidden: there is no such helper"),
        (("__class__",), "__class__: there is no such helper"),
        (("\x1b[2J\n",), "\\x1b[2J\\n: there is no such helper"),
        (("x.escape",), "'../x': expected a path inside the script's work folder"),
        (("x.full",), "x.full: no space left on device"),
        (("x.missing",), "x.missing: 'a/b': no such file or directory"),
        (("x.huge",), f"x.huge: the answer has {MAX_MESSAGE_BYTES + 5} bytes, more than the 65280 that fit"),
    ],
)
def test_a_call_has_a_result_or_a_reason(call: tuple[Any, ...], result: Any) -> None:
    assert ask(*call) == result


def test_a_long_reason_is_cut() -> None:
    assert len(ask("x.long")) == 4096


def test_a_fault_of_ours_is_logged_and_does_not_tell_the_script_more(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert ask("x.fault") == "x.fault: failed inside Remora; its log says why"
    assert "ZeroDivisionError: of ours" in caplog.text


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("x.add", b"\xc1"),
        ("x.add", b"\xcd\x01"),
        ("x.join", b"\x91\xa1\xff"),
        ("x.join", b"\x91\xa3\xed\xa0\x80"),
        ("x.join", b"\xdd\xff\xff\xff\xff"),
        ("x.join", b""),
        ("x.add", b"\x01\x02"),
    ],
    ids=["reserved", "cut", "no UTF-8", "lone surrogate", "length", "nothing", "two values"],
)
def test_what_is_no_msgpack_is_a_violation(name: str, raw: bytes) -> None:
    with pytest.raises(ProtocolViolation, match="not msgpack"):
        ask(name, raw=raw)


@pytest.mark.parametrize("seed", range(30))
def test_any_argument_is_answered_or_a_violation(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(100):
        raw = rng.randbytes(rng.randrange(1, 30))
        try:
            ask(rng.choice(["x.add", "x.join"]), raw=raw)
        except ProtocolViolation:
            continue


def test_slow_calls_and_those_that_must_not_run_twice_are_known() -> None:
    calls = {name: Call(1, name, []) for name in ("x.add", "x.join", "none")}
    assert {name: (is_slow(METHODS, call), is_once(METHODS, call)) for name, call in calls.items()} == {
        "x.add": (False, True),
        "x.join": (True, False),
        "none": (False, False),
    }
