"""A strict storage server for tests: the part of Google's JSON API that uploads need, with its promises kept.

Uploads are media, multipart or resumable (in multiples of 256 KiB); ``ifGenerationMatch`` has one winner, also of
deletions; a CRC32C or size that does not fit is refused with 400. Reads are metadata, ranges, and lists in pages, with
prefixes. Objects are composed. ``faults`` go wrong on purpose. gsutil, as it is, keeps it honest
(``tests/support/test_gsutil.py``).

https://cloud.google.com/storage/docs/json_api
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import ssl
import struct
import threading
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.audit import crc32c

CHUNK_BYTES = 256 * 1024


@dataclass
class Stored:
    """One object."""

    content: bytes
    generation: int
    metadata: dict[str, Any]


@dataclass
class Fault:
    """What goes wrong with the next requests that match."""

    kind: str
    """``status``, ``lose_answer`` (done, but the connection ends before the answer) or ``reset`` (in the body)."""
    status: int = 503
    times: int = 1
    method: str = ""
    """Only requests of this method."""
    skip: int = 0
    """How many of those go well before."""


@dataclass
class Upload:
    """A resumable upload that is under way."""

    bucket: str
    query: dict[str, str]
    metadata: dict[str, Any]
    content: bytearray = field(default_factory=bytearray)
    done: dict[str, Any] = field(default_factory=dict)
    """The answer to the last chunk, which may be asked for again."""


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class Store:
    """Buckets and what was asked of them; one lock, so that one of several racing uploads wins."""

    def __init__(self, *buckets: str) -> None:
        self.lock = threading.Lock()
        self.base = ""
        """Address of the server."""
        self.buckets: dict[str, dict[str, Stored]] = {bucket: {} for bucket in buckets}
        self.uploads: dict[str, Upload] = {}
        self.faults: list[Fault] = []
        self.requests: Counter[str] = Counter()
        """Requests by method: what Google would bill."""
        self.deleted: list[tuple[str, Stored]] = []
        """Objects that are gone."""
        self.largest_body_bytes = 0
        self.created: Counter[str] = Counter()
        """How often an object of each name came into being."""
        self.authorizations: set[str] = set()
        """Every ``Authorization`` header that was seen."""
        self.accepted: set[str] | None = None
        """The only ``Authorization`` headers that are let in; ``None``: all."""

    def objects(self, bucket: str) -> dict[str, bytes]:
        """Content by name."""
        with self.lock:
            return {name: stored.content for name, stored in self.buckets[bucket].items()}

    def fault(self, kind: str, *, status: int = 503, times: int = 1, method: str = "", skip: int = 0) -> None:
        """Let the next ``times`` requests go wrong."""
        with self.lock:
            self.faults.append(Fault(kind, status, times, method, skip))

    def take_fault(self, method: str) -> Fault | None:
        """The fault of this request."""
        with self.lock:
            for fault in self.faults:
                if fault.times > 0 and fault.method in ("", method):
                    fault.skip -= 1
                    if fault.skip < 0:
                        fault.times -= 1
                        return fault
        return None

    def bucket(self, name: str) -> dict[str, Stored]:
        """Its objects."""
        if name not in self.buckets:
            raise Refused(404, "The specified bucket does not exist.")
        return self.buckets[name]

    def create(self, bucket: str, query: dict[str, str], metadata: dict[str, Any], content: bytes) -> dict[str, Any]:
        """Store an object, if its checksum and its precondition hold."""
        name = metadata.get("name") or query.get("name")
        if not name:
            raise Refused(400, "Required object name")
        if metadata.get("crc32c") not in (None, crc32c(content)):
            raise Refused(400, f"Provided CRC32C {metadata['crc32c']!r} doesn't match calculated {crc32c(content)!r}.")
        with self.lock:
            objects = self.bucket(bucket)
            self.check(query, objects.get(name))
            generation = sum(self.created.values()) + 1
            objects[name] = Stored(
                content, generation, {k: v for k, v in metadata.items() if k not in ("name", "crc32c")}
            )
            self.created[name] += 1
            return resource(self.base, bucket, name, objects[name])

    @staticmethod
    def check(query: dict[str, str], stored: Stored | None) -> None:
        """``ifGenerationMatch``; 0: nothing may be there."""
        if "ifGenerationMatch" in query and int(query["ifGenerationMatch"]) != (stored.generation if stored else 0):
            raise Refused(412, "At least one of the pre-conditions you specified did not hold.")

    def find(self, bucket: str, name: str) -> Stored:
        """An object."""
        with self.lock:
            objects = self.bucket(bucket)
            if name not in objects:
                raise Refused(404, f"No such object: {bucket}/{name}")
            return objects[name]

    def delete(self, bucket: str, query: dict[str, str], name: str) -> None:
        """Delete an object, if its precondition holds; what it was stays for the audit."""
        stored = self.find(bucket, name)
        with self.lock:
            self.check(query, stored)
            self.deleted.append((name, self.bucket(bucket).pop(name)))

    def compose(self, bucket: str, query: dict[str, str], name: str, wanted: dict[str, Any]) -> dict[str, Any]:
        """An object out of others, one behind the other."""
        content = b"".join(self.find(bucket, source["name"]).content for source in wanted["sourceObjects"])
        return self.create(bucket, query, {**wanted.get("destination", {}), "name": name}, content)

    def page(self, bucket: str, query: dict[str, str]) -> dict[str, Any]:
        """One page of a list."""
        with self.lock:
            objects = self.bucket(bucket)
            prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
            names = sorted(
                {_up_to(name, prefix, delimiter): None for name in sorted(objects) if name.startswith(prefix)}
            )
            names = [name for name in names if name > query.get("pageToken", "")]
            size = int(query.get("maxResults", 1000))
            answer: dict[str, Any] = {"kind": "storage#objects"}
            there = [name for name in names[:size] if name in objects]
            answer["items"] = [resource(self.base, bucket, name, objects[name]) for name in there]
            answer["prefixes"] = [name for name in names[:size] if name not in objects]
            if len(names) > size:
                answer["nextPageToken"] = names[size - 1]
            return answer


def _up_to(name: str, prefix: str, delimiter: str) -> str:
    """The name, or the folder below ``prefix`` that it lies in."""
    before, found, _ = name.removeprefix(prefix).partition(delimiter) if delimiter else (name, "", "")
    return prefix + before + delimiter if found else name


def resource(base: str, bucket: str, name: str, stored: Stored) -> dict[str, Any]:
    """What the API says of an object; ``base``: the server's address."""
    media = f"{base}/download/storage/v1/b/{bucket}/o/{urllib.parse.quote(name, safe='')}"
    return {
        **stored.metadata,
        "kind": "storage#object",
        "bucket": bucket,
        "name": name,
        "generation": str(stored.generation),
        "metageneration": "1",
        "id": f"{bucket}/{name}/{stored.generation}",
        "mediaLink": f"{media}?generation={stored.generation}&alt=media",
        "etag": f"CAE{stored.generation}=",
        "timeCreated": "2026-11-20T10:30:00.000Z",
        "updated": "2026-11-20T10:30:00.000Z",
        "storageClass": "STANDARD",
        "size": str(len(stored.content)),
        "crc32c": crc32c(stored.content),
        "md5Hash": base64.b64encode(hashlib.md5(stored.content, usedforsecurity=False).digest()).decode(),
    }


