"""A token endpoint of a service account (RFC 7523) on loopback: the signature of each assertion is verified."""

from __future__ import annotations

import base64
import json
import socket
import struct
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa


class Tokens:
    """Verifies each assertion; ``status``, ``failures`` and ``hangs_up`` say what goes wrong."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.status, self.asked, self.failures = 200, 0, 0
        self.hangs_up = False
        self.claims: dict[str, Any] = {}

    def info(self, address: str) -> dict[str, str]:
        """A key, whose owner is to ask for tokens at ``address``."""
        kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return {
            "type": "service_account",
            "project_id": "shop",
            "private_key": self.key.private_bytes(*kind).decode(),
            "client_email": "recorder@shop.iam.gserviceaccount.com",
            "token_uri": address,
        }

    def answer(self, body: bytes) -> tuple[int, dict[str, Any]]:
        """Status and content of the answer to an assertion."""
        self.asked += 1
        assertion = urllib.parse.parse_qs(body.decode())["assertion"][0]
        signed, _, signature = assertion.rpartition(".")
        self.key.public_key().verify(decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        self.claims = json.loads(decoded(signed.split(".")[1]))
        if self.failures or self.status != 200:
            self.failures -= 1
            return self.status, {"error": "invalid_grant" if self.status == 400 else "unavailable"}
        return 200, {"access_token": f"token-{self.asked}", "expires_in": 3600, "token_type": "Bearer"}


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@contextmanager
def serve_tokens(port: int = 0) -> Iterator[tuple[Tokens, str]]:
    """An endpoint and its address."""
    state = Tokens()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if state.hangs_up:
                state.asked += 1
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True
                return
            status, value = state.answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(value).encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    class Endpoint(HTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A connection that was hung up is no news."""

    endpoint = Endpoint(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=endpoint.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state, f"http://127.0.0.1:{endpoint.server_address[1]}/token"
    finally:
        endpoint.shutdown()
        thread.join()
        endpoint.server_close()
