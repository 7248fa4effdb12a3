"""GraphQL as graphql-core answers it behind Python's web server, and the same behind nginx over HTTP/2."""

from __future__ import annotations

import http.client
import json
import subprocess
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from graphql import build_schema, graphql_sync

from tests.recorded.recording import Scene

SCHEMA = build_schema("""
    type Item { id: ID!, name: String! }
    type Query { item(id: ID!): Item, items: [Item!]! }
    type Mutation { add(name: String!): Item }
""")
ITEMS = [{"id": "7", "name": "cod"}, {"id": "8", "name": "eel"}]
ROOT = {
    "item": lambda info, id: ITEMS[int(id) - 7],
    "items": ITEMS,
    "add": lambda info, name: {"id": "9", "name": name},
}
NGINX = """
daemon off; user root; worker_processes 1; pid {scratch}/pid; error_log {scratch}/error;
events {{ worker_connections 64; }}
http {{
  access_log off; server_tokens off;
  client_body_temp_path {scratch}/body; proxy_temp_path {scratch}/proxy; fastcgi_temp_path {scratch}/fastcgi;
  uwsgi_temp_path {scratch}/uwsgi; scgi_temp_path {scratch}/scgi;
  server {{ listen 82 http2; location / {{ proxy_pass http://127.0.0.1:4000; }} }}
}}
"""


class Answers(BaseHTTPRequestHandler):
    """One endpoint: queries in the body or the query string, one or a batch; everything else is echoed."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """In the query string."""
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        self._say(_result(asked))

    def do_POST(self) -> None:
        """In the body."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Type"] == "application/graphql":
            self._say(_result({"query": body.decode()}))
            return
        asked = json.loads(body)
        self._say([_result(one) for one in asked] if isinstance(asked, list) else _result(asked))

    def _say(self, said: Any) -> None:
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def _result(asked: dict[str, Any]) -> Any:
    if not isinstance(asked.get("query"), str):
        return asked
    operation = asked.get("operationName")
    result = graphql_sync(
        SCHEMA, asked["query"], ROOT, variable_values=asked.get("variables"), operation_name=operation
    )
    return result.formatted


def record(scene: Scene) -> None:
    """Two traces."""
    server = ThreadingHTTPServer(("127.0.0.1", 4000), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    configuration = scene.scratch / "nginx.conf"
    configuration.write_text(NGINX.format(scratch=scene.scratch))
    scene.start("nginx", "-c", str(configuration), port=82)
    with scene.capture("recorded_graphql_http1", "tcp port 4000"):
        over_http_1()
    with scene.capture("recorded_graphql_http2", "tcp port 82"):
        over_http_2()
    server.shutdown()


ONE = {"query": "query One($id: ID!) { item(id: $id) { name } }", "operationName": "One", "variables": {"id": "7"}}
BATCH = [{"query": "{ items { id name } }"}, {"query": 'mutation { add(name: "ray") { id } }'}]
TWO = {"query": "query A { items { id } } query B { item(id: 8) { name } }", "operationName": "B"}
WRONG = {"query": "{ nothing }"}
OTHER = {"query": {"match": {"name": "cod"}}}


def over_http_1() -> None:
    """One connection."""
    connection = http.client.HTTPConnection("127.0.0.1", 4000, timeout=10)
    for asked in (ONE, BATCH, TWO, WRONG, OTHER):
        connection.request("POST", "/graphql", json.dumps(asked), {"Content-Type": "application/json"})
        connection.getresponse().read()
    connection.request("POST", "/graphql", "{ items { name } }", {"Content-Type": "application/graphql"})
    connection.getresponse().read()
    connection.request("GET", "/graphql?" + urllib.parse.urlencode({"query": "query Names { items { name } }"}))
    connection.getresponse().read()
    connection.close()


def over_http_2() -> None:
    """curl, a connection each."""
    for asked in (ONE, BATCH, OTHER):
        command = [
            "curl",
            "-sS",
            "--http2-prior-knowledge",
            "-H",
            "Content-Type: application/json",
            "-d",
            json.dumps(asked),
        ]
        subprocess.run([*command, "http://127.0.0.1:82/graphql"], check=True, timeout=20, stdout=subprocess.DEVNULL)
