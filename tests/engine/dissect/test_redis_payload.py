from __future__ import annotations

import random
import shlex
import socket
from typing import Any

import pytest
from redis._parsers.resp3 import _RESP3Parser
from redis.connection import Connection, PythonRespSerializer
from redis.exceptions import ResponseError

from engine.dissect.redis_commands import key_of
from engine.dissect.redis_payload import RedisPayload
from engine.dissect.redis_values import MAX_DEPTH, MAX_ELEMENTS, Reader
from tests.fuzz.samples.redis import REPLIES, command


def request_of(data: bytes) -> dict[str, Any]:
    return RedisPayload(True, data, len(data)).section()


def reply_of(data: bytes) -> dict[str, Any]:
    return RedisPayload(False, data, len(data)).section()


@pytest.mark.parametrize(
    ("words", "key", "value", "keyword"),
    [
        (["set", "k", "v", "EX", "9"], "k", "v EX 9", ""),
        (["GET", "k"], "k", "", ""),
        (["PING"], "", "", ""),
        (["ECHO", "hello"], "", "hello", ""),
        (["AUTH", "user", "secret"], "", "user secret", ""),
        (["CLIENT", "setname", "me"], "", "me", "SETNAME"),
        (["OBJECT", "ENCODING", "k"], "k", "", "ENCODING"),
        (["MEMORY", "usage", "k"], "k", "", "USAGE"),
        (["CONFIG", "SET", "a", "b"], "", "a b", "SET"),
        (["PUBLISH", "channel", "text"], "channel", "text", ""),
        (["EVAL", "return 1", "2", "k1", "k2", "a"], "k1", "k2 a", ""),
        (["EVAL", "return 1", "0", "a"], "", "return 1 0 a", ""),
        (["FCALL", "f", "x", "a"], "", "f x a", ""),
        (["XREAD", "COUNT", "2", "streams", "s", "0"], "s", "0", ""),
        (["XREADGROUP", "GROUP", "g", "c"], "", "GROUP g c", ""),
        (["BITOP", "AND", "to", "from"], "to", "from", ""),
        (["MIGRATE", "host", "6379", "k", "0", "9"], "k", "0 9", ""),
        (["SINTERCARD", "1", "k"], "k", "", ""),
        (["JSON.SET", "k", "$", "{}"], "k", "$ {}", ""),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_command_has_a_key_a_value_and_a_keyword(words: list[str], key: str, value: str, keyword: str) -> None:
    assert request_of(command(*words)) == {
        "type": "Array",
        "command": words[0].upper(),
        "key": key,
        "value": value,
        "keyword": keyword,
        "args": words[1:],
    }


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"set k v\r\n", ["SET", "k", "v"]),
        (b"  GET   k \n", ["GET", "k"]),
        (b"SET k 'a b' \"c d\"\r\n", ["SET", "k", "a b", "c d"]),
        (b"SET k 'a b\r\n", ["SET", "k", "'a", "b"]),
    ],
)
def test_inline_commands_are_words_and_quoted_strings(line: bytes, words: list[str]) -> None:
    section = request_of(line)
    assert (section["type"], [section["command"], *section["args"]]) == ("Inline", words)


def test_a_value_that_is_no_text_is_base64_and_escaped_among_others() -> None:
    section = request_of(command("SET", "k", b"\xff\x00"))
    assert (section["value"], section["encoding"], section["args"]) == ("/wA=", "base64", ["k", "\\xff\x00"])
    assert request_of(command("SET", "k", b"\xff", "NX"))["value"] == "\\xff NX"
    reply = reply_of(b"$2\r\n\xff\xfe\r\n")
    assert (reply["value"], reply["encoding"]) == ("//4=", "base64")


