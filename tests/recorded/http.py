"""HTTP/1 as nginx speaks it: keep-alive, chunked, gzip, ranges, no body, not found, several requests at once."""

from __future__ import annotations

import http.client
import socket

from tests.recorded.recording import Scene

CONFIGURATION = """
daemon off; user root; worker_processes 1; pid {scratch}/pid; error_log {scratch}/error;
events {{ worker_connections 64; }}
http {{
  access_log off; default_type text/plain; server_tokens off; gzip on; gzip_min_length 1; gzip_types text/css;
  client_body_temp_path {scratch}/body; proxy_temp_path {scratch}/proxy; fastcgi_temp_path {scratch}/fastcgi;
  uwsgi_temp_path {scratch}/uwsgi; scgi_temp_path {scratch}/scgi;
  types {{ text/html html; text/css css; application/json json; }}
  server {{
    listen 80; root {scratch}/www; if_modified_since before;
    location /moved {{ return 302 /index.html; }}
    location /echo {{ client_max_body_size 1m; return 201 "$request_method $content_length\\n"; }}
    location /broken {{ return 444; }}
    location /through {{ proxy_pass http://127.0.0.1:81/; proxy_http_version 1.1; proxy_buffering off; }}
  }}
  server {{ listen 81; root {scratch}/www; location / {{ try_files /style.css =404; }} }}
}}
"""


def record(scene: Scene) -> None:
    """One connection for most of it; others where the server closes them."""
    www = scene.scratch / "www"
    www.mkdir()
    (www / "index.html").write_text("<h1>anchovies</h1>\n" * 20)
    (www / "style.css").write_text("h1 { color: teal }\n" * 40)
    (www / "data.json").write_text('{"caught": 7}\n')
    configuration = scene.scratch / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(scratch=scene.scratch))
    scene.start("nginx", "-c", str(configuration), port=80)
    with scene.capture("recorded_http_nginx", "tcp port 80"):
        keep_alive()
        pipelined()
        closed_without_an_answer()


def keep_alive() -> None:
    """One after the other."""
    connection = http.client.HTTPConnection("127.0.0.1", 80, timeout=10)
    for method, path, body, fields in (
        ("GET", "/index.html?q=a%20b&q=c", None, {"Cookie": "session=1; theme=dark"}),
        ("HEAD", "/index.html", None, {}),
        ("GET", "/index.html", None, {"Range": "bytes=4-12"}),
        ("GET", "/style.css", None, {"Accept-Encoding": "gzip"}),
        ("GET", "/missing", None, {}),
        ("GET", "/moved", None, {}),
        ("POST", "/echo", b"fish=cod&fish=eel&note=a+b", {"Content-Type": "application/x-www-form-urlencoded"}),
        ("GET", "/data.json", None, {"If-Modified-Since": "Fri, 01 Jan 2038 00:00:00 GMT"}),
        ("GET", "/through", None, {"Accept-Encoding": "gzip", "Expect": "nothing"}),
        ("OPTIONS", "/index.html", None, {}),
    ):
        connection.request(method, path, body, fields)
        connection.getresponse().read()
    connection.close()


def pipelined() -> None:
    """Three requests in one segment; the last one closes."""
    ask = b"GET /data.json HTTP/1.1\r\nHost: shop.test\r\n%b\r\n"
    with socket.create_connection(("127.0.0.1", 80), timeout=10) as connection:
        connection.sendall(ask % b"" + ask % b"Range: bytes=1-3\r\n" + ask % b"Connection: close\r\n")
        while connection.recv(65536):
            pass


def closed_without_an_answer() -> None:
    """The server closes the connection and says nothing."""
    with socket.create_connection(("127.0.0.1", 80), timeout=10) as connection:
        connection.sendall(b"GET /broken HTTP/1.1\r\nHost: shop.test\r\n\r\n")
        assert connection.recv(1) == b""
