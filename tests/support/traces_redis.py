"""Golden traces of Redis."""

from __future__ import annotations

from tests.support.packets import Packet, TcpConversation

CLIENT, SERVER = ("10.0.0.1", 51234), ("10.0.0.6", 6379)


def command(*words: bytes) -> bytes:
    """An array of strings, as clients send commands."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def redis_pipeline() -> list[Packet]:
    """Commands at once, cut at odd places; a transaction, an error, an inline command; bytes that are no text."""
    talk = TcpConversation(CLIENT, SERVER).handshake()
    talk.client_says(
        command(b"SET", b"fish", b"cod", b"EX", b"60")
        + command(b"get", b"fish")
        + command(b"LRANGE", b"nets", b"0", b"-1"),
        [7, 40],
    )
    talk.server_says(b"+OK\r\n$3\r\ncod\r\n*3\r\n$1\r\na\r\n$-1\r\n:7\r\n", [3, 9])
    talk.client_says(command(b"MULTI") + command(b"INCR", b"fish") + command(b"EXEC"))
    talk.server_says(b"+OK\r\n+QUEUED\r\n*1\r\n-ERR value is not an integer or out of range\r\n")
    talk.client_says(b"CONFIG GET 'max memory'\r\n").server_says(b"*0\r\n")
    talk.client_says(command(b"SET", b"raw", b"\xff\xfe")).server_says(b"+OK\r\n")
    talk.client_says(command(b"GET", b"raw")).server_says(b"$2\r\n\xff\xfe\r\n")
    return talk.finish().packets


def redis_channels() -> list[Packet]:
    """Two channels confirmed one by one; what they tell has no command; RESP3 does the same with pushes."""
    talk = TcpConversation(CLIENT, SERVER).handshake().client_says(command(b"SUBSCRIBE", b"nets", b"boats"))
    talk.server_says(b"*3\r\n$9\r\nsubscribe\r\n$4\r\nnets\r\n:1\r\n")
    talk.server_says(b"*3\r\n$9\r\nsubscribe\r\n$5\r\nboats\r\n:2\r\n" + command(b"message", b"nets", b"caught"))
    talk.client_says(command(b"PING")).server_says(command(b"pong", b"")).finish()
    new = TcpConversation(("10.0.0.1", 51235), SERVER, start_ns=talk.now_ns).handshake()
    new.client_says(command(b"HELLO", b"3")).server_says(b"%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n")
    new.client_says(command(b"SSUBSCRIBE", b"nets") + command(b"HGETALL", b"boat"))
    new.server_says(b">3\r\n$10\r\nssubscribe\r\n$4\r\nnets\r\n:1\r\n|1\r\n+ttl\r\n:60\r\n%1\r\n+name\r\n,1.5\r\n")
    new.server_says(
        b">3\r\n$8\r\nsmessage\r\n$4\r\nnets\r\n$4\r\nfull\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$4\r\nfish\r\n"
    )
    return talk.packets + new.finish().packets


def redis_gap_in_value() -> list[Packet]:
    """A segment of a large value was never captured, then one that hides a reply."""
    talk = TcpConversation(CLIENT, SERVER).handshake().client_says(command(b"GET", b"large"))
    talk.server_says(b"$3000\r\n" + b"a" * 900).server_says(b"b" * 1000).lose().server_says(b"c" * 1100 + b"\r\n")
    talk.client_acks().client_says(command(b"GET", b"one")).server_says(b"$1\r\n1\r\n").lose()
    talk.client_says(command(b"GET", b"two")).server_says(b"$1\r\n2\r\n").client_acks()
    return talk.finish().packets


TRACES = (redis_pipeline, redis_channels, redis_gap_in_value)