@pytest.mark.parametrize(
    ("data", "kind", "value", "keyword", "elements"),
    [
        (b"+OK\r\n", "Simple String", "OK", "OK", None),
        (b"+Background saving started\r\n", "Simple String", "Background saving started", "", None),
        (b"-NOAUTH Authentication required.\r\n", "Error", "NOAUTH Authentication required.", "NOAUTH", None),
        (b"-oops\r\n", "Error", "oops", "", None),
        (b":-7\r\n", "Integer", "-7", "", None),
        (b":99999999999999999999\r\n", "Integer", "99999999999999999999", "", None),
        (b"$2\r\nhi\r\n", "Bulk String", "hi", "", None),
        (b"$-1\r\n", "Bulk String", "", "", None),
        (b"*-1\r\n", "Array", "", "", None),
        (b"*0\r\n", "Array", "[]", "", []),
        (b"*3\r\n:1\r\n$-1\r\n-ERR x\r\n", "Array", '[1, null, {"error": "ERR x"}]', "", [1, None, {"error": "ERR x"}]),
        (b"_\r\n", "Null", "", "", None),
        (b"#t\r\n", "Boolean", "true", "", None),
        (b",1.5\r\n", "Double", "1.5", "", None),
        (b",inf\r\n", "Double", "inf", "", None),
        (b"(123456789012345678901234567890\r\n", "Big Number", "123456789012345678901234567890", "", None),
        (b"!9\r\nERR wrong\r\n", "Error", "ERR wrong", "ERR", None),
        (b"=6\r\ntxt:hi\r\n", "Verbatim String", "hi", "", None),
        (b"%2\r\n+a\r\n:1\r\n+b\r\n_\r\n", "Map", '{"a": 1, "b": null}', "", [["a", 1], ["b", None]]),
        (b"%1\r\n:1\r\n:2\r\n", "Map", "[[1, 2]]", "", [[1, 2]]),
        (b"~2\r\n+a\r\n*1\r\n+b\r\n", "Set", '["a", ["b"]]', "", ["a", ["b"]]),
        (b">2\r\n+invalidate\r\n*1\r\n+k\r\n", "Push", '["invalidate", ["k"]]', "INVALIDATE", ["invalidate", ["k"]]),
        (b"*?\r\n:1\r\n*?\r\n+in\r\n.\r\n:2\r\n.\r\n", "Array", '[1, ["in"], 2]', "", [1, ["in"], 2]),
        (b"$?\r\n;4\r\nhell\r\n;1\r\no\r\n;0\r\n", "Bulk String", "hello", "", None),
        (b"", "N/A", "", "", []),
    ],
)
def test_replies_have_a_type_and_a_value(data: bytes, kind: str, value: str, keyword: str, elements: Any) -> None:
    section = reply_of(data)
    assert (section["type"], section["value"], section["keyword"], section.get("elements")) == (
        kind,
        value,
        keyword,
        elements,
    )
    assert "comment" not in section


@pytest.mark.parametrize(
    ("data", "key", "value", "keyword"),
    [
        (command("message", "c", "text"), "c", "text", "MESSAGE"),
        (command("pmessage", "c*", "c1", "text"), "c1", "text", "PMESSAGE"),
        (b">3\r\n+subscribe\r\n+c\r\n:1\r\n", "c", "1", "SUBSCRIBE"),
    ],
)
def test_what_a_channel_tells_has_the_channel_as_key(data: bytes, key: str, value: str, keyword: str) -> None:
    section = reply_of(data)
    assert (section["key"], section["value"], section["keyword"]) == (key, value, keyword)


def test_attributes_stand_beside_the_value_that_they_are_of() -> None:
    section = reply_of(b"|1\r\n+ttl\r\n:60\r\n*1\r\n|1\r\n+x\r\n+y\r\n:1\r\n")
    assert (section["attributes"], section["elements"]) == ({"ttl": 60}, [1])


@pytest.mark.parametrize(
    ("data", "comment"),
    [
        (b"*3\r\n:1\r\n", "it ends early"),
        (b"$10\r\nhalf", "4 of 10 bytes kept"),
        (b"*1\r\n" * (MAX_DEPTH + 1) + b":1\r\n", f"deeper than {MAX_DEPTH} aggregates"),
        (b"*1\r\n" * 100_000 + b":1\r\n", f"deeper than {MAX_DEPTH} aggregates"),
        (b"*20000\r\n" + b":1\r\n" * 20_000, f"more than {MAX_ELEMENTS} elements"),
        (b"*1000000000\r\n:1\r\n", "it ends early"),
    ],
    ids=range(6),
)
def test_what_is_not_shown_says_so(data: bytes, comment: str) -> None:
    assert reply_of(data)["comment"] == comment


