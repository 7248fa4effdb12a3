"""Redis as redis-server speaks it with redis-py: RESP2 and RESP3, pipelines, transactions, channels, MONITOR."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

import redis

from tests.recorded.recording import Scene

PORT = 6379


def record(scene: Scene) -> None:
    """One trace for each way of speaking."""
    scene.start("redis-server", "--port", str(PORT), "--save", "", "--dir", str(scene.scratch), port=PORT)
    with scene.capture("recorded_redis_resp2"):
        commands(client(2))
    with scene.capture("recorded_redis_resp3"):
        commands(client(3))
    with scene.capture("recorded_redis_channels"):
        channels(2)
        channels(3)
    with scene.capture("recorded_redis_raw"):
        raw()


def client(protocol: int) -> Any:
    """A connection of its own."""
    return redis.Redis(
        port=PORT, protocol=protocol, decode_responses=False, socket_timeout=10, single_connection_client=True
    )


def commands(speaker: Any) -> None:
    """Values of every kind, a pipeline, a transaction, errors."""
    speaker.set("fish", "cod", ex=60)
    speaker.get("fish")
    speaker.get("nothing")
    speaker.hset("boat", mapping={"name": "Anna", "crew": "4"})
    speaker.hgetall("boat")
    speaker.rpush("nets", "a", b"\xff\x00", "c")
    speaker.lrange("nets", 0, -1)
    speaker.zadd("catch", {"cod": 1.5, "eel": 2})
    speaker.zrange("catch", 0, -1, withscores=True)
    speaker.sadd("harbours", "north", "south")
    speaker.smembers("harbours")
    speaker.eval("return {KEYS[1], ARGV[1], 7, {true, false}}", 1, "key", "value")
    speaker.set("large", "x" * 5000)
    speaker.get("large")
    with speaker.pipeline(transaction=False) as pipeline:
        pipeline.incr("count").incr("count").get("count").execute()
    with speaker.pipeline(transaction=True) as transaction:
        transaction.incr("count").lpush("fish", "x").execute(raise_on_error=False)
    with contextlib.suppress(redis.ResponseError):
        speaker.execute_command("NOSUCH", "command")
    speaker.blpop(["empty"], timeout=1)
    speaker.flushall()
    speaker.close()


def channels(protocol: int) -> None:
    """Two channels and a pattern; somebody else publishes."""
    speaker, listener = client(protocol), client(protocol).pubsub()
    listener.subscribe("nets", "boats")
    listener.psubscribe("h*")
    for _ in range(3):
        listener.get_message(timeout=5)
    for channel in ("nets", "harbour", "nobody"):
        speaker.publish(channel, f"to {channel}")
    for _ in range(2):
        listener.get_message(timeout=5)
    listener.unsubscribe()
    for _ in range(2):
        listener.get_message(timeout=5)
    listener.close()
    speaker.close()


def raw() -> None:
    """What the library does not do: inline commands, replies switched off, MONITOR, a tracked key."""
    with socket.create_connection(("127.0.0.1", PORT), timeout=10) as lines, lines.makefile("rb") as said:
        lines.sendall(b"PING\r\n")
        said.readline()
        lines.sendall(b"SET fish 'two words'\r\nGET fish\r\n")
        for _ in range(3):
            said.readline()
        lines.sendall(b"CLIENT REPLY OFF\r\nSET fish eel\r\nINCR unseen\r\nCLIENT REPLY ON\r\n")
        said.readline()
        lines.sendall(
            b"CLIENT REPLY SKIP\r\nSET fish cod\r\nHELLO 3 SETNAME lines\r\nCLIENT TRACKING ON\r\nGET fish\r\n"
        )
        while said.readline() != b"cod\r\n":
            pass
        speaker = client(2)
        speaker.set("fish", "ray")
        while said.readline() != b"fish\r\n":
            pass
        lines.sendall(b"RESET\r\nMONITOR\r\n")
        said.readline()
        said.readline()
        speaker.get("fish")
        said.readline()
        speaker.close()
