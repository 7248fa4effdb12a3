"""AMQP: a connection from its beginning, contents, answers, errors; every method of the library with its defaults."""

from __future__ import annotations

from typing import Any

from pamqp import commands
from pamqp.commands import Basic, Channel, Connection, Queue

from engine.streams.stream import CLIENT, SERVER
from tests.support.amqp_wire import HEARTBEAT, HELLO, content, content_frames, method, plain, publish
from tests.support.streams import Said

PORT = 5672
HEADERS: dict[str, Any] = {"a": "b", "list": [1, "two", None, {"deep": [True, -5]}], "big": 1 << 40}


def conversations() -> list[list[Said]]:
    """The first one begins as all do."""
    one, two = (content_frames(Basic.Publish(), b"12" * 45, channel, 30) for channel in (1, 2))
    mixed = zip(one, two, strict=True)
    library = [command for command in commands.INDEX_MAPPING.values() if command is not Basic.RecoverAsync]
    every = b"".join(method(plain(command)) for command in library)
    delivered = content(Basic.Deliver("tag", 1, False, "e", "k"), b"delivered", priority=1)
    return [
        [
            (CLIENT, HELLO),
            (SERVER, method(Connection.Start(0, 9, {"product": "RabbitMQ", "capabilities": HEADERS}), 0)),
            (CLIENT, method(Connection.StartOk({"product": "x"}, "PLAIN", "\0guest\0guest"), 0)),
        ],
        [(CLIENT, publish(data=b"x" * 400, cut=150, content_type="a/b", headers=HEADERS) + publish())],
        [(CLIENT, b"".join(first + second for first, second in mixed)), (SERVER, HEARTBEAT)],
        [(CLIENT, method(Basic.Get(queue="a"))), (SERVER, content(Basic.GetOk(1, False, "", "a", 2), b"got"))],
        [(CLIENT, method(Queue.Declare(queue="a", arguments=HEADERS))), (SERVER, method(Queue.DeclareOk("a", 1, 2)))],
        [(CLIENT, method(Queue.Bind(queue="a"))), (SERVER, method(Channel.Close(404, "NOT_FOUND", 50, 20)))],
        [(SERVER, delivered), (CLIENT, method(Basic.Ack(1)))],
        [(CLIENT, every), (SERVER, every)],
    ]