@pytest.mark.parametrize(
    ("data", "comment"), [(b"*2\r\n$3\r\nGET\r\n:1\r\n", "no string"), (b"*2\r\n$3\r\nGET\r\n$", "ends early")]
)
def test_a_command_that_is_none_says_so(data: bytes, comment: str) -> None:
    assert comment in request_of(data)["comment"]


# -- another implementation: redis-py ------------------------------------------------------------------------------


def read_by_redis_py(data: bytes) -> Any:
    ours, theirs = socket.socketpair()
    connection: Any = Connection(socket_timeout=5, encoding_errors="backslashreplace", decode_responses=True)  # type: ignore[no-untyped-call] # not typed
    parser: Any = _RESP3Parser(65536)  # type: ignore[no-untyped-call] # not typed
    try:
        connection._sock = ours
        parser.on_connect(connection)
        theirs.sendall(data)
        return parser.read_response(push_request=True)
    finally:
        parser.on_disconnect()
        connection._sock = None
        ours.close()
        theirs.close()


def random_value(chance: random.Random, depth: int) -> bytes:
    aggregates = [lambda n: (b"*%d\r\n" % n, n), lambda n: (b"~%d\r\n" % n, n)]
    if depth and chance.random() < 0.4:
        head, count = chance.choice(aggregates)(chance.randrange(5))
        return head + b"".join(random_value(chance, depth - 1) for _ in range(count))
    if depth and chance.random() < 0.2:
        keys = chance.sample(range(9), 3)
        return b"%3\r\n" + b"".join(b"+%d\r\n" % key + random_value(chance, depth - 1) for key in keys)
    text = bytes(chance.choices(b"abc \r\n\xc5\xbc\xff", k=chance.randrange(9)))
    number = chance.choice((0, -1, 7, (1 << 63) - 1))
    return chance.choice((b"$%d\r\n%b\r\n" % (len(text), text), b":%d\r\n" % number, b"_\r\n", b"#f\r\n", b",2.5\r\n"))


@pytest.mark.parametrize("seed", range(40))
def test_values_are_what_another_implementation_reads(seed: int) -> None:
    data = random_value(random.Random(seed), 4)
    value = Reader(data).next()
    assert value is not None
    assert value.plain == read_by_redis_py(data)


@pytest.mark.parametrize(
    "reply", [reply for reply in REPLIES[:17] if b"ERR" not in reply and reply[:1] not in b"-*$(,"]
)
def test_samples_are_what_another_implementation_reads(reply: bytes) -> None:
    value = Reader(reply).next()
    assert value is not None
    assert value.plain == read_by_redis_py(reply)


def test_an_error_is_one_to_another_implementation() -> None:
    assert isinstance(read_by_redis_py(REPLIES[1]), ResponseError)
    assert reply_of(REPLIES[1])["type"] == "Error"


@pytest.mark.parametrize("seed", range(40))
def test_commands_are_what_another_implementation_packs(seed: int) -> None:
    chance = random.Random(seed)
    words = ["".join(chance.choices("ab \r\nż", k=chance.randrange(1, 9))) for _ in range(chance.randrange(1, 6))]
    serializer: Any = PythonRespSerializer(6000, lambda word: str(word).encode())
    packed = b"".join(serializer.pack("LPUSH", *words))
    assert request_of(packed)["args"] == words
    assert key_of("LPUSH", words) == 0


def test_the_words_of_a_shell_are_those_of_redis() -> None:
    """Inside single quotes nothing but a quote is escaped, inside double quotes a few characters are."""
    assert shlex.split(r"""SET "a\"b" 'c d'""") == ["SET", 'a"b', "c d"]