class Handler(BaseHTTPRequestHandler):
    """One connection; ``store`` is set by ``serve``."""

    protocol_version = "HTTP/1.1"
    store: Store
    base: str

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PUT(self) -> None:
        self._answer("PUT")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def _answer(self, method: str) -> None:
        fault = self.store.take_fault(method)
        with self.store.lock:
            self.store.requests[method] += 1
            self.store.authorizations.add(self.headers.get("Authorization", ""))
        if fault and fault.kind == "reset":
            self.rfile.read(min(int(self.headers.get("Content-Length") or 0), 64 * 1024) // 2)
            return self._hang_up()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.store.largest_body_bytes = max(self.store.largest_body_bytes, len(body))
        if fault and fault.kind == "status":
            return self._send_json(fault.status, {"error": {"code": fault.status, "message": "on purpose"}})
        try:
            if self.store.accepted is not None and self.headers.get("Authorization") not in self.store.accepted:
                raise Refused(401, "Invalid Credentials")
            status, headers, content = self._route(method, body)
        except Refused as refused:
            error = {"error": {"code": refused.status, "message": refused.reason}}
            return self._send_json(refused.status, error)
        if fault and fault.kind == "lose_answer":
            return self._hang_up()
        return self._send(status, headers, content)

    def _route(self, method: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        upload = re.fullmatch(r"/(?:resumable/)?upload/storage/v1/b/([^/]+)/o", url.path)
        named = re.fullmatch(r"/(download/)?storage/v1/b/([^/]+)/o/(.+)", url.path)
        listed = re.fullmatch(r"/storage/v1/b/([^/]+)/o", url.path)
        if upload and method in ("POST", "PUT"):
            return self._upload(method, urllib.parse.unquote(upload[1]), query, body)
        composed = re.fullmatch(r"/storage/v1/b/([^/]+)/o/(.+)/compose", url.path)
        if composed and method == "POST":
            bucket, name = urllib.parse.unquote(composed[1]), urllib.parse.unquote(composed[2])
            return _json(200, self.store.compose(bucket, query, name, json.loads(body)))
        if named and method == "DELETE":
            self.store.delete(urllib.parse.unquote(named[2]), query, urllib.parse.unquote(named[3]))
            return 204, {}, b""
        if named and method == "GET":
            bucket, name = urllib.parse.unquote(named[2]), urllib.parse.unquote(named[3])
            return self._read(bucket, name, media=bool(named[1]) or query.get("alt") == "media")
        if listed and method == "GET":
            return _json(200, self.store.page(urllib.parse.unquote(listed[1]), query))
        raise Refused(501, f"{method} {url.path} is not built")

    def _upload(
        self, method: str, bucket: str, query: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        if method == "PUT":
            return self._continue(query, body)
        self.store.bucket(bucket)
        if query.get("uploadType") == "media":
            return _json(200, self.store.create(bucket, query, {}, body))
        if query.get("uploadType") == "multipart":
            metadata, content = _multipart(self.headers["Content-Type"], body)
            return _json(200, self.store.create(bucket, query, metadata, content))
        if query.get("uploadType") == "resumable":
            metadata = json.loads(body or b"{}")
            with self.store.lock:
                stored = self.store.bucket(bucket).get(metadata.get("name") or query.get("name", ""))
                self.store.check(query, stored)
                key = str(len(self.store.uploads) + 1)
                self.store.uploads[key] = Upload(bucket, query, metadata)
            where = f"{self.base}/resumable/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={key}"
            return 200, {"Location": where}, b""
        raise Refused(400, "Unknown uploadType")

    def _continue(self, query: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        upload = self.store.uploads.get(query.get("upload_id", ""))
        if upload is None:
            raise Refused(410, "No such upload")
        match = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", self.headers.get("Content-Range", ""))
        if not match:
            raise Refused(400, "Bad Content-Range")
        first, _, total = match.groups()
        if first is not None and not upload.done:
            if int(first) > len(upload.content):
                raise Refused(400, "Chunk begins behind the end of the last one")
            if (total == "*" or int(first) + len(body) < int(total)) and len(body) % CHUNK_BYTES:
                raise Refused(400, f"Chunk is no multiple of {CHUNK_BYTES}")
            upload.content += body[len(upload.content) - int(first) :]  # what is there already is ignored
        if not upload.done and total != "*" and len(upload.content) == int(total):
            upload.done = self.store.create(upload.bucket, upload.query, upload.metadata, bytes(upload.content))
        if upload.done:
            return _json(200, upload.done)
        stored = {"Range": f"bytes=0-{len(upload.content) - 1}"} if upload.content else {}
        return 308, stored, b""

    def _read(self, bucket: str, name: str, *, media: bool) -> tuple[int, dict[str, str], bytes]:
        stored = self.store.find(bucket, name)
        if not media:
            return _json(200, resource(self.base, bucket, name, stored))
        headers = {
            "Content-Type": stored.metadata.get("contentType", "application/octet-stream"),
            "X-Goog-Hash": f"crc32c={crc32c(stored.content)}",
            "X-Goog-Generation": str(stored.generation),
        }
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if not wanted:
            return 200, headers, stored.content
        size = len(stored.content)
        first = int(wanted[1]) if wanted[1] else max(size - int(wanted[2]), 0)
        last = min(int(wanted[2]), size - 1) if wanted[1] and wanted[2] else size - 1
        if first >= size:
            raise Refused(416, "The requested range cannot be satisfied.")
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        return 206, headers, stored.content[first : last + 1]

    def _send_json(self, status: int, value: Any) -> None:
        self._send(*_json(status, value))

    def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:  # RFC 9110, 8.6
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _hang_up(self) -> None:
        """Reset the connection."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


def _json(status: int, value: Any) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "application/json; charset=UTF-8"}, json.dumps(value).encode()


def _multipart(content_type: str, body: bytes) -> tuple[dict[str, Any], bytes]:
    """Metadata and media of ``multipart/related`` (RFC 2387)."""
    match = re.search(r"""boundary=["']?([^"';]+)["']?""", content_type)
    if not match:
        raise Refused(400, "No boundary")
    mark = b"--" + match[1].encode()
    if not body.startswith(mark) or not body.rstrip(b"\r\n").endswith(mark + b"--"):
        raise Refused(400, "Truncated multipart body")
    newline = b"\r\n" if body.startswith(mark + b"\r\n") else b"\n"  # gsutil's lines end like files
    inner = body[len(mark) : body.rindex(mark + b"--")]
    first, _, second = inner.partition(newline + mark)
    parts = [part.split(newline * 2, 1)[1] for part in (first, second)]
    return json.loads(parts[0]), parts[1].removesuffix(newline)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


@contextmanager
def serve(*buckets: str, certificate: Path | None = None) -> Iterator[tuple[str, Store]]:
    """A server on loopback: its address for ``STORAGE_EMULATOR_HOST``, and its store; ``certificate``: by TLS."""
    store = Store(*buckets)
    server = _Server(("127.0.0.1", 0), type("BoundHandler", (Handler,), {"store": store}))
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    address = f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_address[1]}"
    store.base = address
    server.RequestHandlerClass.base = address  # type: ignore[attr-defined]  # the class made above
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield address, store
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
