"""``request`` and ``response`` of items of HTTP/2 and gRPC, from the fields and the body of one half of a stream."""

from __future__ import annotations

from typing import Any

from engine.dissect.graphql_queries import Operation
from engine.dissect.grpc_messages import MessageCount, call_of, is_grpc, messages_of, status_of
from engine.dissect.http2_headers import UNKNOWN, Field
from engine.dissect.http_sections import Body, content_of, cookies_of, operations_of, post_data, query_of
from engine.dissect.message import Problem

VERSION = "HTTP/2.0"


class Http2Payload(Body):
    """One half of a stream; the dissector fills it, an item asks it."""

    __slots__ = (
        "block_bytes",
        "count",
        "end_ns",
        "field_bytes",
        "fields",
        "head_bytes",
        "maybe_grpc",
        "notes",
        "pushed",
        "size_bytes",
        "start_ns",
        "told",
        "trailers",
    )

    def __init__(self, is_request: bool, limit_bytes: int, fields: list[Field]) -> None:
        self.is_request, self.limit_bytes = is_request, limit_bytes  # as Body does, whose call would take 0.13 us
        self.parts, self.kept_bytes, self.body_bytes, self.gap, self.fault = [], 0, 0, False, None
        self.fields = fields
        """As sent, pseudo header fields first."""
        self.trailers: list[Field] = []
        """Fields behind the body."""
        self.block_bytes = 0
        """Of the header blocks, compressed as they were sent."""
        self.field_bytes = 0
        """What the fields take in memory besides their text."""
        self.head_bytes = 0
        """The same, and their frames."""
        self.notes: list[str] = []
        """What is wrong with the fields."""
        self.pushed = False
        """The server promised it (RFC 9113, 8.4); nobody asked."""
        self.start_ns = self.end_ns = self.size_bytes = 0
        self.told = False
        """It went out, as whole as it gets; a frame of it may still be arriving."""
        mime_type = self.field("content-type")
        self.maybe_grpc = not mime_type and any(name.startswith(UNKNOWN) for name, _ in fields)
        """The content type may be among the fields that are not known."""
        self.count = MessageCount() if self.maybe_grpc or is_grpc(mime_type) else None

    def field(self, name: str) -> str:
        """The first value of this field, not of a trailer; empty where there is none."""
        for key, value in self.fields:
            if key == name:
                return value
        return ""

    def keep(self, data: bytes) -> None:
        """The next bytes of the body."""
        if self.count is not None:
            self.count.feed(data)
        super().keep(data)

    def miss(self, count: int) -> None:
        """The next ``count`` bytes of the body were not captured."""
        if self.count is not None:
            self.count.miss(count)
        super().miss(count)

    def doubt(self) -> None:
        """Frames of this direction were not captured, which may have been its own."""
        self.miss(0)
        if self.count is not None:
            self.count.broken = True

    def problem(self) -> Problem | None:
        """A gap, a reset, an early end; what is not known of the fields."""
        if not self.notes:
            return self.fault
        half = "request" if self.is_request else "response"
        said = [self.fault.msg] if self.fault else []
        said += [f"{half}: {note}" for note in self.notes]
        return Problem(self.fault.type if self.fault else "dissection", "; ".join(said))

    @property
    def is_call(self) -> bool:
        """It is half a call of gRPC: its content type says so, or that is not known and the body is such messages."""
        count = self.count
        if count is None or not self.maybe_grpc:
            return count is not None
        return count.messages > 0 and not count.cut and not count.broken

    def operations(self) -> list[Operation]:
        """Those of GraphQL that a request asks for."""
        query = self.field(":path").partition("?")[2]
        return operations_of(self, self.field("content-type"), self.field("content-encoding"), query)

    def section(self) -> dict[str, Any]:
        """``request`` or ``response`` of the item."""
        is_call = self.is_call  # whose trailers are looked for among the headers
        headers = _joined(self.fields + self.trailers if is_call and self.trailers else self.fields)
        section = self._request(headers) if self.is_request else self._response(headers)
        if self.pushed:
            section["pushed"] = True
        if self.trailers:
            section["trailers"] = _joined(self.trailers)
        if is_call:
            section["grpc"] = self._grpc(headers)
        return section

    def _request(self, headers: dict[str, str]) -> dict[str, Any]:
        target = headers.get(":path") or headers.get(":authority", "")  # CONNECT has no path (RFC 9113, 8.5)
        path, _, query = target.partition("?")
        mime_type, operations = headers.get("content-type", ""), self.operations()
        section = {
            "method": headers.get(":method", ""),
            "url": target,
            "targetUri": target,
            "path": path,
            "pathSegments": path.split("/")[1:],
            "httpVersion": VERSION,
            "headers": headers,
            "cookies": cookies_of([headers["cookie"]]) if "cookie" in headers else {},
            "queryString": query_of(query) if query else {},
            "headersSize": self.block_bytes,
            "bodySize": self.body_bytes,
            "postData": post_data(self, mime_type, headers.get("content-encoding", ""))
            if self.body_bytes
            else {"mimeType": mime_type, "params": [], "text": ""},
        }
        if operations:
            section["graphql"] = [operation.section() for operation in operations]
        return section

    def _response(self, headers: dict[str, str]) -> dict[str, Any]:
        status, mime_type = headers.get(":status", ""), headers.get("content-type", "")
        cookies = [value.partition(";")[0] for name, value in self.fields if name == "set-cookie"]
        return {
            "status": int(status) if len(status) == 3 and status.isascii() and status.isdigit() else 0,
            "statusText": "",  # HTTP/2 has none (RFC 9113, 8.3.2)
            "httpVersion": VERSION,
            "headers": headers,
            "cookies": cookies_of(cookies) if cookies else {},
            "content": content_of(self, mime_type, headers.get("content-encoding", ""))
            if self.body_bytes
            else {"size": 0, "mimeType": mime_type, "encoding": "", "text": ""},
            "redirectURL": headers.get("location", ""),
            "headersSize": self.block_bytes,
            "bodySize": self.body_bytes,
        }

    def _grpc(self, headers: dict[str, str]) -> dict[str, Any]:
        count = self.count
        assert count is not None
        service, method = call_of(headers.get(":path", ""))
        said = {"service": service, "method": method} if self.is_request else status_of(headers)
        coding = headers.get("grpc-encoding", "identity")
        section = {
            **said,
            "encoding": coding,
            "messageCount": count.messages,
            "messageBytes": count.bytes,
            "compressedCount": count.compressed,
            "messages": messages_of(b"".join(self.parts), coding, self.limit_bytes) if self.parts else [],
        }
        if count.broken:
            section["comment"] = "messages are missing in the counts: bytes were not captured"
        elif count.cut:
            section["comment"] = "the last message is not whole"
        elif self.maybe_grpc:
            section["comment"] = "taken for gRPC by its messages: the content type was not captured"
        return section


def _joined(fields: list[Field]) -> dict[str, str]:
    """Repeated fields by a comma, cookies by a semicolon (RFC 9113, 8.2.3)."""
    headers = dict(fields)
    if len(headers) < len(fields):
        several: dict[str, list[str]] = {}
        for name, value in fields:
            several.setdefault(name, []).append(value)
        headers = {name: ("; " if name == "cookie" else ",").join(values) for name, values in several.items()}
    return headers
