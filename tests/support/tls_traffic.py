"""``python -m tests.support.tls_traffic COUNT KEYS``: HTTPS over the loopback, with its secrets in a key log."""

from __future__ import annotations

import http.client
import http.server
import ssl
import sys
import tempfile
import threading
from pathlib import Path

from tests.support.tls_peers import NAME, certificate


class Answer(http.server.BaseHTTPRequestHandler):
    """Says which path was asked for."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def main(count: int, keys: str) -> None:
    """One request on each connection; every second one is TLS 1.2."""
    with tempfile.TemporaryDirectory() as folder:
        pem = Path(folder, "pem")
        pem.write_bytes(certificate())
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for number in range(count):
            client = ssl.create_default_context(cafile=str(pem))
            client.check_hostname = False
            client.maximum_version = ssl.TLSVersion.TLSv1_2 if number % 2 else ssl.TLSVersion.TLSv1_3
            client.keylog_filename = keys
            connection = http.client.HTTPSConnection("127.0.0.1", server.server_port, context=client, timeout=10)
            connection.request("GET", f"/page?{number}", headers={"Host": NAME})
            assert connection.getresponse().read() == b"/page?%d" % number
            connection.close()
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
