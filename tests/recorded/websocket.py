"""WebSocket as the websockets package speaks it, with permessage-deflate and without; HTTP on the same port."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve

from tests.recorded import tls
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
    inside_tls(scene)


def inside_tls(scene: Scene) -> None:
    """The same behind a handshake of TLS, with its key log."""
    tls.prepare(scene)
    own, trusted = (
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
        ssl.create_default_context(cafile=scene.scratch / "server.pem"),
    )
    own.load_cert_chain(scene.scratch / "server.pem", scene.scratch / "server.key")
    keys = scene.scratch / "keys"
    trusted.keylog_filename = str(keys)
    with serve(echo, "127.0.0.1", 443, ssl=own) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with scene.capture("recorded_websocket_tls", "tcp port 443"):
            talk("deflate", "wss://shop.test/chat", sock=socket.create_connection(("127.0.0.1", 443)), ssl=trusted)
        server.shutdown()
    scene.keep("recorded_websocket_tls.keys", keys.read_bytes())


def echo(connection: ServerConnection) -> None:
    """Say everything again."""
    try:
        for message in connection:
            connection.send(message)
    except ConnectionClosed:
        pass


def talk(compression: str | None, address: str = "ws://127.0.0.1:80/chat", **how: Any) -> None:
    """Texts, bytes, fragments with a ping between them, and a close with its reason."""
    with connect(address, compression=compression, max_size=None, **how) as connection:
        for text in TEXTS:
            connection.send(text)
            connection.recv(timeout=10)
        connection.send(os.urandom(300))
        connection.recv(timeout=10)
        connection.send(["in ", "three ", "fragments"])
        connection.recv(timeout=10)
        connection.ping("alive?").wait(10)
        connection.close(1001, "going away")
