"""TLS as OpenSSL and nginx speak it, each trace with its key log beside it: ``recorded_tls_….keys``.

What is decrypted and what is not: suites of TLS 1.2 and 1.3, resumed sessions, another hello asked for, KeyUpdate,
a client's certificate, early data, refusals, renegotiation, a suite without AEAD.
"""

from __future__ import annotations

import contextlib
import os
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.recorded.recording import Scene, listens

NGINX = """
daemon off; user root; worker_processes 1; pid {scratch}/pid; error_log {scratch}/error;
events {{ worker_connections 64; }}
http {{
  access_log off; default_type text/plain; server_tokens off;
  client_body_temp_path {scratch}/body; proxy_temp_path {scratch}/proxy; fastcgi_temp_path {scratch}/fastcgi;
  uwsgi_temp_path {scratch}/uwsgi; scgi_temp_path {scratch}/scgi;
  ssl_certificate {scratch}/server.pem; ssl_certificate_key {scratch}/server.key; ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_cache shared:s:1m; ssl_session_tickets on; ssl_early_data on; ssl_buffer_size 4k;
  ssl_ciphers ALL:@SECLEVEL=0; {more}
  server {{
    listen 443 ssl http2; root {scratch}/www;
    location /echo {{ return 201 "$request_method $ssl_protocol $ssl_session_reused $ssl_early_data\\n"; }}
  }}
}}
"""
SUITES_1_2 = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-CCM",
    "ECDHE-ECDSA-AES256-CCM8",
    "ECDHE-ECDSA-AES256-SHA384",
)
SUITES_1_3 = (
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_AES_128_CCM_SHA256",
    "TLS_AES_128_CCM_8_SHA256",
)
GET = "GET /index.txt HTTP/1.0\r\nHost: shop.test\r\n\r\n"
STEP_S = 0.15
"""Between two things that a client does, so that they are records of their own."""


def record(scene: Scene) -> None:
    """Certificates first; then a trace for each subject."""
    prepare(scene)
    nginx(scene)
    openssl(scene)


def prepare(scene: Scene) -> None:
    """Certificates, and what nginx shows."""
    _certificate(scene.scratch, "server", "/C=IS/O=Fishmonger/CN=shop.test", "DNS:shop.test,DNS:*.shop.test")
    _certificate(scene.scratch, "client", "/CN=cook", "email:cook@shop.test")
    www = scene.scratch / "www"
    www.mkdir()
    (www / "index.txt").write_text("herring and eel\n" * 40)
    (www / "long.txt").write_text("".join(f"line {number}\n" for number in range(1500)))


def serve_nginx(scene: Scene, *more: str) -> subprocess.Popen[bytes]:
    """At port 443; ``more`` lines of its configuration."""
    configuration = scene.scratch / "nginx.conf"
    configuration.write_text(NGINX.format(scratch=scene.scratch, more=" ".join(more)))
    return scene.start("nginx", "-c", str(configuration), port=443)


def nginx(scene: Scene) -> None:
    """HTTP/1.1 and HTTP/2 over TLS 1.3 and 1.2, asked by curl, and early data."""
    _early_refused(scene)
    serve_nginx(scene)
    for name, options in (
        ("recorded_tls_nginx", ("--http1.1", "--tlsv1.3")),
        ("recorded_tls_nginx_12", ("--http1.1", "--tls-max", "1.2")),
        ("recorded_tls_nginx_h2", ("--http2",)),
    ):
        keys = scene.scratch / f"{name}.keys"
        with scene.capture(name, "tcp port 443"):
            _curl(scene, keys, *options, "/index.txt", "/long.txt", "/missing")
            _curl(scene, keys, *options, "--data", "fish=cod", "/echo")
        scene.keep(f"{name}.keys", keys.read_bytes())
    early, session = scene.scratch / "early", scene.scratch / "early-session"
    early.write_text("GET /index.txt HTTP/1.0\r\nHost: early.test\r\n\r\n")
    with _traced(scene, "recorded_tls_early_data", 443) as keys:
        _client(keys, "-tls1_3", "-sess_out", str(session), say=[GET], port=443)
        _client(keys, "-tls1_3", "-sess_in", str(session), "-early_data", str(early), say=[], port=443)


def _curl(scene: Scene, keys: Path, *words: str) -> None:
    urls = [f"https://shop.test{word}" if word.startswith("/") else word for word in words]
    command = ["curl", "-sS", "--cacert", f"{scene.scratch}/server.pem", "--resolve", "shop.test:443:127.0.0.1", *urls]
    environment = {**os.environ, "SSLKEYLOGFILE": str(keys)}
    subprocess.run(command, check=True, capture_output=True, timeout=20, env=environment)


def openssl(scene: Scene) -> None:
    """``s_server -WWW`` answers one request for a file, then closes."""
    for name, version, suites in (("12", "-tls1_2", SUITES_1_2), ("13", "-tls1_3", SUITES_1_3)):
        server = _serve(scene, version, "-cipher", "ALL:@SECLEVEL=0", "-ciphersuites", ":".join(SUITES_1_3))
        choice = "-cipher" if name == "12" else "-ciphersuites"
        with _traced(scene, f"recorded_tls_suites_{name}") as keys:
            for suite in suites:
                _client(keys, version, choice, suite, say=[GET])
        scene.stop(server)
    _sessions(scene)
    _key_updates(scene)
    _refusals(scene)


