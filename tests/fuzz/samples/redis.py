"""Redis: commands in arrays and inline, replies of every type, channels, transactions, replies switched off."""

from __future__ import annotations

from engine.streams.stream import CLIENT, SERVER
from tests.support.streams import Said

PORT = 6379


def command(*words: str | bytes) -> bytes:
    """An array of strings."""
    parts = [word.encode() if isinstance(word, str) else word for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


REPLIES = (
    b"+OK\r\n",
    b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
    b":42\r\n",
    b"$5\r\nhello\r\n",
    b"$-1\r\n",
    b"$0\r\n\r\n",
    b"*-1\r\n",
    b"*0\r\n",
    b"*3\r\n:1\r\n*2\r\n+a\r\n$1\r\nb\r\n$-1\r\n",
    b"_\r\n",
    b"#t\r\n",
    b",3.25\r\n",
    b",inf\r\n",
    b"(3492890328409238509324850943850943825024385\r\n",
    b"!11\r\nERR too bad\r\n",
    b"=8\r\ntxt:okay\r\n",
    b"%2\r\n+a\r\n:1\r\n+b\r\n~2\r\n#f\r\n_\r\n",
    b"|1\r\n+ttl\r\n:60\r\n$2\r\nhi\r\n",
    b"*?\r\n:1\r\n*?\r\n+in\r\n.\r\n:2\r\n.\r\n",
    b"$?\r\n;4\r\nhell\r\n;1\r\no\r\n;0\r\n",
    b"%?\r\n+k\r\n+v\r\n.\r\n",
)
"""One of each kind that there is (RESP2 and RESP3)."""


def conversations() -> list[list[Said]]:
    """Usual ones, then one for each way in which replies and commands do not go one to one."""
    one_each = [turn for reply in REPLIES for turn in ((CLIENT, command("GET", "k")), (SERVER, reply))]
    pipeline: list[Said] = [(CLIENT, command("GET", "k") * len(REPLIES)), (SERVER, b"".join(REPLIES))]
    told = command("subscribe", "a").replace(b"$1\r\na\r\n", b"$1\r\na\r\n:1\r\n").replace(b"*2", b"*3")
    channels: list[Said] = [
        (CLIENT, command("SUBSCRIBE", "a", "b")),
        (SERVER, told * 2 + command("message", "a", "text")),
        (CLIENT, command("UNSUBSCRIBE")),
        (SERVER, told.replace(b"$9\r\n", b"$11\r\nun") * 2),
    ]
    pushes: list[Said] = [
        (CLIENT, command("HELLO", "3")),
        (SERVER, b"%1\r\n+proto\r\n:3\r\n"),
        (CLIENT, command("PSUBSCRIBE", "*") + command("GET", "k")),
        (SERVER, told.replace(b"*3", b">3").replace(b"$9\r\n", b"$10\r\np") + b"+v\r\n>2\r\n+invalidate\r\n_\r\n"),
    ]
    return [
        one_each,
        pipeline,
        [(CLIENT, b"PING\r\nSET a 'b c'\r\n\r\n"), (SERVER, b"+PONG\r\n+OK\r\n")],
        channels,
        pushes,
        [
            (CLIENT, command("MULTI") + command("INCR", "n") + command("EXEC")),
            (SERVER, b"+OK\r\n+QUEUED\r\n*1\r\n:1\r\n"),
        ],
        [
            (CLIENT, command("CLIENT", "REPLY", "SKIP") + command("SET", "a", "b") + command("GET", "a")),
            (SERVER, b"$1\r\nb\r\n"),
            (CLIENT, command("CLIENT", "REPLY", "OFF") + command("SET", "a", "b") + command("CLIENT", "REPLY", "ON")),
            (SERVER, b"+OK\r\n"),
        ],
        [(CLIENT, command("MONITOR")), (SERVER, b'+OK\r\n+1339518083.107412 [0 127.0.0.1:60866] "GET" "k"\r\n')],
        [(CLIENT, command("PSYNC", "?", "-1")), (SERVER, b"+FULLRESYNC 0 1\r\n$5\r\nREDIS")],
        [(CLIENT, command("SET", "large", b"x" * 6000)), (SERVER, b"+OK\r\n")],
    ]
