"""HTTP/2 as nginx and Apache speak it to curl, nghttp and the ``h2`` library."""

from __future__ import annotations

import socket
import subprocess

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, StreamEnded

from tests.recorded.recording import Scene

NGINX = """
daemon off; user root; worker_processes 1; pid {scratch}/pid; error_log {scratch}/error;
events {{ worker_connections 64; }}
http {{
  access_log off; default_type text/plain; server_tokens off; gzip on; gzip_min_length 1; gzip_types text/css;
  client_body_temp_path {scratch}/body; proxy_temp_path {scratch}/proxy; fastcgi_temp_path {scratch}/fastcgi;
  uwsgi_temp_path {scratch}/uwsgi; scgi_temp_path {scratch}/scgi;
  types {{ text/html html; text/css css; application/json json; }}
  server {{
    listen 82 http2; root {scratch}/www; if_modified_since before;
    location /moved {{ return 302 /index.html; }}
    location /echo {{ client_max_body_size 1m; return 201 "$request_method $content_length\\n"; }}
    location /slow {{ limit_rate 400; try_files /style.css =404; }}
    location /pushes {{ http2_push /style.css; try_files /index.html =404; }}
  }}
}}
"""
APACHE = """
ServerRoot {scratch}
ServerName localhost
PidFile {scratch}/apache.pid
ErrorLog {scratch}/apache.log
ServerTokens Prod
Listen 83
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule http2_module /usr/lib/apache2/modules/mod_http2.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
StartServers 1
ThreadsPerChild 25
MaxRequestWorkers 25
Protocols h2c http/1.1
H2EarlyHints on
DocumentRoot {scratch}/www
"""


def record(scene: Scene) -> None:
    """Three traces."""
    www = scene.scratch / "www"
    www.mkdir()
    (www / "index.html").write_text("<h1>anchovies</h1>\n" * 20)
    (www / "style.css").write_text("h1 { color: teal }\n" * 40)
    (www / "data.json").write_text('{"caught": 7}\n')
    nginx, apache = scene.scratch / "nginx.conf", scene.scratch / "apache.conf"
    nginx.write_text(NGINX.format(scratch=scene.scratch))
    apache.write_text(APACHE.format(scratch=scene.scratch))
    scene.start("nginx", "-c", str(nginx), port=82)
    scene.start("apache2", "-X", "-f", str(apache), port=83)
    with scene.capture("recorded_http2_nginx", "tcp port 82"):
        one_after_the_other()
        side_by_side()
        pushed()
    with scene.capture("recorded_http2_resets", "tcp port 82"):
        reset_by_the_client()
    with scene.capture("recorded_http2_upgrade", "tcp port 83"):
        upgraded()


def run(*command: str, check: bool = True) -> None:
    """A client; what it prints is of no interest."""
    told = subprocess.DEVNULL
    subprocess.run(command, check=check, timeout=20, stdout=told, stderr=None if check else told)


def one_after_the_other() -> None:
    """curl, on a connection each: 7.88 breaks those that it uses again.

    nginx does not wait for the form, and says so (NO_ERROR), which that curl takes for an error.
    """
    at = "http://127.0.0.1:82"
    for arguments in (
        ["--cookie", "session=1; theme=dark", f"{at}/index.html?q=a&q=b"],
        ["-I", f"{at}/index.html"],
        ["-r", "4-12", f"{at}/index.html"],
        ["--compressed", f"{at}/style.css"],
        [f"{at}/missing"],
        [f"{at}/moved"],
        ["-d", "fish=cod&fish=eel&note=a+b", f"{at}/echo"],
    ):
        run("curl", "-sS", "--http2-prior-knowledge", *arguments, check="-d" not in arguments)


def side_by_side() -> None:
    """Frames of several streams, one between the others."""
    at = "http://127.0.0.1:82"
    paths = (f"{at}/slow", f"{at}/index.html", f"{at}/data.json", f"{at}/style.css")
    run("nghttp", "-n", "-H", "accept-encoding: identity", *paths)


def pushed() -> None:
    """nghttp takes what is promised, and sends priorities."""
    run("nghttp", "-n", "http://127.0.0.1:82/pushes", "-H", "accept-encoding: gzip")


class Client:
    """One connection of the ``h2`` library."""

    def __init__(self, link: socket.socket) -> None:
        self.h2 = H2Connection(H2Configuration(client_side=True))
        self._link = link
        self._heard: list[Event] = []
        self.h2.initiate_connection()

    def ask(self, stream: int, path: str) -> None:
        """A request without a body."""
        fields = [(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "shop.test")]
        self.h2.send_headers(stream, fields, end_stream=True)

    def say(self) -> None:
        """Send what there is to say."""
        self._link.sendall(self.h2.data_to_send())

    def hear(self, kind: type[Event], stream: int) -> None:
        """Until there was such an event of this stream."""
        while not any(isinstance(event, kind) and getattr(event, "stream_id", 0) == stream for event in self._heard):
            self._heard += self.h2.receive_data(self._link.recv(65536))
            self.say()


def reset_by_the_client() -> None:
    """One stream is given up while its body arrives, another one ends; then the client goes away from a third."""
    with socket.create_connection(("127.0.0.1", 82), timeout=10) as link:
        client = Client(link)
        client.ask(1, "/slow")
        client.ask(3, "/index.html")
        client.say()
        client.hear(DataReceived, 1)
        client.h2.reset_stream(1, ErrorCodes.CANCEL)
        client.say()
        client.hear(StreamEnded, 3)
        client.ask(5, "/slow")
        client.h2.close_connection(ErrorCodes.ENHANCE_YOUR_CALM, b"enough")
        client.say()


def upgraded() -> None:
    """From HTTP/1, and more on the connection that came of it."""
    at = "http://127.0.0.1:83"
    run("curl", "-sS", "--http2", f"{at}/index.html")
    run("nghttp", "-n", "-u", f"{at}/style.css", f"{at}/data.json", f"{at}/missing")
