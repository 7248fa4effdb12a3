"""A small shop behind nginx, with the faults that a real one has. Run by record.sh."""

from __future__ import annotations

import json
import random
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Shop(BaseHTTPRequestHandler):
    """Catalogue, cart and checkout; the checkout fails now and then."""

    protocol_version = "HTTP/1.1"
    server_version = "shop/1.4"

    def answer(self, status: int, body: object) -> None:
        """One JSON answer."""
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        """Catalogue pages, a chunked export, a slow search, what is missing."""
        path = self.path.partition("?")[0]
        if path == "/api/export":
            self.send_response(200)
            self.send_header("Content-Type", "text/csv")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for row in range(20):
                line = f"{row},item-{row},{random.random():.4f}\n".encode()
                self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
        elif path == "/api/search":
            time.sleep(random.uniform(0.005, 0.2))
            self.answer(200, {"hits": random.randrange(50)})
        elif path.startswith("/api/items/"):
            number = int(path.rsplit("/", 1)[1])
            if number % 7 == 0:
                self.answer(404, {"error": "no such item", "item": number})
            else:
                self.answer(200, {"item": number, "name": f"item-{number}", "price": number * 3 % 91})
        else:
            self.answer(200, {"status": "ok"})

    def do_POST(self) -> None:
        """The cart takes everything; every fifth checkout ends in a 500 or 503."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/api/checkout" and random.random() < 0.2:
            self.answer(random.choice((500, 503)), {"error": "payment provider did not answer"})
        else:
            self.answer(201, {"accepted": len(body)})

    def log_message(self, *_: object) -> None:
        """Quiet."""


ThreadingHTTPServer(("127.0.0.1", 9000), Shop).serve_forever()
