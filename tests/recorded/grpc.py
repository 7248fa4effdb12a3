"""gRPC as grpcio speaks it with itself: all four kinds of calls, compression, errors, a deadline, a call given up."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from tests.recorded.recording import Scene

SERVICE = "shop.Cart"
PORT = 50051


def record(scene: Scene) -> None:
    """One trace with everything that comes to its end, one with what does not."""
    server = grpc.server(ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers([_handlers()])
    server.add_insecure_port(f"127.0.0.1:{PORT}")
    server.start()
    with (
        scene.capture("recorded_grpc_calls", f"tcp port {PORT}"),
        grpc.insecure_channel(f"127.0.0.1:{PORT}") as channel,
    ):
        all_kinds(channel)
        compressed(channel)
        refused(channel)
    with (
        scene.capture("recorded_grpc_given_up", f"tcp port {PORT}"),
        grpc.insecure_channel(f"127.0.0.1:{PORT}") as channel,
    ):
        too_late(channel)
        cancelled(channel)
    server.stop(0)


# -- the server ----------------------------------------------------------------------------------------------------


def get(request: bytes, context: Any) -> bytes:
    """Unary."""
    context.set_trailing_metadata((("trace-bin", b"\x01\x02"),))
    return b"got " + request


def watch(request: bytes, context: Any) -> Iterator[bytes]:
    """A stream of responses."""
    for number in range(5):
        yield b"%b %d" % (request, number)


def add(requests: Iterator[bytes], context: Any) -> bytes:
    """A stream of requests."""
    return b",".join(requests)


def talk(requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
    """Both at once."""
    for request in requests:
        yield request.upper()


def fail(request: bytes, context: Any) -> bytes:
    """Trailers only."""
    context.abort(grpc.StatusCode.NOT_FOUND, "no cart 7, näher: 100 %")
    raise AssertionError


def half(request: bytes, context: Any) -> Iterator[bytes]:
    """Fails behind its first response."""
    yield b"first"
    context.abort(grpc.StatusCode.DATA_LOSS, "the second is gone")


def hang(request: bytes, context: Any) -> Iterator[bytes]:
    """Says one thing and waits until nobody listens."""
    yield b"wait"
    while context.is_active():
        context.time_remaining()
    yield b"never"


def _handlers() -> grpc.GenericRpcHandler:
    methods = {
        "Get": grpc.unary_unary_rpc_method_handler(get),
        "Watch": grpc.unary_stream_rpc_method_handler(watch),
        "Add": grpc.stream_unary_rpc_method_handler(add),
        "Talk": grpc.stream_stream_rpc_method_handler(talk),
        "Fail": grpc.unary_unary_rpc_method_handler(fail),
        "Half": grpc.unary_stream_rpc_method_handler(half),
        "Hang": grpc.unary_stream_rpc_method_handler(hang),
    }
    return grpc.method_handlers_generic_handler(SERVICE, methods)


# -- the client ----------------------------------------------------------------------------------------------------


def all_kinds(channel: grpc.Channel) -> None:
    """The server's four good methods; the messages are no protobuf."""
    said = [b"cod", b"eel", b"\xff\x00ray"]
    assert channel.unary_unary(f"/{SERVICE}/Get")(b"7", metadata=(("tenant", "north"),)) == b"got 7"
    assert len(list(channel.unary_stream(f"/{SERVICE}/Watch")(b"7"))) == 5
    assert channel.stream_unary(f"/{SERVICE}/Add")(iter(said)) == b",".join(said)
    assert len(list(channel.stream_stream(f"/{SERVICE}/Talk")(iter(said)))) == 3


def compressed(channel: grpc.Channel) -> None:
    """In both directions, where it is worth it."""
    call = channel.unary_unary(f"/{SERVICE}/Get")
    assert len(call(b"fish " * 200, compression=grpc.Compression.Gzip)) == 1004


def refused(channel: grpc.Channel) -> None:
    """Errors before and behind a response, and of a method that is not there."""
    for method, status in (("Fail", "NOT_FOUND"), ("Missing", "UNIMPLEMENTED")):
        _fails(lambda method=method: channel.unary_unary(f"/{SERVICE}/{method}")(b""), status)
    _fails(lambda: list(channel.unary_stream(f"/{SERVICE}/Half")(b"")), "DATA_LOSS")


def too_late(channel: grpc.Channel) -> None:
    """A deadline that passes."""
    _fails(lambda: list(channel.unary_stream(f"/{SERVICE}/Hang")(b"", timeout=0.5)), "DEADLINE_EXCEEDED")


def cancelled(channel: grpc.Channel) -> None:
    """The client loses interest behind the first response."""
    call = channel.unary_stream(f"/{SERVICE}/Hang")(b"")
    assert next(call) == b"wait"
    call.cancel()


def _fails(call: Any, status: str) -> None:
    ended = "OK"
    try:
        call()
    except grpc.RpcError as error:
        ended = error.code().name
    assert ended == status
