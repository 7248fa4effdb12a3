"""WebSocket as the websockets package speaks it, with permessage-deflate and without; HTTP on the same port."""

from __future__ import annotations

import os
import threading

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve

from tests.recorded.recording import Scene

TEXTS = ("hello", "hello again, hello again", '{"price": 7, "fish": "cod"}' * 20, "żółw")


def record(scene: Scene) -> None:
    """One trace for each way of agreeing."""
    with serve(echo, "127.0.0.1", 80) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with scene.capture("recorded_websocket_deflate", "tcp port 80"):
            talk("deflate")
        with scene.capture("recorded_websocket_plain", "tcp port 80"):
            talk(None)
        server.shutdown()


def echo(connection: ServerConnection) -> None:
    """Say everything again."""
    try:
        for message in connection:
            connection.send(message)
    except ConnectionClosed:
        pass


def talk(compression: str | None) -> None:
    """Texts, bytes, fragments with a ping between them, and a close with its reason."""
    with connect("ws://127.0.0.1:80/chat", compression=compression, max_size=None) as connection:
        for text in TEXTS:
            connection.send(text)
            connection.recv(timeout=10)
        connection.send(os.urandom(300))
        connection.recv(timeout=10)
        connection.send(["in ", "three ", "fragments"])
        connection.recv(timeout=10)
        connection.ping("alive?").wait(10)
        connection.close(1001, "going away")
