from __future__ import annotations

import os
import random
import socket

import msgspec
import pytest

from engine.errors import ProtocolViolation
from engine.frames.endpoint import MAX_MESSAGE_BYTES, Endpoint, message_pair
from engine.frames.host import Call, FromHost, Log, Reply, ToHost


def pair() -> tuple[Endpoint[FromHost], Endpoint[ToHost]]:
    ours, theirs = message_pair()
    return Endpoint(ours, FromHost), Endpoint(theirs, ToHost)


def test_messages_arrive_whole_and_in_order_with_their_descriptors() -> None:
    broker, host = pair()
    read_fd, write_fd = os.pipe()
    host.send(Call(1, "file.copy", [msgspec.Raw(b"\xa1a")]), [write_fd])
    host.send(Log("log", "x" * 1000))
    os.close(write_fd)
    received = broker.receive()
    assert received is not None
    call, (descriptor,) = received
    assert isinstance(call, Call)
    assert call.helper == "file.copy"
    os.write(descriptor, b"through")
    os.close(descriptor)
    assert os.read(read_fd, 10) == b"through"
    os.close(read_fd)
    assert broker.receive() == (Log("log", "x" * 1000), [])
    host.close()
    assert broker.receive() is None
    broker.close()


def test_a_message_of_ours_above_the_cap_is_refused_before_it_is_sent() -> None:
    broker, host = pair()
    with pytest.raises(ProtocolViolation, match="exceed the cap"):
        broker.send(Reply(1, "", msgspec.Raw(msgspec.msgpack.encode(b"x" * MAX_MESSAGE_BYTES))))
    broker.close()
    host.close()


HOSTILE = {
    "garbage": b"\xc1\xc1\xc1",
    "unknown type": msgspec.msgpack.encode({"type": "root_me"}),
    "unknown field": msgspec.msgpack.encode({"type": "log", "level": "log", "text": "", "extra": 1}),
    "wrong type of field": msgspec.msgpack.encode({"type": "call", "seq": "one", "helper": "x", "args": []}),
    "missing field": msgspec.msgpack.encode({"type": "call", "seq": 1}),
    "deep list": b"\x91" * 50_000,
    "oversize": msgspec.msgpack.encode({"type": "log", "level": "log", "text": "x" * 80_000}),
    "huge claim": b"\xdd\xff\xff\xff\xff",
    "lone surrogate": b"\x83\xa4type\xa3log\xa5level\xa3log\xa4text\xa3\xed\xa0\x80",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_no_honest_host_sends_is_a_violation(data: bytes) -> None:
    ours, theirs = message_pair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    broker: Endpoint[FromHost] = Endpoint(ours, FromHost)
    theirs.send(data)
    with pytest.raises(ProtocolViolation):
        broker.receive()
    theirs.close()
    broker.close()


def test_descriptors_beside_garbage_are_closed() -> None:
    ours, theirs = message_pair()
    broker: Endpoint[FromHost] = Endpoint(ours, FromHost)
    read_fd, write_fd = os.pipe()
    socket.send_fds(theirs, [b"\xc1"], [write_fd])
    os.close(write_fd)
    with pytest.raises(ProtocolViolation):
        broker.receive()
    assert os.read(read_fd, 1) == b"", "the last writer is gone"
    os.close(read_fd)
    theirs.close()
    broker.close()


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_are_a_message_or_a_violation(seed: int) -> None:
    ours, theirs = message_pair()
    broker: Endpoint[FromHost] = Endpoint(ours, FromHost)
    randomness = random.Random(seed)
    honest = msgspec.msgpack.encode(Call(7, "jobs.schedule", [msgspec.Raw(b"\x01")]))
    for _ in range(100):
        data = bytearray(honest)
        for _ in range(randomness.randrange(1, 4)):
            data[randomness.randrange(len(data))] = randomness.randrange(256)
        theirs.send(bytes(data))
        try:
            received = broker.receive()
        except ProtocolViolation:
            continue
        assert received is not None
        assert isinstance(received[0], FromHost)
    theirs.close()
    broker.close()