def _sessions(scene: Scene) -> None:
    """What a session can be besides plain."""
    session, asks_twice = scene.scratch / "session", ("-tls1_3", "-groups", "X25519:P-384")
    cook = ("-cert", f"{scene.scratch}/client.pem", "-key", f"{scene.scratch}/client.key")
    server = _serve(scene, "-verify", "1", "-CAfile", f"{scene.scratch}/client.pem", "-groups", "P-384:P-256")
    with _traced(scene, "recorded_tls_sessions") as keys:
        _client(keys, *asks_twice, "-sess_out", str(session), say=[GET])
        _client(keys, *asks_twice, "-sess_in", str(session), say=[GET])
        _client(keys, "-tls1_3", *cook, say=[GET])
        _client(keys, "-tls1_2", *cook, "-sess_out", str(session), say=[GET])
        _client(keys, "-tls1_2", "-sess_in", str(session), say=[GET])
        _client(keys, "-tls1_2", say=["R\n", GET])  # renegotiated
    scene.stop(server)


def _early_refused(scene: Scene) -> None:
    """Early data that is lost, because nginx asks for another hello."""
    session, early = scene.scratch / "refused-session", scene.scratch / "refused-early"
    early.write_text(GET)
    server = serve_nginx(scene, "ssl_ecdh_curve secp384r1;")
    with _traced(scene, "recorded_tls_early_refused", 443) as keys:
        _client(keys, "-tls1_3", "-groups", "P-384", "-sess_out", str(session), say=[GET], port=443)
        again = ("-groups", "X25519:P-384", "-sess_in", str(session), "-early_data", str(early))
        _client(keys, "-tls1_3", *again, say=[GET.replace("index", "long")], port=443)
    scene.stop(server)


def _key_updates(scene: Scene) -> None:
    """Both sides change their keys between what they say; here the server says what is put into its mouth."""
    pair = ("-cert", f"{scene.scratch}/server.pem", "-key", f"{scene.scratch}/server.key")
    command = ["openssl", "s_server", "-accept", "4433", *pair, "-tls1_3"]
    with subprocess.Popen(
        command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        assert server.stdin is not None
        while not listens(4433):
            time.sleep(STEP_S)
        with _traced(scene, "recorded_tls_key_updates") as keys, _connected(keys, "-tls1_3") as client:
            for speaker, words in (
                (client, "K\n"),
                (client, GET),
                (server, "k\n"),
                (server, "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\neel"),
                (client, "k\n"),
                (client, GET),
                (server, "K\n"),
                (server, "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\ncod"),
            ):
                assert speaker.stdin is not None
                speaker.stdin.write(words.encode())
                time.sleep(2 * STEP_S)
            client.terminate()
        server.terminate()


def _refusals(scene: Scene) -> None:
    """Handshakes that come to nothing."""
    server = _serve(scene, "-tls1_3")
    with _traced(scene, "recorded_tls_refusals") as keys:
        _client(keys, "-tls1_2", say=[])
        _client(keys, "-tls1_3", "-verify_return_error", "-CAfile", f"{scene.scratch}/client.pem", say=[])
        _client(keys, "-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_8_SHA256", say=[])
        _client(keys, "-tls1_3", "-alpn", "fish", say=[])
    scene.stop(server)


class _traced:
    """A capture with a key log."""

    def __init__(self, scene: Scene, name: str, port: int = 4433) -> None:
        self._scene, self._name = scene, name
        self._keys = scene.scratch / f"{name}.keys"
        self._keys.touch()
        self._capture = scene.capture(name, f"tcp port {port}")

    def __enter__(self) -> Path:
        self._capture.__enter__()
        return self._keys

    def __exit__(self, *error: object) -> None:
        self._capture.__exit__(*error)  # type: ignore[arg-type] # as the interpreter passes them
        self._scene.keep(f"{self._name}.keys", self._keys.read_bytes())


def _serve(scene: Scene, *options: str) -> subprocess.Popen[bytes]:
    pair = ("-cert", f"{scene.scratch}/server.pem", "-key", f"{scene.scratch}/server.key")
    command = ["env", "-C", f"{scene.scratch}/www", "openssl", "s_server", "-accept", "4433", *pair, "-WWW", *options]
    return scene.start(*command, port=4433)


def _client(keys: Path, *options: str, say: list[str], port: int = 4433) -> None:
    """One connection; what it says, one after the other."""
    with _connected(keys, *options, port=port) as client:
        assert client.stdin is not None
        for words in say:
            with contextlib.suppress(BrokenPipeError):  # who was refused is gone
                client.stdin.write(words.encode())
            time.sleep(STEP_S)
        client.stdin.close()
        client.wait(10)


@contextlib.contextmanager
def _connected(keys: Path, *options: str, port: int = 4433) -> Iterator[subprocess.Popen[bytes]]:
    command = [
        "openssl",
        "s_client",
        "-connect",
        f"127.0.0.1:{port}",
        "-servername",
        "shop.test",
        "-keylogfile",
        str(keys),
    ]
    with subprocess.Popen(
        [*command, *options], bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as client:
        time.sleep(STEP_S)
        yield client


def _certificate(folder: Path, name: str, subject: str, alternatives: str) -> None:
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "36500",
    ]
    files = ["-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem"]
    extensions = ["-addext", f"subjectAltName={alternatives}"]
    subprocess.run([*command, *files, "-subj", subject, *extensions], check=True, capture_output=True, timeout=20)
    assert ssl.PEM_cert_to_DER_cert((folder / f"{name}.pem").read_text())
